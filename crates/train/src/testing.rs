//! A model small enough for the oracle, and an engine whose state a checkpoint can hold.

use std::{num::NonZeroU64, ops::Range, path::Path};

use gptlab_data::Text;
use gptlab_engine::{
    Engine, Hook, ImportError, Noise, Reduce, ReduceError, Slot, StepHyper, StepStats,
    oracle::Oracle,
};
use gptlab_model::{Attention, Batch, Graph, Mlp, MlpForm, ModelSpec, Preset, Sublayer};
use gptlab_recipe::{Hyper, Intervals, TextOrigin};
use gptlab_record::Event;

use crate::{Observer, Outcome, Resolved, Run, RunOptions, Settings, Stored};

pub(crate) fn text(text: &str) -> Text {
    let origin = TextOrigin::Other("a small text".to_owned());
    Text::from_bytes(text.as_bytes().to_vec(), origin).unwrap()
}

pub(crate) fn story() -> Text {
    text("the cat sat on the mat and the rat sat on the cat; that was that.")
}

/// Returns the settings of gpt2-mini, including dropout, at width 4.
pub(crate) fn settings(steps: u64) -> Settings {
    let preset = Preset::Gpt2Mini.spec();
    let mlp = Mlp {
        hidden: 4,
        form: MlpForm::Plain(gptlab_model::Activation::GeluErf),
    };
    let block = vec![
        Sublayer::Attention(Attention::causal(2)),
        Sublayer::Mlp(mlp),
    ];
    Settings {
        spec: ModelSpec {
            block_size: 5,
            n_embd: 4,
            layers: vec![block],
            ..preset
        },
        hyper: Hyper {
            batch_size: 2,
            lr: 0.05,
            warmup: 2,
            ..Hyper::of(Preset::Gpt2Mini, Some(steps))
        },
        seed: u64::MAX - 6,
        intervals: Intervals {
            log: NonZeroU64::MIN,
            sample: NonZeroU64::new(3),
            checkpoint: None,
            checkpoint_seconds: None,
            val_tokens: 100,
        },
        engine: "a rounded oracle".to_owned(),
        ..Settings::of(Preset::Gpt2Mini, Some(steps))
    }
}

/// The oracle with its state rounded to f32 after every update, because a checkpoint cannot hold
/// f64.
#[derive(Debug)]
pub(crate) struct RoundedOracle(Oracle);

impl RoundedOracle {
    pub(crate) fn new(resolved: &Resolved) -> Self {
        let weights = resolved.weights().unwrap();
        Self(Oracle::new(resolved.graph.clone(), &weights).unwrap())
    }
}

impl Engine for RoundedOracle {
    fn graph(&self) -> &Graph {
        self.0.graph()
    }

    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
        self.0.part(batch, first, sequences)
    }

    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize> {
        self.0.share(batch, index, count)
    }

    fn accumulate(&mut self, batch: &Batch, part: Range<usize>, noise: Noise, losses: &mut [f64]) {
        self.0.accumulate(batch, part, noise, losses);
    }

    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        self.0.reduce(others)
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        self.0.losses(batch)
    }

    fn update(&mut self, hyper: &StepHyper) -> StepStats {
        let stats = self.0.update(hyper);
        for stored in Stored::ALL {
            let rounded = self.0.export(stored.slot());
            self.0.import(stored.slot(), &rounded).unwrap();
        }
        stats
    }

    fn export(&self, slot: Slot) -> Vec<f32> {
        self.0.export(slot)
    }

    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError> {
        self.0.import(slot, values)
    }

    fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        self.0.losses_with(batch, hook)
    }
}

/// An observer that keeps every event, samples the first weight, and can stop the run.
#[derive(Default)]
pub(crate) struct EventKeeper {
    pub(crate) events: Vec<Event>,
    pub(crate) steps: u64,
    pub(crate) stop_after: Option<u64>,
    /// The step whose sample is cut short by a stop.
    pub(crate) cut_sample: Option<u64>,
    pub(crate) cut: bool,
}

impl EventKeeper {
    pub(crate) fn stopping_after(steps: u64) -> Self {
        Self {
            stop_after: Some(steps),
            ..Self::default()
        }
    }
}

impl Observer for EventKeeper {
    fn event(&mut self, event: &Event) {
        self.events.push(event.clone());
    }

    fn progress(&mut self, _: &crate::Progress) {
        self.steps += 1;
    }

    fn sample(&mut self, engine: &dyn Engine, step: u64) -> Option<String> {
        self.cut = self.cut_sample == Some(step);
        if self.cut {
            return None;
        }
        let first = engine.export(Slot::Weights)[0];
        Some(format!("{step}: {first}"))
    }

    fn should_stop(&self) -> bool {
        self.cut || self.stop_after == Some(self.steps)
    }
}

pub(crate) fn kept_in(folder: &Path) -> RunOptions {
    RunOptions {
        folder: Some(folder.to_owned()),
        ..RunOptions::default()
    }
}

/// Runs until the end, or until `recorder` stops the run.
pub(crate) fn train(
    resolved: &Resolved,
    run_options: RunOptions,
    recorder: &mut EventKeeper,
) -> Outcome {
    let mut engine = RoundedOracle::new(resolved);
    Run::new(resolved, &mut engine, run_options, recorder)
        .and_then(Run::go)
        .unwrap()
}
