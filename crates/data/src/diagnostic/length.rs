//! The length of a random string, uniform over a range.

use gptlab_model::random::Cursor;

/// A range from `least` to `most`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length {
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Length {
    pub(super) fn draw(self, cursor: &mut Cursor) -> usize {
        self.least + cursor.below(self.count())
    }

    /// Returns the number of lengths.
    fn count(self) -> usize {
        self.most - self.least + 1
    }

    pub(super) fn contains(self, n: usize) -> bool {
        (self.least..=self.most).contains(&n)
    }

    /// Returns the entropy of the length, in nats.
    pub(super) fn entropy(self) -> f64 {
        (self.count() as f64).ln()
    }

    /// Returns the expectation of `f` of the length.
    pub(super) fn mean(self, f: impl Fn(usize) -> f64) -> f64 {
        (self.least..=self.most).map(f).sum::<f64>() / self.count() as f64
    }

    /// Returns the surprisal, in nats, of a string continuing after `n` characters.
    pub(super) fn continues(self, n: usize) -> f64 {
        if n < self.least {
            return 0.0;
        }
        let left = (self.most - n) as f64;
        ((left + 1.0) / left).ln()
    }

    /// Returns the surprisal, in nats, of a string ending after `n` characters.
    pub(super) fn ends(self, n: usize) -> f64 {
        ((self.most - n + 1) as f64).ln()
    }
}
