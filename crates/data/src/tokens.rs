//! Tokens in as few bytes as their vocabulary allows.

use std::ops::Range;

use crate::TokenStore;

/// A sequence of tokens in memory: one byte each if the vocabulary has at most 256 tokens, two up
/// to 65,536, otherwise four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens(Storage);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Storage {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Tokens {
    /// Makes an empty sequence for a vocabulary of `vocab_size`, with room for `capacity` tokens.
    pub fn with_capacity(vocab_size: usize, capacity: usize) -> Self {
        Self(match vocab_size {
            0..=0x100 => Storage::U8(Vec::with_capacity(capacity)),
            0x101..=0x1_0000 => Storage::U16(Vec::with_capacity(capacity)),
            0x1_0001.. => Storage::U32(Vec::with_capacity(capacity)),
        })
    }

    /// Returns the number of bytes per token of a vocabulary of `vocab_size`.
    pub fn width(vocab_size: usize) -> usize {
        match Self::with_capacity(vocab_size, 0).0 {
            Storage::U8(_) => 1,
            Storage::U16(_) => 2,
            Storage::U32(_) => 4,
        }
    }

    /// Appends `token`, which must be below the vocabulary's size.
    pub fn push(&mut self, token: u32) {
        match &mut self.0 {
            Storage::U8(v) => v.push(token as u8),
            Storage::U16(v) => v.push(token as u16),
            Storage::U32(v) => v.push(token),
        }
    }

    /// Keeps the first `at` tokens and returns the others.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        Self(match &mut self.0 {
            Storage::U8(v) => Storage::U8(v.split_off(at)),
            Storage::U16(v) => Storage::U16(v.split_off(at)),
            Storage::U32(v) => Storage::U32(v.split_off(at)),
        })
    }
}

impl TokenStore for Tokens {
    fn len(&self) -> usize {
        match &self.0 {
            Storage::U8(v) => v.len(),
            Storage::U16(v) => v.len(),
            Storage::U32(v) => v.len(),
        }
    }

    fn read(&self, start: usize, out: &mut [u32]) {
        let range = start..start.saturating_add(out.len());
        match &self.0 {
            Storage::U8(v) => copy(v, range, out),
            Storage::U16(v) => copy(v, range, out),
            Storage::U32(v) => copy(v, range, out),
        }
    }
}

/// Copies those of `tokens` that are in `range` into `out`.
fn copy<T: Copy + Into<u32>>(tokens: &[T], range: Range<usize>, out: &mut [u32]) {
    let end = range.end.min(tokens.len());
    let found = &tokens[range.start.min(end)..end];
    for (out, token) in out.iter_mut().zip(found) {
        *out = (*token).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_token_of_each_width_survives() {
        for (vocab, width) in [(1, 1), (256, 1), (257, 2), (65_536, 2), (65_537, 4)] {
            let mut tokens = Tokens::with_capacity(vocab, 2);
            tokens.push(0);
            tokens.push(vocab as u32 - 1);
            assert_eq!(tokens.to_vec(), [0, vocab as u32 - 1]);
            assert_eq!(Tokens::width(vocab), width, "vocabulary of {vocab}");
        }
    }

    #[test]
    fn a_slice_is_cut_to_what_there_is() {
        let mut tokens = Tokens::with_capacity(9, 3);
        for token in [5, 6, 7] {
            tokens.push(token);
        }
        assert_eq!(tokens.slice(1..3), [6, 7]);
        assert_eq!(tokens.slice(2..9), [7]);
        assert_eq!(tokens.slice(7..9), [] as [u32; 0]);
        assert!(!tokens.is_empty());
        let mut out = [9; 3];
        tokens.read(2, &mut out);
        assert_eq!(out, [7, 9, 9], "what is beyond the end stays as it was");
    }
}
