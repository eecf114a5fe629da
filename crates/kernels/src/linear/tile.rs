//! The tile of a product: up to twelve rows by up to two vectors of columns, held in registers from
//! the first step of the sum to the last.
//!
//! A step loads two vectors of the right operand, broadcasts twelve words of the left and does 24
//! multiply-adds: 14 loads where 24 fit, so that the left operand may stay where it lies, rows any
//! distance apart. The right operand is read once a tile and has to come from the first-level cache
//! in whole lines: a panel.

use super::right_panel::{PanelB, Prefetch};
use crate::element::Element;
use crate::simd::{LANES, Simd};
use core::marker::PhantomData;
use core::ops::Range;

/// Steps from the fetch of one row to the fetch of the next: about a hundred cycles, and two or
/// four cache lines.
const fn steps_per_fetch(accumulators: usize) -> usize {
    let steps = 8 * 24 / accumulators;
    if steps < 32 { steps } else { 32 }
}

/// What the tiles that follow will read and write. It is fetched a row at a time between the steps,
/// because a burst of requests at the start of a tile would hold up the tile's own loads.
pub(super) type Prefetches = [Prefetch; 2];

/// How many pointers a tile keeps to the rows of its left operand.
const QUARTERS: usize = 4;

/// A block of the left operand: row r, step k at `r * row_stride + k * step_stride`, for `depth`
/// steps.
#[derive(Clone, Copy)]
pub(super) struct BlockA<'a> {
    pub(super) words: &'a [u32],
    pub(super) row_stride: usize,
    pub(super) step_stride: usize,
    pub(super) depth: usize,
}

impl BlockA<'_> {
    /// The block without its first `rows` rows.
    #[inline(always)]
    pub(super) fn skip(self, rows: usize) -> Self {
        let words = &self.words[rows * self.row_stride..];
        Self { words, ..self }
    }
}

/// The first `MR` rows of a block, all of whose words lie inside it. A tile of four rows repeats
/// the last row where the block has fewer.
#[derive(Clone, Copy)]
pub(super) struct RowsA<'a, const MR: usize> {
    quarters: [*const u32; QUARTERS],
    row_stride: usize,
    step_stride: usize,
    depth: usize,
    words: PhantomData<&'a [u32]>,
}

impl<'a, const MR: usize> RowsA<'a, MR> {
    const QUARTER: usize = {
        assert!(MR > 0 && MR.is_multiple_of(QUARTERS));
        MR / QUARTERS
    };

    /// The rows of a block that has `rows` of them.
    #[inline(always)]
    pub(super) fn new(block: BlockA<'a>, rows: usize) -> Self {
        assert!(
            rows == MR || MR == QUARTERS && 0 < rows && rows < MR,
            "a tile of {MR} rows cannot hold {rows}"
        );
        let (row_stride, step_stride, depth) = (block.row_stride, block.step_stride, block.depth);
        let last_step = depth.saturating_sub(1).saturating_mul(step_stride);
        let last = (rows - 1)
            .saturating_mul(row_stride)
            .saturating_add(last_step);
        assert!(
            depth == 0 || last < block.words.len(),
            "A is shorter than the tile"
        );
        let quarter = |q: usize| (q * Self::QUARTER).min(rows - 1) * row_stride;
        Self {
            // No row is read where there is no step.
            quarters: core::array::from_fn(
                #[inline(always)]
                |q| block.words.as_ptr().wrapping_add(quarter(q)),
            ),
            row_stride,
            step_stride,
            depth,
            words: PhantomData,
        }
    }
}

/// What a tile holds before its first step.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Zero,
    /// The same number all along a column.
    Bias(&'a [f32]),
    /// What C holds.
    Accumulate,
}

impl Start<'_> {
    /// The start of the columns from `column` on.
    #[inline(always)]
    pub(super) fn from(self, column: usize) -> Self {
        match self {
            Self::Bias(bias) => Self::Bias(&bias[column..]),
            Self::Zero | Self::Accumulate => self,
        }
    }
}

/// A block of C: `rows` rows by `columns` columns, rows `stride` apart.
pub(super) struct BlockC<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl BlockC<'_> {
    /// The part of some rows and columns, of which those beyond the block are left out.
    #[inline(always)]
    pub(super) fn part(&mut self, rows: Range<usize>, columns: Range<usize>) -> BlockC<'_> {
        BlockC {
            data: &mut self.data[rows.start * self.stride + columns.start..],
            stride: self.stride,
            rows: rows.end.min(self.rows) - rows.start,
            columns: columns.end.min(self.columns) - columns.start,
        }
    }
}

/// The accumulators of a tile.
type Registers<S, const MR: usize, const NV: usize> = [[<S as Simd>::F; NV]; MR];

