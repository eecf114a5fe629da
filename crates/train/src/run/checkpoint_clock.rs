//! When the clock asks for a checkpoint.

use std::time::{Duration, Instant};

/// Saving by the clock takes at most one part in so many of a run's time.
const MOST_SAVING: u32 = 100;

/// When a checkpoint was last saved, and how long that took.
pub(super) struct CheckpointClock {
    /// Or when the run began.
    saved: Instant,
    saving: Duration,
}

impl CheckpointClock {
    /// A clock of a run that begins now.
    pub(super) fn start() -> Self {
        Self {
            saved: Instant::now(),
            saving: Duration::ZERO,
        }
    }

    /// A checkpoint is saved, which took so long.
    pub(super) fn saved(&mut self, took: Duration) {
        (self.saved, self.saving) = (Instant::now(), took);
    }

    /// Returns whether the last checkpoint is at least `interval` old, and so old that saving takes
    /// at most a hundredth of the time.
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
