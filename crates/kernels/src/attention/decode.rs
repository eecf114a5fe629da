//! One query against a cache of keys and values, for generation. There is no dropout and nothing to
//! pack; the speed is that of memory.
//!
//! The cache of a sequence holds, for each key head, its keys in blocks of sixteen positions with
//! the positions across the lanes (element (d, j) of block b is that of position 16 b + j), then
//! its values in panels of 32 columns, a row a position, padded to whole vectors. Scores are
//! products of broadcast queries with blocks and need no horizontal sum; every position's score is
//! a sum over the head's columns in order, so it does not depend on how many positions there are.
//! The keys and values of a head lie one behind the other, so that each line that is read is a
//! fixed distance from a line that the next step reads, which is fetched meanwhile. Mixed values
//! are added to four sums, each of every fourth position, so that additions need not wait for each
//! other.

use super::Options;
use crate::isa::{Isa, dispatch};
use crate::math;
use crate::simd::{self, LANES, Simd, prefetch};
use crate::softmax;

/// Sums that mixed values are added to in turn.
const PHASES: usize = 4;
/// Columns of a panel of values.
const COLUMNS: usize = 2 * LANES;
/// Blocks of keys whose scores are made side by side.
const BLOCKS: usize = 4;

/// The layout of the cache of a sequence's keys and values.
#[derive(Clone, Copy, Debug)]
pub struct CacheLayout {
    kv_heads: usize,
    head_dim: usize,
    blocks: usize,
}

impl CacheLayout {
    /// Returns the layout of a cache for `positions` tokens of the attention that `options`
    /// describe.
    pub fn new(options: &Options<'_>, positions: usize) -> Self {
        Self {
            kv_heads: options.kv_heads,
            head_dim: options.head_dim,
            blocks: positions.div_ceil(LANES),
        }
    }

    /// Returns how many floats the cache has; they begin as zeros.
    pub fn len(&self) -> usize {
        self.kv_heads * (self.keys_len() + self.values_len())
    }

    /// Returns whether the cache has room for no token.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn keys_len(&self) -> usize {
        self.blocks * LANES * self.head_dim
    }

    fn value_width(&self) -> usize {
        self.head_dim.next_multiple_of(LANES)
    }

    fn values_len(&self) -> usize {
        self.blocks * LANES * self.value_width()
    }

    /// The keys and the values of a head.
    fn head<'a>(&self, cache: &'a [f32], kv_head: usize) -> (&'a [f32], &'a [f32]) {
        let len = self.keys_len() + self.values_len();
        cache[kv_head * len..][..len].split_at(self.keys_len())
    }

    /// Appends the keys and values of qkv[n, (heads + 2 `kv_heads`) `head_dim`], the tokens from
    /// `position` on.
    pub fn append(&self, cache: &mut [f32], qkv: &[f32], options: &Options<'_>, position: usize) {
        assert_eq!(cache.len(), self.len(), "the cache has another size");
        let width = options.qkv_width();
        let rows = qkv.len() / width.max(1);
        assert!(
            position + rows <= self.blocks * LANES,
            "the cache is shorter than these positions"
        );
        for (position, row) in (position..).zip(qkv.chunks_exact(width.max(1))) {
            for head in 0..self.kv_heads {
                let key = &row[options.key_column(head)..][..self.head_dim];
                let value = &row[options.value_column(head)..][..self.head_dim];
                self.write(cache, head, position, key, value);
            }
        }
    }

    fn write(&self, cache: &mut [f32], head: usize, position: usize, key: &[f32], value: &[f32]) {
        let len = self.keys_len() + self.values_len();
        let (keys, values) = cache[head * len..][..len].split_at_mut(self.keys_len());
        let block = &mut keys[position / LANES * LANES * self.head_dim..][..LANES * self.head_dim];
        for (line, k) in block.as_chunks_mut::<LANES>().0.iter_mut().zip(key) {
            line[position % LANES] = *k;
        }
        let positions = self.blocks * LANES;
        for (i, value) in value.chunks(COLUMNS).enumerate() {
            let width = panel_width(self.value_width(), i);
            let panel = &mut values[i * COLUMNS * positions..][..width * positions];
            panel[position * width..][..value.len()].copy_from_slice(value);
        }
    }
}

