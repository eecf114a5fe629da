//! The loops around the tile: C = start + A B.
//!
//! Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), with one
//! change: only the right operand is packed into panels. A panel stays in the first-level cache
//! while it is multiplied by all rows of a block. The left operand comes from the second-level
//! cache, a dozen rows at a time; it is copied only where it has to be rounded, or where its rows
//! would evict each other and the panel from the first-level cache. Every element of C is its start
//! plus its products in the order of the steps, whatever the blocks are, so that speed alone
//! decides about them.

use super::pack_operands::{Submatrix, Unpacked, copy_across, copy_along};
use super::right_panel::{PANEL, PanelB, Prefetch};
use super::tile::{BlockA, BlockC, Prefetches, RowsA, Start, tile};
use crate::element::{Element, words};
use crate::simd::{LANES, Simd};
use core::ops::Range;

/// Words of the sum that a panel covers at a time: 32 KiB of a first-level cache.
const DEPTH: usize = 256;
/// Rows of C in a block, a multiple of every tile's height.
const ROWS: usize = 264;
/// The same where nothing is copied of the left operand: a panel that is made of plain columns
/// serves twice as many rows.
const IN_PLACE_ROWS: usize = 2 * ROWS;
/// Words of all three matrices that a first-level cache holds. Nothing is prefetched then, and what
/// lies in whole vectors is read in place. Together that saves three in a hundred of a step of
/// microgpt.
const L1_WORDS: usize = 12 << 10;
/// Words that lie this far apart share a set of a first-level cache: 4 KiB, a page.
const SAME_SET: usize = 1 << 10;
/// Columns of C from which on it pays to copy rows that share a set.
const WIDE: usize = 512;
/// [`ROWS`] in whole vectors.
const ROW_WORDS: usize = ROWS.next_multiple_of(LANES);

/// Words of scratch that a product needs: a block of the left operand, a panel of the right, and
/// what it takes to begin on a cache line.
pub(super) const SCRATCH_LEN: usize = DEPTH * (ROW_WORDS + PANEL) + LANES;

/// The right operand B.
#[derive(Clone, Copy)]
pub(super) enum RightOperand<'a> {
    /// Panels of the whole sum, one after another.
    Panels(&'a [u32]),
    Plain(Unpacked<'a>),
}

/// The sizes of C[rows, columns] = start + A[rows, steps] B[steps, columns].
#[derive(Clone, Copy)]
pub(super) struct Sizes {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) steps: usize,
}

impl Sizes {
    /// Whether a first-level cache holds all three matrices.
    fn fit_l1(self) -> bool {
        let (m, n, k) = (self.rows, self.columns, self.steps);
        m * n + m * k + n * k <= L1_WORDS
    }
}

/// A block of the sum.
struct SumBlock {
    /// Words of the whole sum.
    depth: usize,
    /// The words of the block.
    words: Range<usize>,
    /// The steps that these words hold.
    steps: Range<usize>,
}

/// Words that `steps` steps of the sum fill.
#[inline(always)]
pub(super) fn words_of<S: Simd, E: Element<S>>(_: (S, E), steps: usize) -> usize {
    steps.div_ceil(E::STEPS)
}

/// Rows of C that share a panel made of plain columns, where the left operand lies across.
#[inline(always)]
pub(super) fn rows_at_once<S: Simd, E: Element<S>>(_: (S, E)) -> usize {
    rows_in_block(!E::IN_PLACE)
}

fn rows_in_block(copied: bool) -> usize {
    if copied { ROWS } else { IN_PLACE_ROWS }
}

