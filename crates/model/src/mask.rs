//! The mask of an attention: the keys that a query sees.

use std::{fmt, ops::Range};

/// The keys that a query sees, by their positions. All other code derives them from [`Self::keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionMask {
    /// A query sees every key.
    Full,
    /// A query sees the keys up to its own position.
    Causal,
    /// A query sees this many of the last keys up to its own position, including that one; at least
    /// 1.
    Window(usize),
}

impl AttentionMask {
    /// Returns the keys that the query at position `query` sees in a sequence of `tokens` tokens.
    pub fn keys(self, query: usize, tokens: usize) -> Range<usize> {
        match self {
            Self::Full => 0..tokens,
            Self::Causal => 0..tokens.min(query + 1),
            Self::Window(n) => (query + 1).saturating_sub(n)..tokens.min(query + 1),
        }
    }

    /// Returns the number of pairs of a query and a key that it sees, in a sequence of `tokens`
    /// tokens: the sum of the lengths of [`Self::keys`]. It needs 128 bits, because it grows with
    /// the square of the length.
    pub fn pairs(self, tokens: usize) -> u128 {
        let t = tokens as u128;
        match self {
            Self::Full => t * t,
            Self::Causal => t * (t + 1) / 2,
            Self::Window(n) => {
                // The first `m` queries see all the past, the others `m` keys each.
                let m = t.min(n as u128);
                m * (m + 1) / 2 + (t - m) * m
            }
        }
    }

    /// Returns true if no query sees a later key, so that keys and values of a prefix never change.
    pub fn is_causal(self) -> bool {
        match self {
            Self::Full => false,
            Self::Causal | Self::Window(_) => true,
        }
    }
}

/// Writes the mask as listings show it.
impl fmt::Display for AttentionMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("full"),
            Self::Causal => f.write_str("causal"),
            Self::Window(n) => write!(f, "causal, window {n}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The witness is the sum over all queries.
    #[test]
    fn pairs_are_counted_and_what_is_causal_sees_no_later_key() {
        let windows = [1, 2, 7, 39, 40, usize::MAX].map(AttentionMask::Window);
        for mask in [AttentionMask::Full, AttentionMask::Causal]
            .into_iter()
            .chain(windows)
        {
            for tokens in 0..40 {
                let keys = || (0..tokens).map(|query| mask.keys(query, tokens));
                let pairs: usize = keys().map(|keys| keys.len()).sum();
                assert_eq!(mask.pairs(tokens), pairs as u128, "{mask} of {tokens}");
                let causal = keys().enumerate().all(|(i, keys)| keys.end <= i + 1);
                assert!(!mask.is_causal() || causal);
            }
        }
    }
}
