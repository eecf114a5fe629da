//! The tile of a product: up to twelve rows by up to two vectors of columns, held in registers from
//! the first step of the sum to the last.
//!
//! A step loads two vectors of the right operand, broadcasts twelve words of the left and does 24
//! multiply-adds: 14 loads where 24 fit, so that the left operand may stay where it lies, rows any
//! distance apart. The right operand is read once a tile and has to come from the first-level cache
//! in whole lines: a panel.

use super::element::Element;
use super::panels::Prefetch;
use crate::simd::{LANES, Simd};
use core::marker::PhantomData;

/// Columns of a panel.
pub(super) const PANEL: usize = 2 * LANES;

/// Steps between two rows that are asked for: about a hundred cycles, and two or four cache lines.
const fn steps_a_row(cells: usize) -> usize {
    let steps = 8 * 24 / cells;
    if steps < 32 { steps } else { 32 }
}

/// What the tiles that follow will read and write: asked for a row at a time between the steps,
/// because a burst of requests at the start of a tile holds up its own loads.
pub(super) type Prefetches = [Prefetch; 2];

/// Rows that start somewhere apart in a tile of any height: a tile of four may repeat its last one.
const QUARTERS: usize = 4;

/// `MR` rows of the left operand. Row r, step k at `row(r) + k * step_stride`.
#[derive(Clone, Copy)]
pub(super) struct RowsA<'a> {
    quarters: [*const u32; QUARTERS],
    row_stride: usize,
    step_stride: usize,
    depth: usize,
    data: PhantomData<&'a [u32]>,
}

impl<'a> RowsA<'a> {
    /// `height` rows of `depth` steps, of which `live` are there: a tile of four repeats the last
    /// of them.
    #[inline(always)]
    pub(super) fn new(
        data: &'a [u32],
        (row_stride, step_stride): (usize, usize),
        (height, live): (usize, usize),
        depth: usize,
    ) -> Self {
        assert!(
            height.is_multiple_of(QUARTERS) && (live == height || height == QUARTERS && live > 0),
            "a tile of {height} cannot hold {live} rows"
        );
        let last = (live - 1) * row_stride + depth.saturating_sub(1) * step_stride;
        assert!(
            depth == 0 || last < data.len(),
            "A is shorter than the tile"
        );
        let quarter = |q: usize| (q * (height / QUARTERS)).min(live - 1) * row_stride;
        Self {
            // No row is read where there is no step.
            quarters: core::array::from_fn(
                #[inline(always)]
                |q| data.as_ptr().wrapping_add(quarter(q)),
            ),
            row_stride,
            step_stride,
            depth,
            data: PhantomData,
        }
    }
}

/// The right operand: step k, column c at `k * step_stride + c`.
#[derive(Clone, Copy)]
pub(super) struct PanelB<'a> {
    pub(super) data: &'a [u32],
    pub(super) step_stride: usize,
}

/// What a tile holds before its first step.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    Zero,
    /// The same number all along a column.
    Bias(&'a [f32]),
    /// What C holds.
    Kept,
}

impl Start<'_> {
    /// The start of the columns from `column` on.
    #[inline(always)]
    pub(super) fn from(self, column: usize) -> Self {
        match self {
            Self::Bias(bias) => Self::Bias(&bias[column..]),
            Self::Zero | Self::Kept => self,
        }
    }
}

/// The corner of C that a tile covers: `live` rows by `columns` columns, rows `stride` apart.
pub(super) struct TileC<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) live: usize,
    pub(super) columns: usize,
}

type Tile<S, const MR: usize, const NV: usize> = [[<S as Simd>::F; NV]; MR];

