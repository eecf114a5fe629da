//! How the operands of a head are laid out for the tiles, and how results go back into packed rows.

use super::{MASK_WORDS, Options, PANEL, QUERIES, WeightDropout};
use crate::dropout::{self, CHUNK};
use crate::matmul::{self, Strided};
use crate::simd::{LANES, Simd};
use crate::tile::{self, Operand};

/// One head's columns of packed rows.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) rows: &'a [f32],
    pub(super) stride: usize,
    pub(super) first: usize,
    pub(super) width: usize,
}

impl<'a> Columns<'a> {
    pub(super) fn row(&self, t: usize) -> &'a [f32] {
        &self.rows[t * self.stride + self.first..][..self.width]
    }

    /// The columns from row `t` on, as a matrix.
    fn from(&self, t: usize) -> Strided<'a> {
        let data = &self.rows[t * self.stride + self.first..];
        Strided {
            data,
            row_stride: self.stride,
            column_stride: 1,
        }
    }
}

/// Panels of eight keys: element (key, d) at `key / 8 * 8 * width + d * 8 + key % 8`.
#[inline(always)]
pub(super) fn key_panels<S: Simd>(s: S, panels: &mut [f32], x: Columns<'_>, t: usize) {
    matmul::pack(s, panels, x.from(0), PANEL, t, x.width);
}

/// The keys from `key` on to the end of their panel.
#[inline(always)]
pub(super) fn panel(panels: &[f32], key: usize, width: usize) -> Operand<'_> {
    let inside = key % PANEL;
    Operand::new(&panels[(key - inside) * width + inside..], PANEL)
}

/// A tile of queries across the lanes: element (query, d) at `d * 32 + query`, zero beyond `live` queries.
#[inline(always)]
pub(super) fn across<S: Simd>(s: S, tile: &mut [f32], x: Columns<'_>, first: usize, live: usize) {
    matmul::pack(s, tile, x.from(first), QUERIES, live, x.width);
}

/// `rows.len() / padded` rows as they are, each padded with zeros, times `factor`; rows beyond `live` are zero.
#[inline(always)]
pub(super) fn down<S: Simd>(
    s: S,
    rows: &mut [f32],
    x: Columns<'_>,
    first: usize,
    live: usize,
    padded: usize,
    factor: f32,
) {
    for (r, row) in rows.chunks_exact_mut(padded).enumerate() {
        if r >= live {
            row.fill(0.0);
            continue;
        }
        let x = x.row(first + r).chunks(LANES);
        for (y, x) in row.as_chunks_mut::<LANES>().0.iter_mut().zip(x) {
            s.store(s.mul(load(s, x), s.splat(factor)), y);
        }
    }
}

#[inline(always)]
fn load<S: Simd>(s: S, x: &[f32]) -> S::F {
    match x.first_chunk() {
        Some(x) => s.load(x),
        None => s.load_partial(x, 0.0),
    }
}

/// Writes a tile that has queries across its lanes to the columns of `live` rows, query by query, each times its
/// lane of `factors`.
#[inline(always)]
pub(super) fn write_across<S: Simd>(
    s: S,
    rows: &mut [f32],
    stride: usize,
    width: usize,
    live: usize,
    tile: &[f32],
    factors: [S::F; 2],
) {
    for (half, factor) in factors.into_iter().enumerate() {
        for d in (0..width).step_by(LANES) {
            let mut square = [s.zero(); LANES];
            for (i, row) in square.iter_mut().enumerate() {
                let lanes = &tile[(d + i) * QUERIES + half * LANES..];
                *row = s.mul(load(s, &lanes[..LANES]), factor);
            }
            s.transpose(&mut square);
            let here = live.saturating_sub(half * LANES).min(LANES);
            for (i, v) in square.iter().enumerate().take(here) {
                let at = (half * LANES + i) * stride + d;
                s.store_partial(*v, &mut rows[at..][..LANES.min(width - d)]);
            }
        }
    }
}

/// `out[row * 32 + query] = start + sum over step < depth of a(row, step) * b[step * 32 + query]` for `rows` rows, a
/// multiple of eight. `a(row)` gives the operand of the rows from `row` on, side by side.
#[inline(always)]
pub(super) fn product_across<'a, S: Simd>(
    s: S,
    out: &mut [f32],
    a: impl Fn(usize) -> Operand<'a>,
    b: &[f32],
    accumulate: bool,
    rows: usize,
    depth: usize,
) {
    if S::WIDE {
        tiles_across::<S, 8, 2>(s, out, a, b, accumulate, rows, depth);
    } else {
        tiles_across::<S, 4, 1>(s, out, a, b, accumulate, rows, depth);
    }
}