/// Columns of the `i`th panel of values.
fn panel_width(width: usize, i: usize) -> usize {
    (width - i * COLUMNS).min(COLUMNS)
}

/// Returns how many floats of scratch [`decode_one`] needs for `t` tokens.
pub fn decode_scratch_len(t: usize) -> usize {
    t.next_multiple_of(LANES)
}

/// A cache and its layout.
#[derive(Clone, Copy, Debug)]
pub struct KeysAndValues<'a> {
    pub layout: &'a CacheLayout,
    /// As many floats as [`CacheLayout::len`] says.
    pub cache: &'a [f32],
}

/// mix[heads * `head_dim`] for the query row q[heads * `head_dim`], the last of the first `t`
/// tokens of the cache; it sees what `options.visible` shows to it. `options.dropout` is ignored.
pub fn decode_one(
    isa: Isa,
    mix: &mut [f32],
    scratch: &mut [f32],
    q: &[f32],
    kv: KeysAndValues<'_>,
    options: &Options<'_>,
    t: usize,
) {
    let KeysAndValues { layout, cache } = kv;
    assert!(
        options.kv_heads > 0 && options.heads.is_multiple_of(options.kv_heads),
        "kv_heads divides heads"
    );
    assert!(
        mix.len() == options.mix_width() && q.len() == mix.len(),
        "q and mix are not one row"
    );
    assert!(
        (layout.kv_heads, layout.head_dim) == (options.kv_heads, options.head_dim)
            && cache.len() == layout.len()
            && t <= layout.blocks * LANES,
        "the cache is another attention's, or shorter than t"
    );
    assert!(
        options
            .alibi
            .is_none_or(|slopes| slopes.len() == options.heads),
        "there is not one slope for each head"
    );
    let scores = &mut scratch[..decode_scratch_len(t)];
    if t > 0 && options.head_dim > 0 {
        dispatch!(isa, s => heads(s, mix, scores, q, kv, options, t));
    }
}

#[inline(always)]
fn heads<S: Simd>(
    s: S,
    mix: &mut [f32],
    scores: &mut [f32],
    q: &[f32],
    kv: KeysAndValues<'_>,
    options: &Options<'_>,
    t: usize,
) {
    let group = options.heads / options.kv_heads;
    let seen = options.visible.keys(t - 1, t);
    // Scores begin with the block of the first key.
    let first = seen.start / LANES * LANES;
    let rows = q
        .chunks_exact(options.head_dim)
        .zip(mix.chunks_exact_mut(options.head_dim));
    for (head, (q, mix)) in rows.enumerate() {
        let (keys, values) = kv.layout.head(kv.cache, head / group);
        let blocks = &keys[first * options.head_dim..];
        products(s, &mut scores[first..], q, blocks, bytes(keys));
        let scores = &mut scores[seen.clone()];
        finish(s, scores, options, head);
        let (_, sum) = softmax::exponentials(s, scores);
        blend(s, mix, scores, values, seen.start, 1.0 / sum);
    }
}

#[inline(always)]
fn bytes(x: &[f32]) -> usize {
    size_of_val(x)
}

/// The products of q with every key of as many blocks as `scores` has vectors.
#[inline(always)]
fn products<S: Simd>(s: S, scores: &mut [f32], q: &[f32], keys: &[f32], distance: usize) {
    let blocks = keys.as_chunks::<LANES>().0.chunks(BLOCKS * q.len());
    for (scores, keys) in scores.chunks_mut(BLOCKS * LANES).zip(blocks) {
        let scores = scores.as_chunks_mut::<LANES>().0;
        match scores.len() {
            1 => some_products::<S, 1>(s, scores, q, keys, distance),
            2 => some_products::<S, 2>(s, scores, q, keys, distance),
            3 => some_products::<S, 3>(s, scores, q, keys, distance),
            _ => some_products::<S, BLOCKS>(s, scores, q, keys, distance),
        }
    }
}

