//! Multi-head attention of one sequence, forward and backward, without ever storing T x T weights.
//!
//! For query i and key j of a head: score = scale q·k, then softcap c tanh(score / c) (Gemma 2),
//! then `ALiBi`, which subtracts slope |i - j| (Press et al. 2022); weights = softmax over the
//! keys that i sees ([`VisibleKeys`]), dropout on the weights, mix = weights V. Grouped queries
//! (Ainslie et al. 2023): query head h reads key and value head h / (heads / `kv_heads`).
//!
//! The fast version follows `FlashAttention` (Dao et al. 2022). It takes 32 queries at a time
//! against the keys that they see, in blocks of 64, with a running softmax. It stores only the
//! log-sum-exp of each row, and the backward computes the weights again. Strips of weights are
//! *transposed*, keys down and queries across the lanes: the softmax reduces down columns, without
//! a horizontal step, and a strip is the left operand both of P V (its queries as rows) and of P^T
//! dO (its keys as rows), so that nothing but the operands is ever packed. What a query does not
//! see is left out eight or sixteen queries at a time, and of a window ([`VisibleKeys::Window`]:
//! Beltagy et al. 2020) every block of keys before it. One core of a Zen 5 server (AVX-512, causal,
//! counting the pairs that are seen) reaches 175 GFLOP/s forward and 185 backward at T 256 and
//! `head_dim` 32, and 193 and 197 at T 1024 and `head_dim` 64; the rest of the time goes into
//! exponentials, packing and partial tiles. Sequences of up to 16 tokens have code of their own
//! (`short`), which takes 0.3 µs forward and 0.5 µs backward for a name of 7 letters and 4 heads of
//! 4, between a fifth and a third of the time of tiles.
//!
//! In bf16 the operands of all products are rounded where they are laid out (Q with its scale, K,
//! V, dO) or made (weights, gradients of scores); products are exact; sums, softmax, log-sum-exp, Δ
//! and dropout are f32. The bits are the same with the instruction for pairs and without it,
//! wherever multiply-adds are fused. The same core reaches 275 and 280 GFLOP/s at T 256, and 315
//! and 320 at T 1024, where the product alone reaches 495. Sequences of up to 16 tokens stay f32,
//! because rounding would cost more than it gains.
//!
//! Several threads can share a long sequence ([`Parallel`](crate::Parallel)): the forward is cut
//! into tiles of queries, the backward into key heads. Sums keep their order, and so the bits are
//! the same.
//!
//! `qkv` is packed: row t holds `heads` query heads, then `kv_heads` key heads, then `kv_heads`
//! value heads, each `head_dim` wide. Dropout draws the mask of the transposed weights: the weight
//! of (head h, query i, key j) is element (`first_row` + h T + j, i) of a matrix of T columns.

mod backward;
mod decode;
mod dropout_masks;
mod forward;
pub mod naive;
mod pack_heads;
mod products;
mod register_tile;
mod score_gradients;
mod scratch_stack;
mod short;
mod tasks;
#[cfg(test)]
mod tests;
mod visible_keys;

use crate::dropout::Dropout;
use crate::math;
use crate::operand_type::OperandType;
use crate::simd::{LANES, Simd};
use core::f32::consts::{LN_2, LOG2_E};
use core::ops::Range;

pub use backward::{backward, backward_by};
pub use decode::{CacheLayout, KeysAndValues, decode_one, decode_scratch_len};
pub use forward::{forward, forward_by};
pub use visible_keys::VisibleKeys;

/// Queries in a tile.
const QUERIES: usize = 2 * LANES;
/// Keys in a block: as many as have strips that stay in the first-level cache.
const KEYS: usize = 64;
/// The most keys whose products with a tile are made at once.
const MAX_KEYS_AT_ONCE: usize = 8;

/// The kind of attention.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    pub heads: usize,
    /// How many key and value heads there are; it divides `heads`.
    pub kv_heads: usize,
    pub head_dim: usize,
    /// The attention mask.
    pub visible: VisibleKeys,
    pub scale: f32,
    /// The c of c tanh(score / c), which scores go through.
    pub softcap: Option<f32>,
    /// The slope of each head: slope * |i - j| is subtracted from a score.
    pub alibi: Option<&'a [f32]>,
    pub dropout: Option<WeightDropout>,
    /// What the operands of products are rounded to, but for sequences of up to 16 tokens and
    /// [`decode_one`], which are f32 whatever it is.
    pub precision: OperandType,
}

