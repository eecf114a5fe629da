//! C = A B, or C += A B, for any strides of A and B: the product under `linear`.
//!
//! Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): blocks of B and of A are
//! copied into panels that the register tile reads in order, B's block staying in the second-level cache and one
//! of its panels in the first. Block sizes are constants, so that the order of every sum is the same on every
//! machine of one instruction set. Panels live in the caller's scratch.
//!
//! On one core of a Zen 5 server (AVX-512, 256 rows, widths 128 to 512) it runs at 215 to 235 GFLOP/s; the `gemm`
//! crate at 195 to 250 on the same shapes, faster in dx, slower where the sum is long. In exchange this one does
//! not allocate, gives the same bits on every machine of one instruction set, and gives the AVX2 (about 100
//! GFLOP/s) and portable (about 35) paths something to run on a machine that has better.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd};
use crate::tile::{self, Operand};

/// Steps of the sum that a pair of blocks covers.
const DEPTH: usize = 256;
/// Rows of A in a block, a multiple of every tile's height.
const BLOCK_ROWS: usize = 96;
/// Columns of B in a block, a multiple of every tile's width.
const BLOCK_COLUMNS: usize = 384;
/// Packing writes whole vectors, so a narrow panel spills over its end by less than one.
pub(crate) const SLACK: usize = LANES;

/// Floats of scratch that a product needs, whatever its size.
pub const SCRATCH_LEN: usize = DEPTH * (BLOCK_ROWS + BLOCK_COLUMNS) + 2 * SLACK;

/// A strided matrix: element (row, column) at `row * row_stride + column * column_stride`.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    pub data: &'a [f32],
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> Strided<'a> {
    /// A row-major matrix of `columns` columns.
    pub fn row_major(data: &'a [f32], columns: usize) -> Self {
        Self {
            data,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// Rows become columns.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self {
            data: self.data,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }
}

/// Plain loops.
pub mod naive {
    use super::Strided;

    /// C[m, n] = A[m, k] B[k, n], added to C where `accumulate`.
    pub fn matmul(
        c: &mut [f32],
        a: Strided<'_>,
        b: Strided<'_>,
        accumulate: bool,
        (m, n, k): (usize, usize, usize),
    ) {
        for row in 0..m {
            for column in 0..n {
                let mut sum = if accumulate { c[row * n + column] } else { 0.0 };
                for step in 0..k {
                    sum += a.data[row * a.row_stride + step * a.column_stride]
                        * b.data[step * b.row_stride + column * b.column_stride];
                }
                c[row * n + column] = sum;
            }
        }
    }
}

/// C[m, n] = A[m, k] B[k, n], added to C where `accumulate`. C is contiguous; `scratch` holds at least
/// [`SCRATCH_LEN`] floats.
pub fn matmul(
    isa: Isa,
    c: &mut [f32],
    scratch: &mut [f32],
    a: Strided<'_>,
    b: Strided<'_>,
    accumulate: bool,
    (m, n, k): (usize, usize, usize),
) {
    assert_eq!(c.len(), m * n, "C is not m x n");
    assert!(
        scratch.len() >= SCRATCH_LEN,
        "scratch is shorter than SCRATCH_LEN"
    );
    if k == 0 && !accumulate {
        c.fill(0.0);
    }
    dispatch!(isa, s => by_width(s, c, scratch, a, b, accumulate, (m, n, k)));
}

#[inline(always)]
fn by_width<S: Simd>(
    s: S,
    c: &mut [f32],
    scratch: &mut [f32],
    a: Strided<'_>,
    b: Strided<'_>,
    accumulate: bool,
    size: (usize, usize, usize),
) {
    if S::WIDE {
        blocks::<S, 12, 2>(s, c, scratch, a, b, accumulate, size);
    } else {
        blocks::<S, 4, 1>(s, c, scratch, a, b, accumulate, size);
    }
}

