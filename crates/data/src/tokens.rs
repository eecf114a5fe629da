//! Tokens in as few bytes as their vocabulary allows.

use std::ops::Range;

/// A sequence of tokens: one byte each where the vocabulary has at most 256, two up to 65,536, else
/// four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens(Storage);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Storage {
    U8(Vec<u8>),
    U16(Vec<u16>),
    U32(Vec<u32>),
}

impl Tokens {
    /// No tokens yet, of a vocabulary of `vocab_size`, with room for `capacity`.
    pub fn with_capacity(vocab_size: usize, capacity: usize) -> Self {
        Self(match vocab_size {
            0..=0x100 => Storage::U8(Vec::with_capacity(capacity)),
            0x101..=0x1_0000 => Storage::U16(Vec::with_capacity(capacity)),
            0x1_0001.. => Storage::U32(Vec::with_capacity(capacity)),
        })
    }

    /// Appends `token`, which must be below the vocabulary's size.
    pub fn push(&mut self, token: u32) {
        match &mut self.0 {
            Storage::U8(v) => v.push(token as u8),
            Storage::U16(v) => v.push(token as u16),
            Storage::U32(v) => v.push(token),
        }
    }

    pub fn len(&self) -> usize {
        match &self.0 {
            Storage::U8(v) => v.len(),
            Storage::U16(v) => v.len(),
            Storage::U32(v) => v.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tokens of `range`, cut to what there is.
    pub fn slice(&self, range: Range<usize>) -> Vec<u32> {
        self.iter(range).collect()
    }

    /// The same, one by one.
    pub fn iter(&self, range: Range<usize>) -> impl ExactSizeIterator<Item = u32> + Clone {
        let end = range.end.min(self.len());
        (range.start.min(end)..end).map(|i| match &self.0 {
            Storage::U8(v) => v[i].into(),
            Storage::U16(v) => v[i].into(),
            Storage::U32(v) => v[i],
        })
    }

    /// All of them.
    pub fn to_vec(&self) -> Vec<u32> {
        self.slice(0..self.len())
    }

    /// Keeps the first `at` tokens and returns the others.
    pub(crate) fn split_off(&mut self, at: usize) -> Self {
        Self(match &mut self.0 {
            Storage::U8(v) => Storage::U8(v.split_off(at)),
            Storage::U16(v) => Storage::U16(v.split_off(at)),
            Storage::U32(v) => Storage::U32(v.split_off(at)),
        })
    }

    /// Bytes a token takes.
    pub fn width(&self) -> usize {
        match &self.0 {
            Storage::U8(_) => 1,
            Storage::U16(_) => 2,
            Storage::U32(_) => 4,
        }
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
            assert_eq!(tokens.width(), width, "vocabulary of {vocab}");
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
    }
}