/// C = start + A B over `MR` rows and `NV` vectors of columns, `depth` steps in order.
#[inline(always)]
pub(super) fn tile<S: Simd, E: Element<S>, const MR: usize, const NV: usize>(
    (s, e): (S, E),
    mut c: TileC<'_>,
    start: Start<'_>,
    a: RowsA<'_>,
    (b, prefetches): (PanelB<'_>, Prefetches),
    depth: usize,
) {
    let whole = c.live == MR && c.columns == NV * LANES;
    let first = begin::<S, MR, NV>(s, &c, start, whole);
    let sum = multiply::<S, E, MR, NV>((s, e), first, a, (b, prefetches), depth);
    finish::<S, MR, NV>(s, &mut c, &sum, whole);
}

#[inline(always)]
fn multiply<S: Simd, E: Element<S>, const MR: usize, const NV: usize>(
    (s, e): (S, E),
    mut tile: Tile<S, MR, NV>,
    a: RowsA<'_>,
    (b, mut prefetches): (PanelB<'_>, Prefetches),
    depth: usize,
) -> Tile<S, MR, NV> {
    if depth == 0 {
        return tile;
    }
    assert!(depth <= a.depth, "A is shorter than the tile");
    assert!(
        b.data.len() >= NV * LANES + (depth - 1) * b.step_stride,
        "B is shorter than the tile"
    );
    let (mut a_at, mut b_at) = (a.quarters, b.data.as_ptr());
    let rows = MR / QUARTERS;
    let pace = const { steps_a_row(MR * NV) };
    for first in (0..depth).step_by(pace) {
        for ahead in &mut prefetches {
            ahead.fetch_row();
        }
        for _ in first..depth.min(first + pace) {
            // SAFETY: the pointers stand at `step * stride` of a step below `depth`; `RowsA::new`
            // has seen that its rows reach so far, the assertion above that B does, and so do the
            // pointers' lifetimes.
            unsafe {
                let mut columns = [s.splat_u(0); NV];
                for (v, column) in columns.iter_mut().enumerate() {
                    *column = s.load_u(&*b_at.add(v * LANES).cast::<[u32; LANES]>());
                }
                for (r, row) in tile.iter_mut().enumerate() {
                    let factor = s.splat_u(*a_at[r / rows].add(r % rows * a.row_stride));
                    for (cell, column) in row.iter_mut().zip(columns) {
                        *cell = e.mul_add(s, factor, column, *cell);
                    }
                }
            }
            // The step past the last is never read.
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
    c: &TileC<'_>,
    start: Start<'_>,
    whole: bool,
) -> Tile<S, MR, NV> {
    let mut tile = [[s.zero(); NV]; MR];
    match start {
        Start::Zero => {}
        Start::Bias(bias) => tile = [line(s, &bias[..c.columns]); MR],
        Start::Kept if whole => {
            for (r, row) in tile.iter_mut().enumerate() {
                let x = &c.data[r * c.stride..][..NV * LANES];
                for (cell, x) in row.iter_mut().zip(x.as_chunks().0) {
                    *cell = s.load(x);
                }
            }
        }
        Start::Kept => {
            for (r, row) in tile.iter_mut().enumerate() {
                if r < c.live {
                    *row = line(s, &c.data[r * c.stride..][..c.columns]);
                }
            }
        }
    }
    tile
}

/// Up to `NV` vectors, zeros beyond the end.
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
    c: &mut TileC<'_>,
    tile: &Tile<S, MR, NV>,
    whole: bool,
) {
    if whole {
        for (r, row) in tile.iter().enumerate() {
            let y = &mut c.data[r * c.stride..][..NV * LANES];
            for (cell, y) in row.iter().zip(y.as_chunks_mut().0) {
                s.store(*cell, y);
            }
        }
        return;
    }
    for (r, row) in tile.iter().enumerate() {
        if r < c.live {
            let mut rest = &mut c.data[r * c.stride..][..c.columns];
            for cell in row {
                let (y, after) = rest.split_at_mut(rest.len().min(LANES));
                s.store_partial(*cell, y);
                rest = after;
            }
        }
    }
}
