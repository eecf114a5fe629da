//! What a run reports to its caller while it trains.

use gptlab_engine::{Engine, StepStats};
use gptlab_model::Batch;
use gptlab_record::{Event, Series};

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
