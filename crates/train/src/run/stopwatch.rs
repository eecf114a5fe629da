//! How long a run takes.

use std::time::{Duration, Instant};

/// Time since the run began, and time spent training since the last record.
pub(super) struct Stopwatch {
    begun: Instant,
    before: f64,
    training: Duration,
    tokens: u64,
    observing: Duration,
    /// When a checkpoint was last saved, or the run began.
    saved: Instant,
    /// How long saving took.
    saving: Duration,
}

/// Saving by the clock takes at most one part in so many of a run's time.
const MOST_SAVING: u32 = 100;

impl Stopwatch {
    pub(super) fn since(before: f64) -> Self {
        Self {
            begun: Instant::now(),
            before,
            training: Duration::ZERO,
            tokens: 0,
            observing: Duration::ZERO,
            saved: Instant::now(),
            saving: Duration::ZERO,
        }
    }

    /// A checkpoint is saved, which took so long.
    pub(super) fn saved(&mut self, took: Duration) {
        (self.saved, self.saving) = (Instant::now(), took);
    }

    /// How long ago a checkpoint was saved; nothing where another would take too much of the time.
    pub(super) fn since_saved(&self) -> Duration {
        worth_saving(self.saved.elapsed(), self.saving)
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

    /// Seconds that observing has taken.
    pub(super) fn observing(&self) -> f64 {
        self.observing.as_secs_f64()
    }

    /// Tokens a second since the last call.
    pub(super) fn lap(&mut self) -> f64 {
        let rate = self.tokens as f64 / self.training.as_secs_f64().max(1e-9);
        (self.training, self.tokens) = (Duration::ZERO, 0);
        rate
    }
}

/// `since`, where a checkpoint that takes as long as the last one is a small part of it.
fn worth_saving(since: Duration, saving: Duration) -> Duration {
    if since < saving * MOST_SAVING {
        return Duration::ZERO;
    }
    since
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saving_takes_at_most_a_hundredth_of_the_time() {
        let [short, long] = [1, 2].map(Duration::from_secs);
        assert_eq!(worth_saving(99 * short, short), Duration::ZERO);
        assert_eq!(worth_saving(100 * short, short), 100 * short);
        assert_eq!(worth_saving(100 * short, long), Duration::ZERO);
        assert_eq!(worth_saving(short, Duration::ZERO), short);
    }
}
