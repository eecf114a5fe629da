//! The CPU engine in the training loop: a run has the same bits for any number of threads, and
//! after it was stopped and resumed.

use std::{fs, path::Path};

use gptlab_data::Text;
use gptlab_engine::Device;
use gptlab_model::{Attention, Choice, Mlp, ModelSpec, Preset, Sublayer};
use gptlab_recipe::{Hyper, TextOrigin};
use gptlab_train::{
    Checkpoint, Event, Observer, Outcome, Progress, Resolved, ResumeOptions, Run, RunOptions,
    Settings,
};

const STEPS: u64 = 8;

fn text() -> Text {
    let lines: Vec<String> = (0..60)
        .map(|i| format!("{} and {}", i * i, i + 7))
        .collect();
    let origin = TextOrigin::Other("numbers".to_owned());
    Text::from_bytes(lines.join("\n").into_bytes(), origin).unwrap()
}

/// Returns settings with the choices of `preset`, at a size that takes milliseconds.
fn settings(preset: Preset) -> Settings {
    let settings = Settings::of(preset, Some(STEPS));
    let small = |sublayer: &Sublayer| match *sublayer {
        Sublayer::Attention(attention) => Sublayer::Attention(Attention {
            heads: 2,
            kv_heads: 2,
            ..attention
        }),
        Sublayer::Mlp(mlp) => Sublayer::Mlp(Mlp { hidden: 24, ..mlp }),
    };
    let layers = settings.spec.layers.iter().take(2);
    Settings {
        spec: ModelSpec {
            block_size: 20,
            n_embd: 12,
            layers: layers.map(|l| l.iter().map(small).collect()).collect(),
            ..settings.spec
        },
        hyper: Hyper {
            batch_size: 5,
            ..settings.hyper
        },
        seed: 7,
        ..settings
    }
}

#[derive(Default)]
struct Quiet {
    steps: u64,
    stop_after: Option<u64>,
}

impl Observer for Quiet {
    fn event(&mut self, _: &Event) {}

    fn progress(&mut self, _: &Progress) {
        self.steps += 1;
    }

    fn should_stop(&self) -> bool {
        self.stop_after == Some(self.steps)
    }
}

fn train(resolved: &Resolved, threads: usize, save: &Path, stop_after: Option<u64>) -> Outcome {
    let weights = resolved.weights().unwrap();
    let device = Device::cpu(threads);
    let mut engine = device.engine(resolved.graph.clone(), &weights).unwrap();
    let mut observer = Quiet {
        stop_after,
        ..Quiet::default()
    };
    let run_options = RunOptions {
        save: Some(save.to_owned()),
        ..RunOptions::default()
    };
    let run = Run::new(resolved, engine.as_mut(), run_options, &mut observer).unwrap();
    run.go().unwrap()
}

#[test]
fn stopped_and_resumed_with_other_threads_it_makes_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.safetensors");
    for &preset in Preset::ALL {
        let settings = settings(preset);
        let resolved = Resolved::fresh(&settings, &text()).unwrap();
        train(&resolved, 1, &path, None);
        let whole = fs::read(&path).unwrap();
        for (k, first, then) in [(1, 3, 2), (5, 2, 4)] {
            train(&resolved, first, &path, Some(k));
            let checkpoint = Checkpoint::open(&path).unwrap();
            assert_eq!(checkpoint.header().step, k);
            let options = ResumeOptions::of(&settings);
            let resumed = Resolved::resume_as(&settings, checkpoint, &text(), None, &options);
            let resumed = resumed.unwrap();
            train(&resumed, then, &path, None);
            let same = fs::read(&path).unwrap() == whole;
            assert!(same, "{}, stopped after {k}", preset.name());
        }
    }
}
