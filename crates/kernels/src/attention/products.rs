//! The products of a tile of 32 queries and a block of keys. Strips have keys down and queries across: element
//! (key, query) at `key * 32 + query`.

use super::QUERIES;
use super::pack::Halves;
use crate::simd::{LANES, Simd};
use crate::tile::{self, Operand};
use core::ops::Range;

/// Strip rows `MR` keys at once: `out = rows · across` over `width` columns, for the queries of `halves`. `rows` is in
/// chunks of `W` columns, `count` rows each, and begins at the first key.
#[inline(always)]
pub(super) fn scores<S: Simd, const MR: usize, const NQ: usize, const W: usize>(
    s: S,
    out: &mut [f32],
    rows: (&[f32], usize),
    across: &[f32],
    halves: Halves,
    width: usize,
) {
    if NQ == 2 && halves.len() == 2 {
        score_tile::<S, MR, 2, W>(s, out, rows, across, 0, width);
    } else {
        for half in halves {
            score_tile::<S, MR, 1, W>(s, out, rows, across, half * LANES, width);
        }
    }
}

#[inline(always)]
fn score_tile<S: Simd, const MR: usize, const NQ: usize, const W: usize>(
    s: S,
    out: &mut [f32],
    (rows, count): (&[f32], usize),
    across: &[f32],
    query: usize,
    width: usize,
) {
    let mut tile = tile::zero::<S, MR, NQ>(s);
    for (chunk, column) in (0..width).step_by(W).enumerate() {
        let a = Operand::new(&rows[chunk * count * W..], 1);
        let b = Operand::new(&across[column * QUERIES + query..], QUERIES);
        tile = tile::multiply::<S, MR, NQ, W>(s, tile, a, b, W.min(width - column));
    }
    tile::store(s, &tile, &mut out[query..], QUERIES);
}

/// `out[query, ..] += sum over key < depth of strip[key, query] rows[key, ..]` for `MR` queries from `query` on: `out` has
/// 32 rows in chunks, `rows` `count` and begins at the first key.
#[inline(always)]
pub(super) fn by_query<S: Simd, const MR: usize, const NV: usize, const W: usize>(
    s: S,
    out: &mut [f32],
    strip: &[f32],
    (rows, count): (&[f32], usize),
    query: usize,
    depth: usize,
) {
    let a = Operand::new(&strip[query..], QUERIES);
    for (chunk, out) in out.chunks_exact_mut(QUERIES * W).enumerate() {
        for column in (0..W).step_by(NV * LANES) {
            let b = Operand::new(&rows[chunk * count * W + column..], W);
            let out = &mut out[query * W + column..];
            let start = tile::load(s, out, W);
            let tile = tile::multiply::<S, MR, NV, 1>(s, start, a, b, depth);
            tile::store(s, &tile, out, W);
        }
    }
}

/// `out[key, ..] += sum over query of strip[key, query] rows[query, ..]` for `MR` keys and the queries of a range: `out` has
/// `count` rows in chunks and begins at the first key, `strip` there too; `rows` has 32 rows in chunks.
#[inline(always)]
pub(super) fn by_key<S: Simd, const MR: usize, const NV: usize, const W: usize>(
    s: S,
    (out, count): (&mut [f32], usize),
    strip: &[f32],
    rows: &[f32],
    queries: Range<usize>,
) {
    let a = Operand::new(&strip[queries.start..], 1);
    for (chunk, rows) in rows.chunks_exact(QUERIES * W).enumerate() {
        for column in (0..W).step_by(NV * LANES) {
            let b = Operand::new(&rows[queries.start * W + column..], W);
            let out = &mut out[chunk * count * W + column..];
            let start = tile::load(s, out, W);
            let tile = tile::multiply::<S, MR, NV, QUERIES>(s, start, a, b, queries.len());
            tile::store(s, &tile, out, W);
        }
    }
}
