//! Dropout masks of the weights: for a chunk of 128 queries, eight half-words a key.

use super::{QUERIES, QueryTile, WeightDropout};
use crate::dropout::{self, CHUNK};
use crate::simd::{LANES, Simd};

/// Words that hold the mask of a key against a chunk of queries.
pub(super) const WORDS: usize = CHUNK / 32;

/// The chunk that a query is in.
pub(super) fn chunk(query: usize) -> usize {
    query / CHUNK
}

/// Makes the masks of the chunk of `first` (a query) against all keys that it sees: four words a
/// key, a set bit for a dropped weight. They lie in f32 scratch as bits.
#[inline(always)]
pub(super) fn make<S: Simd>(
    s: S,
    masks: &mut [f32],
    dropout: Option<WeightDropout>,
    tile: &QueryTile,
) {
    let Some(WeightDropout { dropout, first_row }) = dropout else {
        return;
    };
    let (chunk, t) = (chunk(tile.first), tile.t);
    let keys = tile
        .visible
        .keys_of(&(chunk * CHUNK..(chunk + 1) * CHUNK), t);
    let first_key = keys.start & !1;
    let chunks = (dropout::mask_stride(t) / CHUNK) as u64;
    let first_row = first_row + (tile.head * t) as u64;
    let masks = &mut masks.as_chunks_mut::<WORDS>().0[first_key..keys.end];
    for (pair, masks) in masks.chunks_mut(2).enumerate() {
        let number = |key: usize| (first_row + key as u64) * chunks + chunk as u64;
        let key = first_key + 2 * pair;
        let dropped = dropout.dropped(s, [number(key), number(key + 1)]);
        for (words, dropped) in masks.iter_mut().zip(dropped) {
            for (word, halves) in words.iter_mut().zip(dropped.as_chunks::<2>().0) {
                let low = u32::from(s.mask_bits(halves[0]));
                let high = u32::from(s.mask_bits(halves[1]));
                *word = f32::from_bits(low | (high << 16));
            }
        }
    }
}

/// The masks of one tile of queries.
#[derive(Clone, Copy)]
pub(super) struct Masks<'a> {
    words: &'a [f32],
    place: usize,
}

impl<'a> Masks<'a> {
    /// Those of the tile that begins at query `first`.
    pub(super) fn new(words: &'a [f32], first: usize) -> Self {
        Self {
            words,
            place: first % CHUNK / QUERIES,
        }
    }

    /// Which of sixteen queries drop their weight for a key.
    #[inline(always)]
    pub(super) fn dropped<S: Simd>(&self, s: S, key: usize, half: usize) -> S::M {
        let word = self.words[key * WORDS + self.place].to_bits();
        s.mask_from_bits((word >> (LANES * half)) as u16)
    }
}

/// Whether a chunk begins at this query.
pub(super) fn begins(query: usize) -> bool {
    query.is_multiple_of(CHUNK)
}
