//! The interface between a run and its caller: what the run needs and what it reports.

use gptlab_engine::{Engine, StepStats};
use gptlab_model::Batch;
use gptlab_record::{Event, Series};

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
    /// The mean loss, in nats per token, of the batch of the last step whose result is known: of
    /// the step before if the device computes beside the host.
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
