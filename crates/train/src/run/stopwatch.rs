//! The times of a run.

use std::time::{Duration, Instant};

/// The time since the run began, and the time spent training since the last record.
pub(super) struct Stopwatch {
    begun: Instant,
    before: f64,
    training: Duration,
    tokens: u64,
    observing: Duration,
}

impl Stopwatch {
    pub(super) fn since(before: f64) -> Self {
        Self {
            begun: Instant::now(),
            before,
            training: Duration::ZERO,
            tokens: 0,
            observing: Duration::ZERO,
        }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.begun.elapsed().as_secs_f64()
    }

    pub(super) fn trained(&mut self, took: Duration, tokens: u64) {
        self.training += took;
        self.tokens += tokens;
    }

    pub(super) fn observed(&mut self, took: Duration) {
        self.observing += took;
    }

    /// Returns the seconds that the observer took.
    pub(super) fn observing(&self) -> f64 {
        self.observing.as_secs_f64()
    }

    /// Returns the tokens per second since the last call.
    pub(super) fn lap(&mut self) -> f64 {
        let rate = self.tokens as f64 / self.training.as_secs_f64().max(1e-9);
        (self.training, self.tokens) = (Duration::ZERO, 0);
        rate
    }
}
