//! How long a grid will take, by the speed of a few steps.

use std::{num::NonZeroU64, path::Path, sync::Arc, thread, time::Instant};

use gptlab_data::{CorpusCache, SplitName, Text};
use gptlab_engine::{BackendOptions, Device};
use gptlab_recipe::{Intervals, ObserveLevel};
use gptlab_record::{Event, GridKind, read_outcome};
use gptlab_train::{Error, Observer, Progress, Resolved, Run, RunOptions, Settings, evaluate};

use super::{Machine, Planned};

/// Steps that are timed, after one that makes what every other one uses.
const TIMED: u64 = 3;

/// How long the runs that are missing of a grid will take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridEstimate {
    /// Runs that have not come to their end.
    pub runs: usize,
    pub seconds: f64,
}

/// Times a few steps and an evaluation of the first run that is missing in `folder`, on as many
/// runs side by side as `machine` may have, and counts what all missing runs take at that speed.
/// Published recipes differ much, and a run of each is timed. Nothing is written. `None` where
/// nothing is missing, or the steps make no finite numbers.
///
/// # Errors
/// When a timed run cannot be trained, or an outcome in `folder` cannot be read.
pub fn estimate(
    folder: &Path,
    planned: &Planned,
    text: &Text,
    machine: &Machine,
) -> Result<Option<GridEstimate>, Error> {
    let mut missing = Vec::new();
    for (cell, settings) in planned.grid.cells.iter().zip(&planned.cells) {
        if read_outcome(&folder.join(&cell.folder))?.is_none() {
            missing.push((cell, settings));
        }
    }
    let corpora = CorpusCache::new(text);
    let jobs = machine.jobs.clamp(1, missing.len().max(1));
    let mut work = 0.0;
    let mut timed: Option<(&str, RunSpeed)> = None;
    // The runs of one variant are timed once.
    missing.sort_by_key(|(cell, _)| {
        let mut variants = planned.grid.variants.iter();
        variants.position(|variant| variant.name == cell.variant)
    });
    for (cell, settings) in &missing {
        let same = timed
            .as_ref()
            .is_some_and(|(variant, _)| match planned.grid.kind {
                GridKind::Ablation | GridKind::Sweep => true,
                GridKind::Published => *variant == cell.variant,
            });
        if !same {
            let Some(speed) = speed(settings, &corpora, machine, jobs)? else {
                return Ok(None);
            };
            timed = Some((cell.variant.as_str(), speed));
        }
        work += timed.as_ref().map_or(0.0, |(_, speed)| speed.run(settings));
    }
    Ok((!missing.is_empty()).then(|| GridEstimate {
        runs: missing.len(),
        seconds: work / jobs as f64,
    }))
}

/// Times a run with these settings, and others like it beside it. `None` if its steps make no
/// finite numbers.
fn speed(
    settings: &Settings,
    corpora: &CorpusCache<'_>,
    machine: &Machine,
    jobs: usize,
) -> Result<Option<RunSpeed>, Error> {
    thread::scope(|scope| {
        let time = || RunSpeed::measure(settings, corpora, machine, jobs);
        // Where the system gives fewer threads, fewer runs are side by side later too.
        let start = |_| thread::Builder::new().spawn_scoped(scope, time).ok();
        let others: Vec<_> = (1..jobs).map_while(start).collect();
        let mine = time();
        for other in others {
            // The first thread's error is the others' too.
            let _ = other.join();
        }
        mine
    })
}

/// What a run takes, in seconds, while others run beside it.
struct RunSpeed {
    step: f64,
    /// An evaluation of one token.
    evaluated_token: f64,
    /// Tokens of the validation split.
    validation: u64,
}

impl RunSpeed {
    fn measure(
        settings: &Settings,
        corpora: &CorpusCache<'_>,
        machine: &Machine,
        jobs: usize,
    ) -> Result<Option<Self>, Error> {
        let few = Settings {
            intervals: Intervals {
                log: NonZeroU64::MAX,
                sample: None,
                val_tokens: 1,
                ..settings.intervals
            },
            observe: ObserveLevel::Off,
            ..settings.clone()
        };
        let resolved = Resolved::fresh(&few, corpora)?;
        let device = Device {
            backend: Arc::clone(&machine.backend),
            options: BackendOptions {
                threads: (machine.threads / jobs).max(1),
                precision: settings.hyper.precision,
            },
        };
        let mut engine = device.engine(resolved.graph.clone(), &resolved.weights()?)?;
        let mut watch = StepWatch::default();
        Run::new(
            &resolved,
            engine.as_mut(),
            RunOptions::default(),
            &mut watch,
        )?
        .go()?;
        let Some(step) = watch.mean() else {
            return Ok(None);
        };
        let Resolved { model, batches, .. } = &resolved;
        let tokens = (settings.spec.block_size * settings.hyper.batch_size) as u64;
        let begun = Instant::now();
        let found = evaluate(
            engine.as_mut(),
            model,
            batches,
            SplitName::Validation,
            tokens,
        )?;
        let seconds = begun.elapsed().as_secs_f64();
        Ok(Some(Self {
            step,
            evaluated_token: found.map_or(0.0, |found| seconds / found.tokens.max(1) as f64),
            validation: resolved.experiment.data.val_tokens,
        }))
    }

    /// What a whole run with these settings takes.
    fn run(&self, settings: &Settings) -> f64 {
        let steps = settings.hyper.steps;
        let logs = steps.div_ceil(settings.intervals.log.get()) + 1;
        let evaluated = logs * settings.intervals.val_tokens.min(self.validation) + self.validation;
        steps as f64 * self.step + evaluated as f64 * self.evaluated_token
    }
}

/// Times steps, and stops after a few.
#[derive(Default)]
struct StepWatch {
    seconds: Vec<f64>,
}

impl StepWatch {
    /// The mean of the steps after the first, or the first where there is no other.
    fn mean(&self) -> Option<f64> {
        let later = self.seconds.get(1..).filter(|later| !later.is_empty());
        crate::statistics::mean(later.unwrap_or(&self.seconds))
    }
}

impl Observer for StepWatch {
    fn event(&mut self, _event: &Event) {}

    fn progress(&mut self, progress: &Progress) {
        self.seconds.push(progress.step_seconds);
    }

    fn should_stop(&self) -> bool {
        self.seconds.len() as u64 > TIMED
    }
}