#[inline(always)]
fn some_products<S: Simd, const N: usize>(
    s: S,
    scores: &mut [[f32; LANES]],
    q: &[f32],
    keys: &[[f32; LANES]],
    distance: usize,
) {
    let blocks: [&[[f32; LANES]]; N] = core::array::from_fn(|b| &keys[b * q.len()..][..q.len()]);
    let mut sums = [s.zero(); N];
    for (d, q) in q.iter().enumerate() {
        let q = s.splat(*q);
        for (sum, block) in sums.iter_mut().zip(blocks) {
            prefetch(block[d].as_ptr().wrapping_byte_add(distance));
            *sum = s.mul_add(q, s.load(&block[d]), *sum);
        }
    }
    for (score, sum) in scores.iter_mut().zip(sums) {
        s.store(sum, score);
    }
}

/// Turns products into scores: they are scaled, capped and lowered by distance.
#[inline(always)]
fn finish<S: Simd>(s: S, scores: &mut [f32], options: &Options<'_>, head: usize) {
    simd::update(
        s,
        scores,
        #[inline(always)]
        |score| s.mul(score, s.splat(options.scale)),
    );
    if let Some(cap) = options.softcap {
        simd::update(
            s,
            scores,
            #[inline(always)]
            |score| {
                let tanh = math::tanh_lanes(s, s.mul(score, s.splat(1.0 / cap)));
                s.mul(s.splat(cap), tanh)
            },
        );
    }
    if let Some(slopes) = options.alibi {
        let last = scores.len() - 1;
        for (j, score) in scores.iter_mut().enumerate() {
            *score -= slopes[head] * (last - j) as f32;
        }
    }
}

/// mix = factor * the sum of the values' rows from `first` on by weight, panel by panel.
#[inline(always)]
fn blend<S: Simd>(
    s: S,
    mix: &mut [f32],
    weights: &[f32],
    values: &[f32],
    first: usize,
    factor: f32,
) {
    let width = mix.len().next_multiple_of(LANES);
    let positions = values.len() / width;
    for (i, mix) in mix.chunks_mut(COLUMNS).enumerate() {
        let panel = &values[i * COLUMNS * positions + first * panel_width(width, i)..];
        if panel_width(width, i) == LANES {
            columns::<S, 1>(s, mix, weights, panel, bytes(values), factor);
        } else {
            columns::<S, 2>(s, mix, weights, panel, bytes(values), factor);
        }
    }
}

#[inline(always)]
fn columns<S: Simd, const N: usize>(
    s: S,
    mix: &mut [f32],
    weights: &[f32],
    panel: &[f32],
    distance: usize,
    factor: f32,
) {
    let rows = &panel.as_chunks::<LANES>().0.as_chunks::<N>().0[..weights.len()];
    let (quads, rest) = weights.as_chunks::<PHASES>();
    let (row_quads, row_rest) = rows.as_chunks::<PHASES>();
    let mut sums = [[s.zero(); N]; PHASES];
    for (quad, rows) in quads.iter().zip(row_quads) {
        for (sum, (weight, row)) in sums.iter_mut().zip(quad.iter().zip(rows)) {
            add_row(s, sum, *weight, row, distance);
        }
    }
    for (sum, (weight, row)) in sums.iter_mut().zip(rest.iter().zip(row_rest)) {
        add_row(s, sum, *weight, row, distance);
    }
    for (n, mix) in mix.chunks_mut(LANES).enumerate() {
        let [a, b, c, d] = [0, 1, 2, 3].map(
            #[inline(always)]
            |phase: usize| sums[phase][n],
        );
        let sum = s.add(s.add(a, b), s.add(c, d));
        s.store_partial(s.mul(sum, s.splat(factor)), mix);
    }
}

#[inline(always)]
fn add_row<S: Simd, const N: usize>(
    s: S,
    sum: &mut [S::F; N],
    weight: f32,
    row: &[[f32; LANES]; N],
    distance: usize,
) {
    let weight = s.splat(weight);
    for (sum, lanes) in sum.iter_mut().zip(row) {
        prefetch(lanes.as_ptr().wrapping_byte_add(distance));
        *sum = s.mul_add(weight, s.load(lanes), *sum);
    }
}
