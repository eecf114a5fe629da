//! The loops around the tile: C = start + A B.
//!
//! Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008), with one
//! change: only the right operand becomes panels. A panel stays in the first-level cache while all
//! rows of a block pass by; the left operand comes from the second-level cache, a dozen rows at a
//! time, and is copied only where it has to be rounded or where its rows would push each other and
//! the panel out of the first-level cache. Every element of C is its start plus its products in the
//! order of the steps, whatever the blocks, so that they may be chosen by speed alone.

use super::element::Element;
use super::panels::{Prefetch, Source, bits, copy_across, copy_along};
use super::tile::{PANEL, PanelB, Prefetches, RowsA, Start, TileC, tile};
use crate::simd::{LANES, Simd};
use core::ops::Range;

/// Words of the sum that a panel covers at a time: 32 KiB of a first-level cache.
const DEPTH: usize = 256;
/// Rows of C in a block, a multiple of every tile's height.
const ROWS: usize = 264;
/// The same where nothing is copied of the left operand: a panel that is made of plain columns
/// serves twice as many.
const IN_PLACE_ROWS: usize = 2 * ROWS;
/// Words of all three matrices that a first-level cache holds: nothing is asked for ahead then, and
/// what lies in whole vectors is read where it is. Together three in a hundred of a step of
/// microgpt.
const NEAR: usize = 12 << 10;
/// Words that lie so far apart share a set of a first-level cache: 4 KiB, a page.
const SAME_SET: usize = 1 << 10;
/// Columns of C from which on it pays to copy rows that do.
const WIDE: usize = 512;
/// [`ROWS`] in whole vectors.
const ROW_WORDS: usize = ROWS.next_multiple_of(LANES);

/// Words of scratch that a product needs: a block of the left operand, a panel of the right, and
/// what it takes to begin on a cache line.
pub(super) const SCRATCH_LEN: usize = DEPTH * (ROW_WORDS + PANEL) + LANES;

/// The left operand A of C = A B.
#[derive(Clone, Copy)]
pub(super) enum Rows<'a> {
    /// Row r, step k at `r * stride + k`.
    Along(&'a [f32], usize),
    /// Row r, step k at `k * stride + r`.
    Across(&'a [f32], usize),
}

/// The right operand B.
#[derive(Clone, Copy)]
pub(super) enum Columns<'a> {
    /// Panels of the whole depth, one after another.
    Panels(&'a [u32]),
    Plain(Source<'a>),
}

/// Words that `steps` steps of the sum fill.
#[inline(always)]
pub(super) fn words<S: Simd, E: Element<S>>(_: (S, E), steps: usize) -> usize {
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

/// C[m, n] = start + A[m, k] B[k, n]. C is contiguous.
#[inline(always)]
pub(super) fn product<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    c: &mut [f32],
    scratch: &mut [u32],
    start: Start<'_>,
    a: Rows<'_>,
    b: Columns<'_>,
    (m, n, k): (usize, usize, usize),
) {
    let (left, right) = aligned(scratch).split_at_mut(DEPTH * ROW_WORDS);
    let depth = words((s, e), k);
    let copied = !E::IN_PLACE || n >= WIDE && a.share_sets();
    let block = rows_in_block(copied);
    let near = m * n + m * k + n * k <= NEAR;
    for first in (0..m).step_by(block) {
        let rows = first..m.min(first + block);
        for block in parts(depth, DEPTH) {
            let start = if block.start == 0 { start } else { Start::Kept };
            let steps = block.start * E::STEPS..k.min(block.end * E::STEPS);
            let a = a.ready(
                (s, e),
                copied.then_some(&mut *left),
                rows.clone(),
                steps.clone(),
            );
            for column in (0..n).step_by(PANEL) {
                let next = if near {
                    Prefetch::NOTHING
                } else {
                    b.ahead(column + PANEL, n, (depth, block.clone()), steps.clone())
                };
                let width = PANEL.min(n - column);
                let b = match b {
                    Columns::Plain(Source::Across(x, stride))
                        if near && E::IN_PLACE && width.is_multiple_of(LANES) =>
                    {
                        PanelB {
                            data: bits(x.get(steps.start * stride + column..).unwrap_or(&[])),
                            step_stride: stride,
                        }
                    }
                    Columns::Panels(panels) => packed(panels, column, depth, block.clone()),
                    Columns::Plain(source) => {
                        source.pack((s, e), right, (column, width), steps.clone())
                    }
                };
                let c = &mut c[first * n + column..];
                let size = (rows.len(), width, block.len());
                panel((s, e), (c, n), start.from(column), a, (b, next), size, near);
            }
        }
    }
}

impl Columns<'_> {
    /// What the panel of `column`, if there is one, will be read from.
    fn ahead(
        self,
        column: usize,
        columns: usize,
        (depth, block): (usize, Range<usize>),
        steps: Range<usize>,
    ) -> Prefetch {
        match self {
            _ if column >= columns => Prefetch::NOTHING,
            Self::Panels(panels) => {
                let PanelB { data, step_stride } = packed(panels, column, depth, block);
                Prefetch::new(data, step_stride)
            }
            Self::Plain(source) => source.ahead(column, steps),
        }
    }
}

/// A block of the panel of a column.
#[inline(always)]
fn packed(panels: &[u32], column: usize, depth: usize, block: Range<usize>) -> PanelB<'_> {
    PanelB {
        data: &panels[column * depth + block.start * PANEL..][..PANEL * block.len()],
        step_stride: PANEL,
    }
}

