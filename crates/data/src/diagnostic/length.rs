//! How long a string is, every length being as likely as every other.

use gptlab_model::random::Cursor;

/// From `least` to `most`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Length {
    pub(super) fn draw(self, cursor: &mut Cursor) -> usize {
        self.least + cursor.below(self.count())
    }

    /// How many lengths there are.
    fn count(self) -> usize {
        self.most - self.least + 1
    }

    pub(super) fn contains(self, n: usize) -> bool {
        (self.least..=self.most).contains(&n)
    }

    /// The entropy of a length, in nats.
    pub(super) fn entropy(self) -> f64 {
        (self.count() as f64).ln()
    }

    /// The expectation of `f` of a length.
    pub(super) fn mean(self, f: impl Fn(usize) -> f64) -> f64 {
        (self.least..=self.most).map(f).sum::<f64>() / self.count() as f64
    }

    /// The nats of news that a string which has `n` goes on, that is, that its length is not `n`.
    pub(super) fn goes_on(self, n: usize) -> f64 {
        if n < self.least {
            return 0.0;
        }
        let left = (self.most - n) as f64;
        ((left + 1.0) / left).ln()
    }

    /// The nats of news that a string which has `n` ends there.
    pub(super) fn ends(self, n: usize) -> f64 {
        ((self.most - n + 1) as f64).ln()
    }
}