/// What the forward writes; with `T = f64` for [`naive`].
#[derive(Debug)]
pub struct Outputs<'a, T = f32> {
    /// The mixed values: mix[T, heads * `head_dim`].
    pub mix: &'a mut [T],
    /// The log-sum-exp of each row of scores: lse[heads, T].
    pub lse: &'a mut [T],
}

/// What the forward read and wrote that the backward reads.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    /// qkv[T, (heads + 2 `kv_heads`) `head_dim`].
    pub qkv: &'a [f32],
    /// mix[T, heads * `head_dim`].
    pub mix: &'a [f32],
    /// lse[heads, T].
    pub lse: &'a [f32],
}

/// Dropout on the weights of a sequence.
#[derive(Clone, Copy, Debug)]
pub struct WeightDropout {
    pub dropout: Dropout,
    /// The first row of the random stream that belongs to this sequence, which takes `heads * T`
    /// rows.
    pub first_row: u64,
}

impl Options<'_> {
    /// Returns how many columns `qkv` has.
    pub fn qkv_width(&self) -> usize {
        (self.heads + 2 * self.kv_heads) * self.head_dim
    }

    /// Returns how many columns `mix` has.
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
    fn group(&self, kv_head: usize) -> Range<usize> {
        let size = self.heads / self.kv_heads;
        kv_head * size..(kv_head + 1) * size
    }

    /// The key head that a query head reads.
    fn kv_head(&self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    /// How many columns packed rows have: whole chunks, of 16 for narrow heads, else of 32.
    fn padded_dim(&self) -> usize {
        let chunk = if self.head_dim <= LANES { 1 } else { 2 };
        self.head_dim.next_multiple_of(chunk * LANES)
    }

    fn check(&self, qkv: &[f32], t: usize) {
        assert!(
            self.kv_heads > 0 && self.heads.is_multiple_of(self.kv_heads),
            "kv_heads divides heads"
        );
        assert!(
            !self.visible.keys(0, 1).is_empty(),
            "a window shows at least one key"
        );
        let all_heads = self.kv_heads.saturating_mul(2).saturating_add(self.heads);
        let len = self.head_dim.checked_mul(t);
        let len = len.and_then(|len| len.checked_mul(all_heads));
        assert_eq!(
            Some(qkv.len()),
            len,
            "qkv is not [T, (heads + 2 kv_heads) head_dim]"
        );
        assert!(
            self.alibi.is_none_or(|slopes| slopes.len() == self.heads),
            "there is not one slope for each head"
        );
    }
}

/// Returns how many floats of scratch [`forward`] and [`backward`] need for a sequence of `t`
/// tokens.
pub fn scratch_len(t: usize, options: &Options<'_>) -> usize {
    scratch_len_by(1, t, options)
}

/// Returns how many floats of scratch [`forward_by`] and [`backward_by`] need on `threads` threads.
pub fn scratch_len_by(threads: usize, t: usize, options: &Options<'_>) -> usize {
    threads.max(1) * task_len(t, options)
}

/// How many floats of scratch a task needs.
fn task_len(t: usize, options: &Options<'_>) -> usize {
    let (t, d) = (t.next_multiple_of(QUERIES), options.padded_dim());
    // The most that either pass needs in either precision: the backward with words of two steps.
    let rows = 4 * t * d + t / 2 * d;
    let long =
        t * dropout_masks::WORDS + rows + 5 * QUERIES * d + 2 * (KEYS + MAX_KEYS_AT_ONCE) * QUERIES;
    long.max(short::scratch_len(options))
}

/// A tile of the queries of a head: which keys it sees, and what turns its products into scores.
/// Products and scores carry a factor log2 e, so that weights are powers of two.
#[derive(Clone, Copy, Debug)]
struct QueryTile {
    head: usize,
    first: usize,
    /// How many queries there are.
    count: usize,
    /// Tokens of the sequence.
    t: usize,
    visible: VisibleKeys,
    softcap: Option<f32>,
    alibi_slope: f32,
}

impl QueryTile {
    /// The score of a key that a query may not see. It is finite, so that differences are numbers,
    /// and its weight is zero.
    const MASKED: f32 = -1e30;
    /// Where a row's largest score begins: below every score of a key that is seen, so that a block
    /// of which the row sees no key adds nothing to its sums.
    const LOWEST: f32 = -1e29;