#[inline(always)]
fn tiles_across<'a, S: Simd, const MR: usize, const NV: usize>(
    s: S,
    out: &mut [f32],
    a: impl Fn(usize) -> Operand<'a>,
    b: &[f32],
    accumulate: bool,
    rows: usize,
    depth: usize,
) {
    for row in (0..rows).step_by(MR) {
        for column in (0..QUERIES).step_by(NV * LANES) {
            let out = &mut out[row * QUERIES + column..];
            let start = if accumulate {
                tile::load(s, out, QUERIES)
            } else {
                tile::zero(s)
            };
            let b = Operand::new(&b[column..], QUERIES);
            let tile = tile::multiply::<S, MR, NV, 1>(s, start, a(row), b, depth);
            tile::store(s, &tile, out, QUERIES);
        }
    }
}

/// `out[key, d] += sum over query < live of strip[key * 32 + query] * b[query, d]` for `keys` keys, a multiple of
/// eight; `out` and `b` have rows of `padded` elements.
#[inline(always)]
pub(super) fn product_down<S: Simd>(
    s: S,
    out: &mut [f32],
    strip: &[f32],
    b: &[f32],
    (keys, live): (usize, usize),
    padded: usize,
) {
    let mut column = 0;
    while column < padded {
        if S::WIDE && column + 2 * LANES <= padded {
            tiles_down::<S, 8, 2>(s, out, strip, b, (keys, live), padded, column);
            column += 2 * LANES;
        } else if S::WIDE {
            tiles_down::<S, 8, 1>(s, out, strip, b, (keys, live), padded, column);
            column += LANES;
        } else {
            tiles_down::<S, 4, 1>(s, out, strip, b, (keys, live), padded, column);
            column += LANES;
        }
    }
}

#[inline(always)]
fn tiles_down<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    out: &mut [f32],
    strip: &[f32],
    b: &[f32],
    (keys, live): (usize, usize),
    padded: usize,
    column: usize,
) {
    for key in (0..keys).step_by(MR) {
        let out = &mut out[key * padded + column..];
        let a = Operand::new(&strip[key * QUERIES..], 1);
        let b = Operand::new(&b[column..], padded);
        let start = tile::load(s, out, padded);
        let tile = tile::multiply::<S, MR, NV, QUERIES>(s, start, a, b, live);
        tile::store(s, &tile, out, padded);
    }
}

/// The masks of a head for 128 queries from `first` (a multiple of 128) against `keys` keys: four words a key, a
/// set bit for a dropped weight. They lie in f32 scratch as bits.
#[inline(always)]
pub(super) fn masks<S: Simd>(
    s: S,
    masks: &mut [f32],
    weights: &WeightDropout,
    head: usize,
    first: usize,
    keys: usize,
    t: usize,
) {
    let chunks = (dropout::mask_stride(t) / CHUNK) as u64;
    let first_row = weights.first_row + (head * t) as u64;
    for (key, words) in masks
        .as_chunks_mut::<MASK_WORDS>()
        .0
        .iter_mut()
        .enumerate()
        .take(keys)
    {
        let chunk = (first_row + key as u64) * chunks + (first / CHUNK) as u64;
        let dropped = weights.dropout.dropped(s, chunk);
        for (i, word) in words.iter_mut().enumerate() {
            let low = u32::from(s.mask_bits(dropped[2 * i]));
            let high = u32::from(s.mask_bits(dropped[2 * i + 1]));
            *word = f32::from_bits(low | (high << 16));
        }
    }
}

/// Which of sixteen queries of a tile drop their weight for a key.
#[inline(always)]
pub(super) fn dropped<S: Simd>(s: S, masks: &[f32], key: usize, first: usize, half: usize) -> S::M {
    let word = masks[key * MASK_WORDS + first % CHUNK / QUERIES].to_bits();
    s.mask_from_bits((word >> (16 * half)) as u16)
}

/// Makes the masks when a tile begins a chunk of queries.
#[inline(always)]
pub(super) fn refresh_masks<S: Simd>(
    s: S,
    storage: &mut [f32],
    options: &Options<'_>,
    head: usize,
    first: usize,
    t: usize,
) {
    if let Some(weights) = &options.dropout
        && first.is_multiple_of(CHUNK)
    {
        let keys = if options.causal {
            t.min(first + CHUNK)
        } else {
            t
        };
        masks(s, storage, weights, head, first, keys, t);
    }
}
