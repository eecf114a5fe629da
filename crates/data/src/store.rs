//! The storage from which tokens are read.

use std::{fmt, ops::Range};

/// A sequence of tokens that is read by ranges: [`Tokens`](crate::Tokens) in memory, or another
/// implementation. Reading allocates nothing, so that a batch can be made without allocation.
pub trait TokenStore: fmt::Debug + Send + Sync {
    /// Returns the number of tokens.
    fn len(&self) -> usize;

    /// Copies the tokens from `start` on into `out`, as many as fit. The part of `out` beyond the
    /// last token stays unchanged.
    fn read(&self, start: usize, out: &mut [u32]);

    /// Returns whether there are no tokens.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the tokens of `range`, which is clipped to the sequence.
    fn slice(&self, range: Range<usize>) -> Vec<u32> {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let mut tokens = vec![0; end - start];
        self.read(start, &mut tokens);
        tokens
    }

    /// Returns all tokens.
    fn to_vec(&self) -> Vec<u32> {
        self.slice(0..self.len())
    }
}

/// Iterates over the tokens of a range, which are read in blocks into a buffer.
#[derive(Clone, Debug)]
pub(crate) struct TokenIter<'a> {
    store: &'a dyn TokenStore,
    next: usize,
    end: usize,
    /// The last block read, which is aligned to the buffer's end.
    buffer: [u32; READ_AT_ONCE],
    /// The number of tokens in the buffer that remain.
    left: usize,
}

/// The size of a block, large enough that the cost of a read is small.
const READ_AT_ONCE: usize = 64;

impl<'a> TokenIter<'a> {
    /// Makes an iterator over the tokens of `range` in `store`, clipped to the sequence.
    pub(crate) fn new(store: &'a dyn TokenStore, range: Range<usize>) -> Self {
        let end = range.end.min(store.len());
        Self {
            store,
            next: range.start.min(end),
            end,
            buffer: [0; READ_AT_ONCE],
            left: 0,
        }
    }
}

impl Iterator for TokenIter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let remaining = self.end - self.next;
        if remaining == 0 {
            return None;
        }
        if self.left == 0 {
            self.left = remaining.min(READ_AT_ONCE);
            let first = READ_AT_ONCE - self.left;
            self.store.read(self.next, &mut self.buffer[first..]);
        }
        let token = self.buffer[READ_AT_ONCE - self.left];
        self.left -= 1;
        self.next += 1;
        Some(token)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let remaining = self.end - self.next;
        (remaining, Some(remaining))
    }
}

impl ExactSizeIterator for TokenIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokens;

    #[test]
    fn an_iterator_gives_what_a_slice_holds() {
        let mut tokens = Tokens::with_capacity(1_000, 300);
        (0..300).for_each(|token| tokens.push(token));
        for range in [0..0, 0..1, 3..67, 0..64, 1..66, 5..300, 290..999, 400..500] {
            let iter = TokenIter::new(&tokens, range.clone());
            let expected = tokens.slice(range.clone());
            assert_eq!(iter.len(), expected.len(), "{range:?}");
            assert_eq!(iter.collect::<Vec<_>>(), expected, "{range:?}");
        }
        let mut iter = TokenIter::new(&tokens, 0..200);
        assert_eq!(iter.by_ref().nth(70), Some(70));
        assert_eq!(iter.clone().collect::<Vec<_>>(), iter.collect::<Vec<_>>());
    }
}
