//! When to decode alone: after a token that helpers were too late for, some tokens are decoded by
//! one thread.

/// The smallest and the largest number of tokens that are decoded by one thread after a failure.
const MIN_DELAY: u32 = 8;
const MAX_DELAY: u32 = 1 << 12;
/// How many tokens helpers that slept may be late for without consequence.
const WAKE_TOKENS: u32 = 8;
/// After so many tokens in a row without a failure the delay is halved.
const RECOVERY: u32 = 1 << 7;

/// Exponential backoff. Where other programs use the cores, a helper takes time from the thread
/// that it is meant to help; so each failure doubles the number of tokens that are decoded without
/// helpers.
#[derive(Debug)]
pub(super) struct HelperBackoff {
    /// Tokens still to be decoded by one thread, and how many there will be after the next failure.
    delay: u32,
    next_delay: u32,
    /// Tokens since the helpers were woken, or last too late.
    together: u32,
}

impl Default for HelperBackoff {
    fn default() -> Self {
        Self {
            delay: 0,
            next_delay: MIN_DELAY,
            together: 0,
        }
    }
}

impl HelperBackoff {
    /// Returns whether the next token is to be decoded by one thread, and counts it.
    pub(super) fn skips(&mut self) -> bool {
        let skips = self.delay > 0;
        self.delay = self.delay.saturating_sub(1);
        skips
    }

    /// Tells that helpers have been asleep.
    pub(super) fn reset(&mut self) {
        self.together = 0;
    }

    /// Tells whether all helpers were in time for a token.
    pub(super) fn record(&mut self, together: bool) {
        self.together += 1;
        if together {
            if self.together == RECOVERY {
                (self.together, self.next_delay) =
                    (WAKE_TOKENS, (self.next_delay / 2).max(MIN_DELAY));
            }
        } else if self.together > WAKE_TOKENS {
            (self.delay, self.together) = (self.next_delay, 0);
            self.next_delay = (2 * self.next_delay).min(MAX_DELAY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `tokens`, how many are tried together where each `every`th is late.
    fn tried(tokens: u32, every: u32) -> u32 {
        let (mut backoff, mut tried) = (HelperBackoff::default(), 0);
        for _ in 0..tokens {
            if !backoff.skips() {
                tried += 1;
                backoff.record(tried % every != 0);
            }
        }
        tried
    }

    #[test]
    fn the_more_often_helpers_are_late_the_less_is_shared() {
        assert_eq!(tried(10_000, u32::MAX), 10_000);
        assert!(tried(10_000, 200) > 9_000);
        assert!(tried(10_000, 20) < 1_000);
    }

    #[test]
    fn helpers_that_wake_up_have_time() {
        let mut backoff = HelperBackoff::default();
        (0..100).for_each(|_| backoff.record(true));
        backoff.reset();
        (0..WAKE_TOKENS).for_each(|_| backoff.record(false));
        assert!(!backoff.skips());
        backoff.record(false);
        assert!(backoff.skips());
    }
}