/// C = start + A B. C is contiguous.
#[inline(always)]
pub(super) fn product<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    c: &mut [f32],
    scratch: &mut [u32],
    start: Start<'_>,
    a: Unpacked<'_>,
    b: RightOperand<'_>,
    sizes: Sizes,
) {
    let (left, right) = aligned(scratch).split_at_mut(DEPTH * ROW_WORDS);
    let Sizes {
        rows: m,
        columns: n,
        steps: k,
    } = sizes;
    let depth = words_of((s, e), k);
    let copied = !E::IN_PLACE || n >= WIDE && share_sets(a);
    let (block, fit_l1) = (rows_in_block(copied), sizes.fit_l1());
    for first in (0..m).step_by(block) {
        let rows = first..m.min(first + block);
        for words in parts(depth, DEPTH) {
            let start = if words.start == 0 {
                start
            } else {
                Start::Accumulate
            };
            let steps = words.start * E::STEPS..k.min(words.end * E::STEPS);
            let sum = SumBlock {
                depth,
                words,
                steps,
            };
            let a = left_block((s, e), copied.then_some(&mut *left), a, rows.clone(), &sum);
            for column in (0..n).step_by(PANEL) {
                let columns = column..n.min(column + PANEL);
                let next = if fit_l1 || columns.end == n {
                    Prefetch::NONE
                } else {
                    b.prefetch(columns.end, &sum)
                };
                let c = BlockC {
                    data: &mut c[first * n + column..],
                    stride: n,
                    rows: rows.len(),
                    columns: columns.len(),
                };
                let b = b.panel((s, e), right, columns, &sum, fit_l1);
                panel((s, e), c, start.from(column), a, b, next, fit_l1);
            }
        }
    }
}

impl<'a> RightOperand<'a> {
    /// The memory that the panel of the columns from `column` on will be read from.
    fn prefetch(self, column: usize, sum: &SumBlock) -> Prefetch {
        match self {
            Self::Panels(panels) => {
                let PanelB { data, step_stride } = packed(panels, column, sum);
                Prefetch::new(data, step_stride)
            }
            Self::Plain(source) => source.prefetch(column, sum.steps.clone()),
        }
    }

    /// The panel of some columns: packed already, packed into `scratch`, or where it lies.
    #[inline(always)]
    fn panel<S: Simd, E: Element<S>>(
        self,
        (s, e): (S, E),
        scratch: &'a mut [u32],
        columns: Range<usize>,
        sum: &SumBlock,
        fits_l1: bool,
    ) -> PanelB<'a> {
        match self {
            Self::Plain(Unpacked::Across { data, stride })
                if fits_l1 && E::IN_PLACE && columns.len().is_multiple_of(LANES) =>
            {
                let first = sum.steps.start * stride + columns.start;
                PanelB {
                    data: words(data.get(first..).unwrap_or(&[])),
                    step_stride: stride,
                }
            }
            Self::Panels(panels) => packed(panels, columns.start, sum),
            Self::Plain(source) => source.pack((s, e), scratch, columns, sum.steps.clone()),
        }
    }
}

/// A block of the panel that begins at `column`.
#[inline(always)]
fn packed<'a>(panels: &'a [u32], column: usize, sum: &SumBlock) -> PanelB<'a> {
    let first = column * sum.depth + sum.words.start * PANEL;
    PanelB::packed(&panels[first..][..PANEL * sum.words.len()])
}

/// The scratch from a cache line on.
fn aligned(scratch: &mut [u32]) -> &mut [u32] {
    let skip = scratch.as_ptr().align_offset(64).min(LANES);
    &mut scratch[skip..]
}

/// `0..len` in equal parts of at most `most`, at least one.
fn parts(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    let count = len.div_ceil(most).max(1);
    let part = len.div_ceil(count);
    (0..count).map(move |i| (i * part).min(len)..((i + 1) * part).min(len))
}

/// Whether the same step of all rows falls into one set of a first-level cache, which has eight or
/// twelve lines for the rows of a tile and their panel's.
fn share_sets(a: Unpacked<'_>) -> bool {
    match a {
        Unpacked::Along { stride, .. } => stride.is_multiple_of(SAME_SET),
        Unpacked::Across { .. } => false,
    }
}