#[inline(always)]
fn blocks<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    c: &mut [f32],
    scratch: &mut [f32],
    a: Strided<'_>,
    b: Strided<'_>,
    accumulate: bool,
    (m, n, k): (usize, usize, usize),
) {
    let (a_panels, b_panels) = scratch.split_at_mut(DEPTH * BLOCK_ROWS + SLACK);
    for column in (0..n).step_by(BLOCK_COLUMNS) {
        let columns = BLOCK_COLUMNS.min(n - column);
        for step in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - step);
            let accumulate = accumulate || step > 0;
            let b = Strided {
                data: &b.data[step * b.row_stride + column * b.column_stride..],
                ..b
            };
            let whole = in_place(b, columns, m, NV * LANES);
            let rest = Strided {
                data: b.data.get(whole * b.column_stride..).unwrap_or(&[]),
                ..b.transposed()
            };
            pack(s, b_panels, rest, NV * LANES, columns - whole, depth);
            for row in (0..m).step_by(BLOCK_ROWS) {
                let rows = BLOCK_ROWS.min(m - row);
                let a = Strided {
                    data: &a.data[row * a.row_stride + step * a.column_stride..],
                    ..a
                };
                pack(s, a_panels, a, MR, rows, depth);
                let c = &mut c[row * n + column..];
                block::<S, MR, NV>(
                    s,
                    c,
                    a_panels,
                    (b, whole, b_panels),
                    accumulate,
                    n,
                    (rows, columns, depth),
                );
            }
        }
    }
}

/// How many columns of B are read where they lie: whole panels of a row-major B, when few rows of A would not
/// repay the copy or when rows of B are short enough not to crowd each other out of the cache. (Measured: of 200
/// GFLOP/s it wins up to 10 in a hundred, with long rows and many of them it loses as much.)
#[inline(always)]
fn in_place(b: Strided<'_>, columns: usize, m: usize, width: usize) -> usize {
    if b.column_stride == 1 && (m <= 128 || b.row_stride <= 256) {
        columns / width * width
    } else {
        0
    }
}

/// One block of A times one block of B, panel by panel.
#[inline(always)]
fn block<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    c: &mut [f32],
    a_panels: &[f32],
    (b, whole, b_panels): (Strided<'_>, usize, &[f32]),
    accumulate: bool,
    c_stride: usize,
    (rows, columns, depth): (usize, usize, usize),
) {
    let width = NV * LANES;
    for column in (0..columns).step_by(width) {
        let b = if column < whole {
            Operand::new(&b.data[column..], b.row_stride)
        } else {
            Operand::new(
                &b_panels[(column - whole) * depth..][..width * depth],
                width,
            )
        };
        for row in (0..rows).step_by(MR) {
            let a = Operand::new(&a_panels[row * depth..][..MR * depth], MR);
            let c = &mut c[row * c_stride + column..];
            let size = (MR.min(rows - row), width.min(columns - column));
            if size == (MR, width) {
                let start = if accumulate {
                    tile::load(s, c, c_stride)
                } else {
                    tile::zero(s)
                };
                let tile = tile::multiply::<S, MR, NV, 1>(s, start, a, b, depth);
                tile::store(s, &tile, c, c_stride);
            } else if size.1 <= LANES {
                let tile = tile::multiply::<S, MR, 1, 1>(s, tile::zero(s), a, b, depth);
                write_part::<S, MR, 1>(s, &tile, c, c_stride, accumulate, size);
            } else {
                let tile = tile::multiply::<S, MR, NV, 1>(s, tile::zero(s), a, b, depth);
                write_part::<S, MR, NV>(s, &tile, c, c_stride, accumulate, size);
            }
        }
    }
}

/// The part of a tile that lies inside C.
#[inline(always)]
fn write_part<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    tile: &tile::Tile<S, MR, NV>,
    c: &mut [f32],
    stride: usize,
    accumulate: bool,
    (rows, columns): (usize, usize),
) {
    for (r, row) in tile.iter().enumerate().take(rows) {
        let line = &mut c[r * stride..][..columns];
        let (full, tail) = line.as_chunks_mut::<LANES>();
        for (cell, y) in row.iter().zip(full.iter_mut()) {
            let old = if accumulate { s.load(y) } else { s.zero() };
            s.store(s.add(*cell, old), y);
        }
        if !tail.is_empty() {
            let old = if accumulate {
                s.load_partial(tail, 0.0)
            } else {
                s.zero()
            };
            s.store_partial(s.add(row[full.len()], old), tail);
        }
    }
}

/// Copies `rows` rows of `depth` elements into panels of `width` rows: row `p * width + i`, step `k` goes to
/// `p * width * depth + k * width + i`; rows missing from the last panel are zero.
#[inline(always)]
pub(crate) fn pack<S: Simd>(
    s: S,
    panels: &mut [f32],
    x: Strided<'_>,
    width: usize,
    rows: usize,
    depth: usize,
) {
    for row in (0..rows).step_by(width) {
        let panel = &mut panels[row * depth..][..width * depth + SLACK];
        for group in (0..width).step_by(LANES) {
            let live = rows
                .saturating_sub(row + group)
                .min(width - group)
                .min(LANES);
            let x = Strided {
                data: x.data.get((row + group) * x.row_stride..).unwrap_or(&[]),
                ..x
            };
            let panel = &mut panel[group..];
            match (x.row_stride, x.column_stride) {
                (1, _) => pack_copy(s, panel, x, width, live, depth),
                (_, 1) => pack_transposed(s, panel, x, width, live, depth),
                _ => pack_scattered(panel, x, width, live, depth),
            }
        }
    }
}

