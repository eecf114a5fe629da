//! When a text is worth sharing.

/// Tokens written alone, at least and at most.
const FEWEST: u32 = 8;
const MOST: u32 = 1 << 12;
/// Tokens that helpers may take to wake up.
const GRACE: u32 = 8;
/// Tokens in a row that were made together, after which half is forgiven.
const STEADY: u32 = 1 << 7;

/// Where other programs want the cores, a helper takes time from the thread that it is to help; so after a token that
/// was not made together some are written alone, and more each time.
#[derive(Debug)]
pub(super) struct Pace {
    /// Tokens still to be written alone, and how many the next time.
    rest: u32,
    lot: u32,
    /// Tokens since helpers were woken or late.
    together: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            rest: 0,
            lot: FEWEST,
            together: 0,
        }
    }
}

impl Pace {
    /// Whether the next token is written alone.
    pub(super) fn rests(&mut self) -> bool {
        let rests = self.rest > 0;
        self.rest = self.rest.saturating_sub(1);
        rests
    }

    /// Helpers have been asleep.
    pub(super) fn wakes(&mut self) {
        self.together = 0;
    }

    /// A token was made, together or not.
    pub(super) fn goes(&mut self, together: bool) {
        self.together += 1;
        if together {
            if self.together == STEADY {
                (self.together, self.lot) = (GRACE, (self.lot / 2).max(FEWEST));
            }
        } else if self.together > GRACE {
            (self.rest, self.together) = (self.lot, 0);
            self.lot = (2 * self.lot).min(MOST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `tokens`, how many are tried together where each `every`th is late.
    fn tried(tokens: u32, every: u32) -> u32 {
        let (mut pace, mut tried) = (Pace::default(), 0);
        for _ in 0..tokens {
            if !pace.rests() {
                tried += 1;
                pace.goes(tried % every != 0);
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
        let mut pace = Pace::default();
        (0..100).for_each(|_| pace.goes(true));
        pace.wakes();
        (0..GRACE).for_each(|_| pace.goes(false));
        assert!(!pace.rests());
        pace.goes(false);
        assert!(pace.rests());
    }
}
