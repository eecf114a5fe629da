//! The products of a tile of 32 queries and a block of keys, in words of [`Element`]. Strips have
//! keys down and queries across: number (key, query) is at `key * 32 + query`. When strips are
//! operands, their words lie as `pack_heads` describes: *along*, with `Q` words for each key, or
//! *down*, with 32 words for each key or for each two keys.

use super::QUERIES;
use super::pack_heads::{Chunked, Halves};
use super::register_tile::{self as tile, OperandWords};
use crate::element::Element;
use crate::simd::{LANES, Simd};
use core::ops::Range;

/// Makes the strip rows of `MR` keys: `out = rows · across` over `width` columns, for the queries
/// of `halves`. `rows` lie along, in chunks of `A` words, and begin at the first key.
#[inline(always)]
pub(super) fn scores<S: Simd, E: Element<S>, const MR: usize, const A: usize>(
    s: (S, E),
    out: &mut [f32],
    rows: Chunked<&[f32]>,
    across: &[f32],
    halves: Halves,
    width: usize,
) {
    if S::WIDE && halves.len() == 2 {
        score_tile::<S, E, MR, 2, A>(s, out, rows, across, 0, width);
    } else {
        for half in halves {
            score_tile::<S, E, MR, 1, A>(s, out, rows, across, half * LANES, width);
        }
    }
}

#[inline(always)]
fn score_tile<S: Simd, E: Element<S>, const MR: usize, const NQ: usize, const A: usize>(
    (s, e): (S, E),
    out: &mut [f32],
    rows: Chunked<&[f32]>,
    across: &[f32],
    query: usize,
    width: usize,
) {
    let words = width.div_ceil(E::STEPS);
    let mut tile = tile::zero::<S, MR, NQ>(s);
    for (chunk, word) in (0..words).step_by(A).enumerate() {
        let a = OperandWords::new(&rows.words[chunk * rows.count * A..], 1);
        let b = OperandWords::new(&across[word * QUERIES + query..], QUERIES);
        tile = tile::multiply::<S, E, MR, NQ, A>((s, e), tile, a, b, A.min(words - word));
    }
    tile::store(s, &tile, &mut out[query..], QUERIES);
}

/// `out[query, ..] += sum over the keys of a range of strip[key, query] rows[key, ..]` for `MR`
/// queries from `query` on: the range begins at an even key; `out` has 32 rows in chunks of `W`
/// columns; `strip` and `rows`, `count` rows of words, lie down and begin at the first key.
#[inline(always)]
pub(super) fn by_query<S: Simd, E: Element<S>, const MR: usize, const W: usize>(
    s: (S, E),
    out: &mut [f32],
    strip: &[f32],
    rows: Chunked<&[f32]>,
    query: usize,
    keys: Range<usize>,
) {
    if keys.is_empty() {
        return;
    }
    let first = keys.start / E::STEPS;
    let a = OperandWords::new(&strip[first * QUERIES + query..], QUERIES);
    let words = keys.end.div_ceil(E::STEPS) - first;
    for (chunk, out) in out.chunks_exact_mut(QUERIES * W).enumerate() {
        let rows = &rows.words[(chunk * rows.count + first) * W..];
        let out = &mut out[query * W..];
        add::<S, E, MR, W, 1>(s, out, a, rows, words);
    }
}

/// `out[key, ..] += sum over query of strip[key, query] rows[query, ..]` for `MR` keys and the
/// queries of a range, which begins at an even one: `out` has `count` rows in chunks of `W` columns
/// and begins at the first key; so does `strip`, which lies along; `rows` lie down, 32 of them.
#[inline(always)]
pub(super) fn by_key<S: Simd, E: Element<S>, const MR: usize, const W: usize, const Q: usize>(
    s: (S, E),
    out: &mut Chunked<&mut [f32]>,
    strip: &[f32],
    rows: &[f32],
    queries: Range<usize>,
) {
    let first = queries.start / E::STEPS;
    let a = OperandWords::new(&strip[first..], 1);
    let words = queries.len().div_ceil(E::STEPS);
    for (chunk, rows) in rows.chunks_exact(Q * W).enumerate() {
        let out = &mut out.words[chunk * out.count * W..];
        add::<S, E, MR, W, Q>(s, out, a, &rows[first * W..], words);
    }
}

/// `out += a rows`: `MR` rows of `W` columns.
#[inline(always)]
fn add<S: Simd, E: Element<S>, const MR: usize, const W: usize, const A_ROW: usize>(
    s: (S, E),
    out: &mut [f32],
    a: OperandWords<'_>,
    rows: &[f32],
    words: usize,
) {
    if S::WIDE && W == 2 * LANES {
        add_tile::<S, E, MR, 2, A_ROW>(s, out, a, OperandWords::new(rows, W), words);
    } else {
        for column in (0..W).step_by(LANES) {
            let b = OperandWords::new(&rows[column..], W);
            add_tile::<S, E, MR, 1, A_ROW>(s, &mut out[column..], a, b, words);
        }
    }
}

#[inline(always)]
fn add_tile<S: Simd, E: Element<S>, const MR: usize, const NV: usize, const A_ROW: usize>(
    (s, e): (S, E),
    out: &mut [f32],
    a: OperandWords<'_>,
    b: OperandWords<'_>,
    words: usize,
) {
    let start = tile::load::<S, MR, NV>(s, out, b.step_stride);
    let tile = tile::multiply::<S, E, MR, NV, A_ROW>((s, e), start, a, b, words);
    tile::store(s, &tile, out, b.step_stride);
}