/// Rows lie side by side: a vector a step.
#[inline(always)]
fn pack_copy<S: Simd>(
    s: S,
    panel: &mut [f32],
    x: Strided<'_>,
    width: usize,
    live: usize,
    depth: usize,
) {
    for k in 0..depth {
        let from = k * x.column_stride;
        let v = match x.data.get(from..).and_then(|line| line.first_chunk()) {
            Some(line) if live == LANES => s.load(line),
            _ if live == 0 => s.zero(),
            _ => s.load_partial(&x.data[from..from + live], 0.0),
        };
        store_step(s, v, panel, k, width);
    }
}

/// Steps lie side by side: squares of sixteen are turned in registers.
#[inline(always)]
fn pack_transposed<S: Simd>(
    s: S,
    panel: &mut [f32],
    x: Strided<'_>,
    width: usize,
    live: usize,
    depth: usize,
) {
    for k in (0..depth).step_by(LANES) {
        let steps = LANES.min(depth - k);
        let mut square = [s.zero(); LANES];
        for (i, row) in square.iter_mut().enumerate().take(live) {
            *row = s.load_partial(&x.data[i * x.row_stride + k..][..steps], 0.0);
        }
        s.transpose(&mut square);
        for (i, &v) in square.iter().enumerate().take(steps) {
            store_step(s, v, panel, k + i, width);
        }
    }
}

/// Writes sixteen lanes at a step. What a narrow panel does not own, the next step overwrites.
#[inline(always)]
fn store_step<S: Simd>(s: S, v: S::F, panel: &mut [f32], k: usize, width: usize) {
    if let Some(line) = panel[k * width..].first_chunk_mut::<LANES>() {
        s.store(v, line);
    }
}

fn pack_scattered(panel: &mut [f32], x: Strided<'_>, width: usize, live: usize, depth: usize) {
    for k in 0..depth {
        for i in 0..LANES.min(width) {
            let inside = i < live;
            panel[k * width + i] = if inside {
                x.data[i * x.row_stride + k * x.column_stride]
            } else {
                0.0
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SUMS, close, values};

    fn check(isa: Isa, (m, n, k): (usize, usize, usize)) {
        let (a, b) = (values(m * k, 1), values(k * n, 2));
        let mut scratch = vec![f32::NAN; SCRATCH_LEN];
        let a_views = [
            Strided::row_major(&a, k),
            Strided::row_major(&a, m).transposed(),
        ];
        let b_views = [
            Strided::row_major(&b, n),
            Strided::row_major(&b, k).transposed(),
        ];
        for (a, b) in a_views.into_iter().flat_map(|a| b_views.map(|b| (a, b))) {
            for accumulate in [false, true] {
                let mut fast = values(m * n, 3);
                let mut slow = fast.clone();
                matmul(isa, &mut fast, &mut scratch, a, b, accumulate, (m, n, k));
                naive::matmul(&mut slow, a, b, accumulate, (m, n, k));
                close(isa, &format!("matmul {m} {n} {k}"), &fast, &slow, SUMS);
            }
        }
    }

    #[test]
    fn agrees_with_plain_loops_on_every_layout() {
        for isa in Isa::available() {
            for size in [
                (1, 1, 1),
                (7, 17, 33),
                (13, 130, 5),
                (33, 65, 17),
                (96, 32, 16),
                (100, 31, 300),
                (130, 400, 20),
                (5, 3, 0),
            ] {
                check(isa, size);
            }
        }
    }

    #[test]
    fn reads_matrices_with_gaps() {
        let (a, b) = (values(1000, 1), values(1000, 2));
        let a = Strided {
            data: &a,
            row_stride: 50,
            column_stride: 3,
        };
        let b = Strided {
            data: &b,
            row_stride: 2,
            column_stride: 40,
        };
        for isa in Isa::available() {
            let (mut fast, mut slow) = ([0.0; 35], [0.0; 35]);
            let mut scratch = vec![0.0; SCRATCH_LEN];
            matmul(isa, &mut fast, &mut scratch, a, b, false, (5, 7, 9));
            naive::matmul(&mut slow, a, b, false, (5, 7, 9));
            close(isa, "strided matmul", &fast, &slow, SUMS);
        }
    }
}