/// C = start + A B over `MR` rows and `NV` vectors of columns, all steps of A in order.
#[inline(always)]
pub(super) fn tile<S: Simd, E: Element<S>, const MR: usize, const NV: usize>(
    (s, e): (S, E),
    mut c: BlockC<'_>,
    start: Start<'_>,
    a: RowsA<'_, MR>,
    b: PanelB<'_>,
    prefetches: Prefetches,
) {
    let whole = c.rows == MR && c.columns == NV * LANES;
    let first = begin::<S, MR, NV>(s, &c, start, whole);
    let sum = multiply::<S, E, MR, NV>((s, e), first, a, b, prefetches);
    finish::<S, MR, NV>(s, &mut c, &sum, whole);
}

#[inline(always)]
fn multiply<S: Simd, E: Element<S>, const MR: usize, const NV: usize>(
    (s, e): (S, E),
    mut tile: Registers<S, MR, NV>,
    a: RowsA<'_, MR>,
    b: PanelB<'_>,
    mut prefetches: Prefetches,
) -> Registers<S, MR, NV> {
    let depth = a.depth;
    if depth == 0 {
        return tile;
    }
    let last = (depth - 1).saturating_mul(b.step_stride);
    assert!(
        b.data.len() >= last.saturating_add(NV * LANES),
        "B is shorter than the tile"
    );
    let (mut a_at, mut b_at) = (a.quarters, b.data.as_ptr());
    let rows = RowsA::<MR>::QUARTER;
    let interval = const { steps_per_fetch(MR * NV) };
    for first in (0..depth).step_by(interval) {
        for prefetch in &mut prefetches {
            prefetch.fetch_row();
        }
        for _ in first..depth.min(first + interval) {
            // SAFETY: the pointers stand at `step * stride` of a step below `depth`. A `RowsA` of
            // `MR` rows has all its words inside the slice that it borrows, for `depth` steps; the
            // assertion above holds the same of B.
            unsafe {
                let mut columns = [s.splat_u(0); NV];
                for (v, column) in columns.iter_mut().enumerate() {
                    *column = s.load_u(&*b_at.add(v * LANES).cast::<[u32; LANES]>());
                }
                for (r, row) in tile.iter_mut().enumerate() {
                    let factor = s.splat_u(*a_at[r / rows].add(r % rows * a.row_stride));
                    for (sum, column) in row.iter_mut().zip(columns) {
                        *sum = e.mul_add(s, factor, column, *sum);
                    }
                }
            }
            // The pointers may leave the slices after the last step, where they are not read.
            for at in &mut a_at {
                *at = at.wrapping_add(a.step_stride);
            }
            b_at = b_at.wrapping_add(b.step_stride);
        }
    }
    tile
}

#[inline(always)]
fn begin<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    c: &BlockC<'_>,
    start: Start<'_>,
    whole: bool,
) -> Registers<S, MR, NV> {
    let mut tile = [[s.zero(); NV]; MR];
    match start {
        Start::Zero => {}
        Start::Bias(bias) => tile = [line(s, &bias[..c.columns]); MR],
        Start::Accumulate if whole => {
            for (r, row) in tile.iter_mut().enumerate() {
                let x = &c.data[r * c.stride..][..NV * LANES];
                for (sum, x) in row.iter_mut().zip(x.as_chunks().0) {
                    *sum = s.load(x);
                }
            }
        }
        Start::Accumulate => {
            for (r, row) in tile.iter_mut().enumerate() {
                if r < c.rows {
                    *row = line(s, &c.data[r * c.stride..][..c.columns]);
                }
            }
        }
    }
    tile
}

/// Reads up to `NV` vectors; lanes beyond the end are zero.
#[inline(always)]
fn line<S: Simd, const NV: usize>(s: S, x: &[f32]) -> [S::F; NV] {
    core::array::from_fn(
        #[inline(always)]
        |v| {
            let rest = &x[x.len().min(v * LANES)..];
            match rest.first_chunk() {
                Some(lanes) => s.load(lanes),
                None => s.load_partial(rest, 0.0),
            }
        },
    )
}

#[inline(always)]
fn finish<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    c: &mut BlockC<'_>,
    tile: &Registers<S, MR, NV>,
    whole: bool,
) {
    if whole {
        for (r, row) in tile.iter().enumerate() {
            let y = &mut c.data[r * c.stride..][..NV * LANES];
            for (sum, y) in row.iter().zip(y.as_chunks_mut().0) {
                s.store(*sum, y);
            }
        }
        return;
    }
    for (r, row) in tile.iter().enumerate() {
        if r < c.rows {
            let mut rest = &mut c.data[r * c.stride..][..c.columns];
            for sum in row {
                let (y, after) = rest.split_at_mut(rest.len().min(LANES));
                s.store_partial(*sum, y);
                rest = after;
            }
        }
    }
}
