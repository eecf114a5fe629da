//! What a run needs from its caller, and what it reports.

use std::{num::NonZeroUsize, path::PathBuf};

use gptlab_engine::{Engine, StepStats};
use gptlab_model::Batch;
use gptlab_recipe::Intervals;
use gptlab_record::{Event, NotFinite, Series};

/// Follows a run, and may stop it.
pub trait Observer {
    /// Called after something has happened that the record keeps.
    fn event(&mut self, event: &Event);

    /// Called after every step; most are not events.
    fn progress(&mut self, _progress: &Progress) {}

    /// Returns text from the model as it is, after `step` updates; `None` where there is none.
    fn sample(&mut self, _engine: &dyn Engine, _step: u64) -> Option<String> {
        None
    }

    /// Called in a step that will be logged, between its gradients and its update.
    fn before_update(&mut self, _engine: &mut dyn Engine, _batch: &Batch) {}

    /// Called after that update. What is returned is recorded beside the step.
    fn after_update(&mut self, _engine: &mut dyn Engine, _update: &StepStats) -> Vec<Series> {
        Vec::new()
    }

    /// Returns whether to save and stop before the next step.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Updates made, and to be made in all.
    pub done: u64,
    pub steps: u64,
    /// Of the last step's batch, in nats a token.
    pub loss: f64,
    /// Since the run began, pauses between stop and resume left out.
    pub seconds: f64,
    /// Predictions in the last step, and how long it took.
    pub tokens: u64,
    pub step_seconds: f64,
    /// What [`Observer::before_update`] and [`Observer::after_update`] have taken of `seconds`.
    pub observing: f64,
}

/// Where a run leaves what it makes, and how much of a batch it runs at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// A folder for the experiment, events, checkpoints and samples.
    pub folder: Option<PathBuf>,
    /// A file that always holds the newest checkpoint.
    pub save: Option<PathBuf>,
    /// How many checkpoints the folder keeps, the newest; `None`: all.
    pub keep: Option<NonZeroUsize>,
    /// How many sequences of a batch the engine runs at a time; `None`: all. It changes no number.
    pub micro_batch: Option<NonZeroUsize>,
}

impl Targets {
    /// How many checkpoints a run's folder keeps where nobody says: the newest few of those that
    /// are made by the clock, and all of those that are made by steps.
    pub fn usual_keep(intervals: &Intervals) -> Option<NonZeroUsize> {
        intervals.checkpoint_seconds.map(|_| NEWEST)
    }
}

/// How many checkpoints by the clock are kept.
const NEWEST: NonZeroUsize = NonZeroUsize::new(3).expect("three are some");

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Finished {
        step: u64,
        saved: Vec<PathBuf>,
    },
    /// The observer asked for it. Where nothing was `saved`, there was nowhere to.
    Stopped {
        step: u64,
        saved: Vec<PathBuf>,
    },
    /// A number of step `step` was not finite. Checkpoints are of the steps before.
    Diverged {
        step: u64,
        what: NotFinite,
    },
    /// It had come to its end before.
    Complete {
        step: u64,
        saved: Vec<PathBuf>,
    },
}