/// A block of the left operand: copied into `scratch`, or where it lies.
#[inline(always)]
fn left_block<'a, S: Simd, E: Element<S>>(
    (s, e): (S, E),
    scratch: Option<&'a mut [u32]>,
    a: Unpacked<'a>,
    rows: Range<usize>,
    sum: &SumBlock,
) -> BlockA<'a> {
    let (depth, steps) = (sum.words.len(), sum.steps.clone());
    let block = |words, row_stride, step_stride| BlockA {
        words,
        row_stride,
        step_stride,
        depth,
    };
    match (a, scratch) {
        (Unpacked::Along { data, stride }, None) => {
            let first = rows.start * stride + steps.start;
            block(words(&data[first..]), stride, 1)
        }
        (Unpacked::Across { data, stride }, None) => {
            let first = steps.start * stride + rows.start;
            block(words(&data[first..]), 1, stride)
        }
        (Unpacked::Along { data, stride }, Some(scratch)) => {
            let to = depth.next_multiple_of(LANES);
            copy_along(
                (s, e),
                scratch,
                to,
                Submatrix::part(data, stride, rows, steps),
            );
            block(scratch, to, 1)
        }
        (Unpacked::Across { data, stride }, Some(scratch)) => {
            let x = Submatrix::part(data, stride, steps, rows);
            copy_across((s, e), scratch, ROW_WORDS, x);
            block(scratch, 1, ROW_WORDS)
        }
    }
}

/// All rows of a block times one panel. `next` is what the next panel will be read from.
#[inline(always)]
fn panel<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    mut c: BlockC<'_>,
    start: Start<'_>,
    a: BlockA<'_>,
    b: PanelB<'_>,
    mut next: Prefetch,
    fits_l1: bool,
) {
    let (rows, columns) = (c.rows, c.columns);
    let share = next.rows().div_ceil(rows.div_ceil(height::<S>(rows)));
    let mut row = 0;
    while row < rows {
        let height = height::<S>(rows - row);
        // What C holds below this tile, or beside it at the top of the next panel's columns.
        let following = if row + height < rows {
            (row + height) * c.stride
        } else {
            PANEL
        };
        let prefetches = if fits_l1 {
            [Prefetch::NONE; 2]
        } else {
            let following = words(c.data.get(following..).unwrap_or(&[]));
            let following = Prefetch::new(following, c.stride).take(height);
            [next.take(share), following]
        };
        let c = c.part(row..row + height, 0..columns);
        by_height((s, e), height, c, start, a.skip(row), b, prefetches);
        row += height;
    }
}

/// Rows of the next tile: as many as there are registers for, four where few are left, and never so
/// many that the last tile would be left with next to none.
#[inline(always)]
fn height<S: Simd>(left: usize) -> usize {
    match left {
        _ if !S::WIDE => 4,
        0..8 => 4,
        8..12 | 16 => 8,
        _ => 12,
    }
}

#[inline(always)]
fn by_height<S: Simd, E: Element<S>>(
    s: (S, E),
    height: usize,
    c: BlockC<'_>,
    start: Start<'_>,
    a: BlockA<'_>,
    b: PanelB<'_>,
    prefetches: Prefetches,
) {
    let rows = c.rows;
    if !S::WIDE {
        narrow(s, c, start, a, b, prefetches);
    } else if c.columns > LANES {
        match height {
            12 => tile::<S, E, 12, 2>(s, c, start, RowsA::new(a, rows), b, prefetches),
            8 => tile::<S, E, 8, 2>(s, c, start, RowsA::new(a, rows), b, prefetches),
            _ => tile::<S, E, 4, 2>(s, c, start, RowsA::new(a, rows), b, prefetches),
        }
    } else {
        match height {
            12 => tile::<S, E, 12, 1>(s, c, start, RowsA::new(a, rows), b, prefetches),
            8 => tile::<S, E, 8, 1>(s, c, start, RowsA::new(a, rows), b, prefetches),
            _ => tile::<S, E, 4, 1>(s, c, start, RowsA::new(a, rows), b, prefetches),
        }
    }
}

/// Sixteen registers hold four rows of one vector: the halves of a panel one after the other.
#[inline(always)]
fn narrow<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    mut c: BlockC<'_>,
    start: Start<'_>,
    a: BlockA<'_>,
    b: PanelB<'_>,
    prefetches: Prefetches,
) {
    let a = RowsA::new(a, c.rows);
    for column in (0..c.columns).step_by(LANES) {
        let prefetches = if column == 0 {
            prefetches
        } else {
            [Prefetch::NONE; 2]
        };
        let rows = 0..c.rows;
        let half = c.part(rows, column..column + LANES);
        let (start, b) = (start.from(column), b.skip(column));
        tile::<S, E, 4, 1>((s, e), half, start, a, b, prefetches);
    }
}