/// From a cache line on.
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

/// A block of the left operand as words: row r, step k at `r * .1 + k * .2`.
type Block<'a> = (&'a [u32], usize, usize);

impl<'a> Rows<'a> {
    /// Whether the same step of all rows falls into one set of a first-level cache, which has eight
    /// or twelve lines for the rows of a tile and their panel's.
    fn share_sets(self) -> bool {
        match self {
            Self::Along(_, stride) => stride.is_multiple_of(SAME_SET),
            Self::Across(..) => false,
        }
    }

    /// The block of `rows` and `steps`: its copy in scratch, or where it lies.
    #[inline(always)]
    fn ready<S: Simd, E: Element<S>>(
        self,
        (s, e): (S, E),
        scratch: Option<&'a mut [u32]>,
        rows: Range<usize>,
        steps: Range<usize>,
    ) -> Block<'a> {
        let Some(scratch) = scratch else {
            return match self {
                Self::Along(x, stride) => {
                    (bits(&x[rows.start * stride + steps.start..]), stride, 1)
                }
                Self::Across(x, stride) => {
                    (bits(&x[steps.start * stride + rows.start..]), 1, stride)
                }
            };
        };
        match self {
            Self::Along(x, stride) => {
                let to = words((s, e), steps.len()).next_multiple_of(LANES);
                let x = &x[rows.start * stride..];
                copy_along((s, e), scratch, to, x, stride, rows.len(), steps);
                (scratch, to, 1)
            }
            Self::Across(x, stride) => {
                let x = &x[steps.start * stride + rows.start..];
                let size = (rows.len(), steps.len());
                copy_across((s, e), scratch, ROW_WORDS, x, stride, size);
                (scratch, 1, ROW_WORDS)
            }
        }
    }
}

/// All rows of a block times one panel.
#[inline(always)]
fn panel<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    (c, stride): (&mut [f32], usize),
    start: Start<'_>,
    (a, row_stride, step_stride): Block<'_>,
    (b, mut next): (PanelB<'_>, Prefetch),
    (rows, columns, depth): (usize, usize, usize),
    near: bool,
) {
    let share = next.rows().div_ceil(rows.div_ceil(height::<S>(rows)));
    let mut row = 0;
    while row < rows {
        let height = height::<S>(rows - row);
        let live = height.min(rows - row);
        let a = &a[row * row_stride..];
        let a = RowsA::new(a, (row_stride, step_stride), (height, live), depth);
        // The corner below, or the top of the next panel's columns.
        let onward = if row + height < rows {
            (row + height) * stride
        } else {
            PANEL
        };
        let prefetches = if near {
            [Prefetch::NOTHING; 2]
        } else {
            let onward = Prefetch::new(bits(c.get(onward..).unwrap_or(&[])), stride).take(height);
            [next.take(share), onward]
        };
        let corner = TileC {
            data: &mut c[row * stride..],
            stride,
            live,
            columns,
        };
        by_height((s, e), height, corner, start, a, (b, prefetches), depth);
        row += height;
    }
}

/// Rows of the next tile: as many as there are registers for, four where few are left, and never so
/// many that a tile would be left with next to none.
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
    (s, e): (S, E),
    height: usize,
    mut c: TileC<'_>,
    start: Start<'_>,
    a: RowsA<'_>,
    (b, prefetches): (PanelB<'_>, Prefetches),
    depth: usize,
) {
    if !S::WIDE {
        narrow((s, e), &mut c, start, a, (b, prefetches), depth);
    } else if c.columns > LANES {
        match height {
            12 => tile::<S, E, 12, 2>((s, e), c, start, a, (b, prefetches), depth),
            8 => tile::<S, E, 8, 2>((s, e), c, start, a, (b, prefetches), depth),
            _ => tile::<S, E, 4, 2>((s, e), c, start, a, (b, prefetches), depth),
        }
    } else {
        match height {
            12 => tile::<S, E, 12, 1>((s, e), c, start, a, (b, prefetches), depth),
            8 => tile::<S, E, 8, 1>((s, e), c, start, a, (b, prefetches), depth),
            _ => tile::<S, E, 4, 1>((s, e), c, start, a, (b, prefetches), depth),
        }
    }
}

/// Sixteen registers hold four rows of one vector: the halves of a panel one after the other.
#[inline(always)]
fn narrow<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    c: &mut TileC<'_>,
    start: Start<'_>,
    a: RowsA<'_>,
    (b, prefetches): (PanelB<'_>, Prefetches),
    depth: usize,
) {
    for column in (0..c.columns).step_by(LANES) {
        let half = TileC {
            data: &mut c.data[column..],
            columns: LANES.min(c.columns - column),
            ..*c
        };
        let b = PanelB {
            data: &b.data[column.min(b.data.len())..],
            ..b
        };
        let prefetches = if column == 0 {
            prefetches
        } else {
            [Prefetch::NOTHING; 2]
        };
        tile::<S, E, 4, 1>((s, e), half, start.from(column), a, (b, prefetches), depth);
    }
}
