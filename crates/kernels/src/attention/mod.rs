//! Multi-head attention of one sequence, forward and backward, without ever storing T x T weights.
//!
//! For query i and key j of a head: score = scale q·k, then softcap c tanh(score / c) (Gemma 2), then `ALiBi`,
//! which takes slope |i - j| off it (Press et al. 2022); weights = softmax over the keys (those with j <= i where
//! causal), dropout on the weights, mix = weights V. Grouped queries (Ainslie et al. 2023): query head h reads key and value head
//! h / (heads / `kv_heads`).
//!
//! The fast version is in the manner of `FlashAttention` (Dao et al. 2022): 32 queries at a time against the
//! prefix of keys they may see; only the log-sum-exp of each row is kept, and the backward makes the weights
//! again. Tiles are *transposed*, keys down and queries across the lanes: the softmax reduces down columns, with
//! no horizontal step, and a tile is at once the right operand of V^T P^T and the left one of P^T dO, so that
//! nothing but the operands is ever packed. On one core of a Zen 5 server (AVX-512, causal, the pairs that count):
//! 155 GFLOP/s forward and 165 backward at T 256 and `head_dim` 32, 180 and 180 at T 1024 and `head_dim` 64.
//!
//! `qkv` is packed: row t holds `heads` query heads, then `kv_heads` key heads, then `kv_heads` value heads, each
//! `head_dim` wide. Dropout draws the mask of the transposed weights: the weight of (head h, query i, key j) is
//! element (`first_row` + h T + j, i) of a matrix of T columns.

mod backward;
mod decode;
mod forward;
pub mod naive;
mod pack;
#[cfg(test)]
mod tests;

use crate::dropout::Dropout;
use crate::math;
use crate::matmul::SLACK;
use crate::simd::{LANES, Simd};

pub use backward::backward;
pub use decode::decode_one;
pub use forward::forward;

/// Queries in a tile.
const QUERIES: usize = 32;
/// Keys in a panel, a multiple of every register tile's height.
const PANEL: usize = 8;
/// Keys that the backward takes at a time, so that its two strips stay in the first-level cache.
const KEYS: usize = 64;
/// Words that hold the mask of a key against a chunk of queries.
const MASK_WORDS: usize = 4;

/// What kind of attention.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub heads: usize,
    /// Divides `heads`.
    pub kv_heads: usize,
    pub head_dim: usize,
    /// Whether a query sees only the keys up to its own position.
    pub causal: bool,
    pub scale: f32,
    /// Scores go through c tanh(score / c).
    pub softcap: Option<f32>,
    /// A slope for each head; a score falls by slope * |i - j|.
    pub alibi: Option<&'a [f32]>,
    pub dropout: Option<WeightDropout>,
}

/// Dropout on the weights of a sequence.
#[derive(Clone, Copy, Debug)]
pub struct WeightDropout {
    pub dropout: Dropout,
    /// The first row of the stream that belongs to this sequence; it takes `heads * T` rows.
    pub first_row: u64,
}

impl Options<'_> {
    /// Columns of `qkv`.
    pub fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Columns of `mix`.
    pub fn mix_width(&self) -> usize {
        self.heads * self.head_dim
    }

    fn key_column(&self, kv_head: usize) -> usize {
        (self.heads + kv_head) * self.head_dim
    }

    fn value_column(&self, kv_head: usize) -> usize {
        (self.heads + self.kv_heads + kv_head) * self.head_dim
    }

    /// The query heads that read a key head.
    fn group(&self, kv_head: usize) -> core::ops::Range<usize> {
        let size = self.heads / self.kv_heads;
        kv_head * size..(kv_head + 1) * size
    }

    fn padded_dim(&self) -> usize {
        self.head_dim.next_multiple_of(LANES)
    }

    /// How many keys the tile of queries from `first` on may see.
    fn keys_seen(&self, first: usize, t: usize) -> usize {
        if self.causal {
            t.min(first + QUERIES)
        } else {
            t
        }
    }

    fn check(&self, qkv: &[f32], t: usize) {
        assert!(
            self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "kv_heads divides heads"
        );
        assert_eq!(
            qkv.len(),
            t * self.qkv_width(),
            "qkv is not [T, (heads + 2 kv_heads) head_dim]"
        );
        assert!(
            self.alibi.is_none_or(|slopes| slopes.len() == self.heads),
            "one slope a head"
        );
    }
}

/// Floats of scratch that [`forward`] and [`backward`] need for a sequence of `t` tokens.
pub fn scratch_len(t: usize, options: &Options<'_>) -> usize {
    let (t, d) = (t.next_multiple_of(QUERIES), options.padded_dim());
    let sequence = t * d + SLACK;
    let tile = QUERIES * d + SLACK;
    let masks = t * MASK_WORDS;
    let forward = 2 * sequence + 2 * tile + t * QUERIES;
    let backward = 5 * sequence + 5 * tile + 2 * KEYS * QUERIES;
    masks + forward.max(backward)
}

/// Cuts pieces off the caller's scratch.
struct Scratch<'a>(&'a mut [f32]);

impl<'a> Scratch<'a> {
    fn take(&mut self, len: usize) -> &'a mut [f32] {
        let (piece, rest) = core::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        piece
    }
}

/// What turns products into scores, for one head and one tile of queries.
#[derive(Clone, Copy)]
struct Scores {
    softcap: Option<f32>,
    slope: f32,
    causal: bool,
    first_query: usize,
}

impl Scores {
    fn new(options: &Options<'_>, head: usize, first_query: usize) -> Self {
        Self {
            softcap: options.softcap,
            slope: options.alibi.map_or(0.0, |slopes| slopes[head]),
            causal: options.causal,
            first_query,
        }
    }

    /// Whether products are scores as they are.
    fn plain(&self) -> bool {
        self.softcap.is_none() && self.slope == 0.0
    }

    /// Whether some query of the tile may not see this key.
    #[inline(always)]
    fn masks(&self, key: usize) -> bool {
        self.causal && key > self.first_query
    }

    /// The scores of a key for sixteen queries, and the derivative by the products.
    #[inline(always)]
    fn of<S: Simd>(&self, s: S, product: S::F, key: usize, half: usize) -> (S::F, S::F) {
        let (mut score, mut slope) = (product, s.splat(1.0));
        if let Some(cap) = self.softcap {
            let tanh = math::tanh_lanes(s, s.mul(product, s.splat(1.0 / cap)));
            score = s.mul(tanh, s.splat(cap));
            slope = s.sub(s.splat(1.0), s.mul(tanh, tanh));
        }
        if self.slope != 0.0 {
            let distance = s.abs(s.sub(self.queries(s, half), s.splat(key as f32)));
            score = s.mul_add(distance, s.splat(-self.slope), score);
        }
        (score, slope)
    }

    /// `masked` for the queries that may not see the key, `v` for the others.
    #[inline(always)]
    fn mask<S: Simd>(&self, s: S, v: S::F, masked: f32, key: usize, half: usize) -> S::F {
        let blind = s.lt(self.queries(s, half), s.splat(key as f32));
        s.select(blind, s.splat(masked), v)
    }

    /// The positions of sixteen queries.
    #[inline(always)]
    fn queries<S: Simd>(&self, s: S, half: usize) -> S::F {
        s.add(s.iota(), s.splat((self.first_query + half * LANES) as f32))
    }
}
