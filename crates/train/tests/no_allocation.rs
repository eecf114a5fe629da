//! The test that training, with its batches, allocates nothing between two records. An allocator
//! counts the allocations of all threads, so this file holds one test that runs alone.

use std::{alloc::System, num::NonZeroU64};

use gptlab_data::Text;
use gptlab_engine::Device;
use gptlab_model::{Choice, Preset};
use gptlab_recipe::{Hyper, Intervals, TextOrigin};
use gptlab_train::{Event, Observer, Resolved, Run, RunOptions, Settings};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const STEPS: u64 = 50;

struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: &Event) {}
}

/// Returns lines of many lengths. They make few batches per epoch, so that the counted steps span
/// several epochs.
fn text() -> Text {
    let line = |i: usize| "abcdefghij".repeat(1 + i % 3)[i % 10..].to_owned();
    let lines: Vec<String> = (0..40).map(line).collect();
    let origin = TextOrigin::Other("letters".to_owned());
    Text::from_bytes(lines.join("\n").into_bytes(), origin).expect("UTF-8")
}

/// Returns settings whose steps fit one chunk, whatever the lengths of the documents or windows.
fn settings(preset: Preset) -> Settings {
    let settings = Settings::of(preset, Some(STEPS));
    let mut spec = settings.spec;
    spec.block_size = 16;
    spec.layers.truncate(1);
    Settings {
        spec,
        hyper: Hyper {
            batch_size: 8,
            ..settings.hyper
        },
        intervals: Intervals {
            log: NonZeroU64::new(STEPS).expect("some"),
            sample: None,
            checkpoint: None,
            checkpoint_seconds: None,
            val_tokens: 100,
        },
        ..settings
    }
}

#[test]
fn a_run_allocates_nothing_between_its_first_record_and_its_last() {
    for preset in [Preset::Microgpt, Preset::Gpt2Mini] {
        let resolved = Resolved::fresh(&settings(preset), &text()).expect("an experiment");
        let weights = resolved.weights().expect("new weights");
        let engine = Device::cpu(1).engine(resolved.graph.clone(), &weights);
        let (mut engine, mut observer) = (engine.expect("an engine"), Silent);
        let run = Run::new(
            &resolved,
            engine.as_mut(),
            RunOptions::default(),
            &mut observer,
        );
        let mut run = run.expect("a run");
        let mut region = Region::new(ALLOCATOR);
        run.step().expect("a first step");
        assert!(
            region.change_and_reset().allocations > 0,
            "nothing is counted"
        );
        (2..STEPS).for_each(|_| run.step().expect("a step"));
        let seen = region.change();
        assert_eq!(run.done(), STEPS - 1);
        assert_eq!(
            seen.allocations + seen.reallocations,
            0,
            "{}",
            preset.name()
        );
    }
}