    fn new(options: &Options<'_>, head: usize, first: usize, t: usize) -> Self {
        Self {
            head,
            first,
            count: QUERIES.min(t - first),
            t,
            visible: options.visible,
            softcap: options.softcap,
            alibi_slope: options.alibi.map_or(0.0, |slopes| slopes[head] * LOG2_E),
        }
    }

    /// The keys that some query of the tile sees.
    fn seen(&self) -> Range<usize> {
        self.keys_of(0..QUERIES)
    }

    /// The tile's queries, by their positions.
    fn queries(&self) -> Range<usize> {
        self.first..self.first + self.count
    }

    /// Blocks of up to [`KEYS`] of the keys that the tile sees.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Range { start, end } = self.seen();
        let first = start / MAX_KEYS_AT_ONCE * MAX_KEYS_AT_ONCE;
        (first..end)
            .step_by(KEYS)
            .map(move |key| key..end.min(key + KEYS))
    }

    /// The keys that some of these queries see.
    fn keys_of(&self, queries: Range<usize>) -> Range<usize> {
        let queries = self.first + queries.start..self.first + queries.end;
        self.visible.keys_of(&queries, self.t)
    }

    /// The keys of a block that some of these queries see, counted from the block's first, and the
    /// one before them where that makes the first an even one.
    fn keys_within(&self, block: &Range<usize>, queries: Range<usize>) -> Range<usize> {
        let seen = self.keys_of(queries);
        let start = seen.start.clamp(block.start, block.end) - block.start;
        let end = seen.end.clamp(block.start, block.end) - block.start;
        if start < end {
            start & !1..end
        } else {
            start..start
        }
    }

    /// Which sixteens of the queries see some of these keys.
    fn halves(&self, keys: &Range<usize>) -> Range<usize> {
        let sees = |half: usize| {
            let seen = self.keys_of(half * LANES..(half + 1) * LANES);
            seen.start < keys.end && keys.start < seen.end
        };
        usize::from(!sees(0))..self.count.div_ceil(LANES).min(1 + usize::from(sees(1)))
    }

    /// The queries that see some of these keys.
    fn queries_of(&self, keys: &Range<usize>) -> Range<usize> {
        let (first, last) = (
            self.visible.queries(keys.start),
            self.visible.queries(keys.end - 1),
        );
        let relative = |query: usize| query.saturating_sub(self.first).min(self.count);
        relative(first.start)..relative(last.end)
    }

    /// Whether products are scores as they are.
    fn plain(&self) -> bool {
        self.softcap.is_none() && self.alibi_slope == 0.0
    }

    /// Whether some query of the tile may not see some of these keys.
    #[inline(always)]
    fn hides(&self, keys: &Range<usize>) -> bool {
        self.visible.queries(keys.end - 1).start > self.first
            || self.visible.queries(keys.start).end < self.first + QUERIES
    }

    /// Turns the products of a key and sixteen queries into scores, and returns their derivatives
    /// by the products too.
    #[inline(always)]
    fn score<S: Simd>(&self, s: S, product: S::F, key: usize, half: usize) -> (S::F, S::F) {
        let (mut score, mut derivative) = (product, s.splat(1.0));
        if let Some(cap) = self.softcap {
            let tanh = math::tanh_lanes(s, s.mul(product, s.splat(LN_2 / cap)));
            score = s.mul(tanh, s.splat(cap * LOG2_E));
            derivative = s.sub(s.splat(1.0), s.mul(tanh, tanh));
        }
        if self.alibi_slope != 0.0 {
            let distance = s.abs(s.sub(self.positions(s, half), s.splat(key as f32)));
            score = s.mul_add(distance, s.splat(-self.alibi_slope), score);
        }
        (score, derivative)
    }

    /// `masked` for the queries that may not see the key, `v` for the others.
    #[inline(always)]
    fn mask<S: Simd>(&self, s: S, v: S::F, masked: f32, key: usize, half: usize) -> S::F {
        let Range { start, end } = self.visible.queries(key);
        let mut v = v;
        if start > self.first {
            let before = s.lt(self.positions(s, half), s.splat(start as f32));
            v = s.select(before, s.splat(masked), v);
        }
        if end < self.first + QUERIES {
            let within = s.lt(self.positions(s, half), s.splat(end as f32));
            v = s.select(within, v, s.splat(masked));
        }
        v
    }

    /// The positions of sixteen queries.
    #[inline(always)]
    fn positions<S: Simd>(&self, s: S, half: usize) -> S::F {
        s.add(s.iota(), s.splat((self.first + half * LANES) as f32))
    }
}
