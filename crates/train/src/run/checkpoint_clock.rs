//! Checkpoints at intervals of time.

use std::time::{Duration, Instant};

/// Saving at intervals of time takes at most one part in this many of a run's time.
const MOST_SAVING: u32 = 100;

/// The time of the last checkpoint, and how long saving it took.
pub(super) struct CheckpointClock {
    /// The time of the last checkpoint, or the start of the run before the first one.
    saved: Instant,
    saving: Duration,
}

impl CheckpointClock {
    /// Starts the clock of a run that begins now.
    pub(super) fn start() -> Self {
        Self {
            saved: Instant::now(),
            saving: Duration::ZERO,
        }
    }

    /// Notes that a checkpoint was saved now, which took this long.
    pub(super) fn saved(&mut self, took: Duration) {
        (self.saved, self.saving) = (Instant::now(), took);
    }

    /// Returns whether the last checkpoint is at least `interval` old, and old enough that saving
    /// takes at most a hundredth of the time.
    pub(super) fn is_due(&self, interval: Duration) -> bool {
        is_due(self.saved.elapsed(), interval, self.saving)
    }
}

fn is_due(since: Duration, interval: Duration, saving: Duration) -> bool {
    since >= interval.max(saving * MOST_SAVING)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saving_takes_at_most_a_hundredth_of_the_time() {
        let [short, long] = [1, 2].map(Duration::from_secs);
        let minute = 60 * short;
        assert!(!is_due(99 * short, minute, short));
        assert!(is_due(100 * short, minute, short));
        assert!(!is_due(100 * short, minute, long));
        assert!(!is_due(59 * short, minute, Duration::ZERO));
        assert!(is_due(minute, minute, Duration::ZERO));
    }
}
