//! The matrix tile: `MR` rows by `NV` vectors of sixteen columns, held in registers while `depth`
//! outer products are added to it. The products of `attention` go through it; those of `linear`
//! have their own.
//!
//! Each step loads `NV` vectors of B, broadcasts `MR` numbers of A and does `MR * NV`
//! multiply-adds, so that the loads stay behind the arithmetic: 8 x 2 needs 10 loads for 16
//! multiply-adds. A kernel picks `MR` and `NV` by [`Simd::WIDE`]: with 32 wide registers up to 12 x
//! 2 fit, with 16 registers of half the width 4 x 1.

use crate::element::Element;
use crate::simd::{LANES, Simd};

/// The tile in registers.
pub(crate) type Tile<S, const MR: usize, const NV: usize> = [[<S as Simd>::F; NV]; MR];

/// A matrix operand: element (row, step) at `row * row_stride + step * step_stride`. The numbers
/// are words, as bits.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) step_stride: usize,
}

impl<'a> Operand<'a> {
    #[inline(always)]
    pub(crate) fn new(data: &'a [f32], step_stride: usize) -> Self {
        Self { data, step_stride }
    }
}

/// `tile[r][v] + sum over step < depth of a(r, step) * b(step, 16 v ..)`, steps in order. A step is
/// a word of `E`.
///
/// `a(r, step) = a.data[r * A_ROW + step * a.step_stride]`,
/// `b(step, c) = b.data[c + step * b.step_stride]`.
#[inline(always)]
pub(crate) fn multiply<
    S: Simd,
    E: Element<S>,
    const MR: usize,
    const NV: usize,
    const A_ROW: usize,
>(
    (s, e): (S, E),
    mut tile: Tile<S, MR, NV>,
    a: Operand<'_>,
    b: Operand<'_>,
    depth: usize,
) -> Tile<S, MR, NV> {
    if depth == 0 {
        return tile;
    }
    let last = depth - 1;
    assert!(
        a.data.len() > (MR - 1) * A_ROW + last * a.step_stride,
        "A is shorter than the tile"
    );
    assert!(
        b.data.len() >= NV * LANES + last * b.step_stride,
        "B is shorter than the tile"
    );
    let (mut a_at, mut b_at) = (a.data.as_ptr(), b.data.as_ptr());
    for _ in 0..depth {
        // SAFETY: the pointers stand at `step * stride`; the assertions above say that the slices
        // reach `(MR - 1) * A_ROW` and `NV * 16` elements beyond the last of these.
        unsafe {
            let mut columns = [s.splat_u(0); NV];
            for (v, column) in columns.iter_mut().enumerate() {
                *column = s.bits(s.load(&*b_at.add(v * LANES).cast::<[f32; LANES]>()));
            }
            for (r, row) in tile.iter_mut().enumerate() {
                let factor = s.bits(s.splat(*a_at.add(r * A_ROW)));
                for (cell, column) in row.iter_mut().zip(columns) {
                    *cell = e.mul_add(s, factor, column, *cell);
                }
            }
        }
        // The step past the last is never read.
        a_at = a_at.wrapping_add(a.step_stride);
        b_at = b_at.wrapping_add(b.step_stride);
    }
    tile
}

/// A tile of zeros.
#[inline(always)]
pub(crate) fn zero<S: Simd, const MR: usize, const NV: usize>(s: S) -> Tile<S, MR, NV> {
    [[s.zero(); NV]; MR]
}

/// Reads a whole tile from rows `stride` apart.
#[inline(always)]
pub(crate) fn load<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    c: &[f32],
    stride: usize,
) -> Tile<S, MR, NV> {
    let mut tile = zero::<S, MR, NV>(s);
    for (r, row) in tile.iter_mut().enumerate() {
        let line = &c[r * stride..][..NV * LANES];
        for (cell, x) in row.iter_mut().zip(line.as_chunks::<LANES>().0) {
            *cell = s.load(x);
        }
    }
    tile
}

/// Writes a whole tile to rows `stride` apart.
#[inline(always)]
pub(crate) fn store<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    tile: &Tile<S, MR, NV>,
    c: &mut [f32],
    stride: usize,
) {
    for (r, row) in tile.iter().enumerate() {
        let line = &mut c[r * stride..][..NV * LANES];
        for (cell, y) in row.iter().zip(line.as_chunks_mut::<LANES>().0) {
            s.store(*cell, y);
        }
    }
}
