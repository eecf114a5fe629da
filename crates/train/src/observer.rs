//! The interface between a run and its caller: what the run needs and what it reports.

use std::{num::NonZeroUsize, path::PathBuf};

use gptlab_engine::{Engine, StepStats};
use gptlab_model::Batch;
use gptlab_recipe::Intervals;
use gptlab_record::{Event, NotFinite, Series};

/// Receives the events of a run, and can stop it.
pub trait Observer {
    /// Called after each event, once it has been written to the record.
    fn event(&mut self, event: &Event);

    /// Called after each step.
    fn progress(&mut self, _progress: &Progress) {}

    /// Returns a text that the model generates after `step` updates; `None` when there is none.
    fn sample(&mut self, _engine: &dyn Engine, _step: u64) -> Option<String> {
        None
    }

    /// Called at each logged step, between its gradients and its update.
    fn before_update(&mut self, _engine: &mut dyn Engine, _batch: &Batch) {}

    /// Called at each logged step after its update. The returned series are recorded beside the
    /// step.
    fn after_update(&mut self, _engine: &mut dyn Engine, _update: &StepStats) -> Vec<Series> {
        Vec::new()
    }

    /// Returns whether the run should save its state and stop before the next step.
    fn should_stop(&self) -> bool {
        false
    }
}

/// The progress of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The number of updates made.
    pub done: u64,
    /// The number of updates that the run makes in all.
    pub steps: u64,
    /// The mean loss of the last step's batch, in nats per token.
    pub loss: f64,
    /// The seconds since the run began, without the time between a stop and a resume.
    pub seconds: f64,
    /// The number of predictions in the last step.
    pub tokens: u64,
    /// The seconds that the last step took.
    pub step_seconds: f64,
    /// The part of `seconds` that [`Observer::before_update`] and [`Observer::after_update`] took.
    pub observing: f64,
}

/// The files that a run writes, and the size of its micro-batches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// The folder for the experiment, events, checkpoints and samples.
    pub folder: Option<PathBuf>,
    /// The file that always holds the newest checkpoint.
    pub save: Option<PathBuf>,
    /// The number of newest checkpoints to keep in the folder; `None` keeps all.
    pub keep: Option<NonZeroUsize>,
    /// The number of sequences of a batch that the engine runs at a time; `None` runs all at once.
    /// It does not change any number.
    pub micro_batch: Option<NonZeroUsize>,
}

impl Targets {
    /// Returns the default number of checkpoints to keep: a few when checkpoints are saved at
    /// intervals of time, and all when they are saved at intervals of steps.
    pub fn usual_keep(intervals: &Intervals) -> Option<NonZeroUsize> {
        intervals.checkpoint_seconds.map(|_| NEWEST)
    }
}

/// The number of checkpoints to keep when they are saved at intervals of time.
const NEWEST: NonZeroUsize = NonZeroUsize::new(3).expect("three are some");

/// The way a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All `step` updates are made, and the state was saved to the files `saved`.
    Finished { step: u64, saved: Vec<PathBuf> },
    /// The observer stopped the run after `step` updates. `saved` is empty when no target was
    /// given.
    Stopped { step: u64, saved: Vec<PathBuf> },
    /// A number of step `step` was not finite. The checkpoints hold the states before it.
    Diverged { step: u64, what: NotFinite },
    /// The run had already finished before it was resumed.
    Complete { step: u64, saved: Vec<PathBuf> },
}
