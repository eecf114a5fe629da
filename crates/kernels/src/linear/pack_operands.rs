//! Packing: operands are copied, and rounded where the precision asks for it, into the words that
//! a tile reads.

use super::right_panel::{PANEL, PanelB, Prefetch};
use crate::element::{Element, words};
use crate::simd::{LANES, Simd};
use core::ops::Range;

/// An operand as it lies in memory. Its *lines* are rows of A or columns of B; each line holds a
/// number for every step of the sum.
#[derive(Clone, Copy)]
pub(super) enum Unpacked<'a> {
    /// Line i, step k at `i * stride + k`: x and W in y = x Wᵀ.
    Along { data: &'a [f32], stride: usize },
    /// Line i, step k at `k * stride + i`: W in dx = dy W, dy and x in dW = dyᵀ x.
    Across { data: &'a [f32], stride: usize },
}

impl<'a> Unpacked<'a> {
    /// The memory that the panel of the lines from `first` on will be made of. The hardware fetches
    /// lines along the steps by itself.
    pub(super) fn prefetch(self, first: usize, steps: Range<usize>) -> Prefetch {
        match self {
            Self::Across { data, stride } => {
                let data = &data[steps.start * stride + first..steps.end * stride];
                Prefetch::new(words(data), stride)
            }
            Self::Along { .. } => Prefetch::NONE,
        }
    }

    /// Packs `lines` at `steps` into a panel.
    #[inline(always)]
    pub(super) fn pack<S: Simd, E: Element<S>>(
        self,
        (s, e): (S, E),
        panel: &'a mut [u32],
        lines: Range<usize>,
        steps: Range<usize>,
    ) -> PanelB<'a> {
        match self {
            Self::Along { data, stride } => {
                turn((s, e), panel, Submatrix::part(data, stride, lines, steps));
            }
            Self::Across { data, stride } => {
                let mut x = Submatrix::part(data, stride, steps, lines);
                // A width the compiler knows makes the loop over it two moves.
                x.columns = if x.columns == PANEL { PANEL } else { x.columns };
                copy_across((s, e), panel, PANEL, x);
            }
        }
        PanelB::packed(panel)
    }
}

/// A part of a row-major matrix: `rows` rows of `columns` numbers, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Submatrix<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
}

impl<'a> Submatrix<'a> {
    /// Some rows and columns of a matrix whose rows are `stride` apart.
    #[inline(always)]
    pub(crate) fn part(
        data: &'a [f32],
        stride: usize,
        rows: Range<usize>,
        columns: Range<usize>,
    ) -> Self {
        let first = rows.start * stride + columns.start;
        Self {
            data: data.get(first..).unwrap_or(&[]),
            stride,
            rows: rows.len(),
            columns: columns.len(),
        }
    }

    #[inline(always)]
    pub(crate) fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride..][..self.columns]
    }
}

/// Packs rows of x as columns of a panel: squares of sixteen words are turned in registers.
#[inline(always)]
fn turn<S: Simd, E: Element<S>>((s, e): (S, E), panel: &mut [u32], x: Submatrix<'_>) {
    let square = LANES * E::STEPS;
    for first in (0..x.rows).step_by(LANES) {
        let rows = LANES.min(x.rows - first);
        for step in (0..x.columns).step_by(square) {
            let steps = square.min(x.columns - step);
            let mut words = [s.zero(); LANES];
            for (i, row) in words.iter_mut().enumerate() {
                if i < rows {
                    let x = &x.data[(first + i) * x.stride + step..][..steps];
                    *row = s.bits_to_float(e.along(s, x));
                }
            }
            s.transpose(&mut words);
            for (i, &v) in words.iter().enumerate() {
                if i < steps.div_ceil(E::STEPS) {
                    put(s, panel, (step / E::STEPS + i) * PANEL + first, s.bits(v));
                }
            }
        }
    }
}

/// Packs rows of x, one or two to a row of words; rows of words are `to_stride` apart.
#[inline(always)]
pub(super) fn copy_across<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    to: &mut [u32],
    to_stride: usize,
    x: Submatrix<'_>,
) {
    let firsts = (0..x.rows).step_by(E::STEPS);
    for (words, first) in to.chunks_mut(to_stride).zip(firsts) {
        let even = x.row(first);
        if first + E::STEPS <= x.rows {
            copy_pair((s, e), words, even, x.row(first + E::STEPS - 1));
        } else {
            copy_single((s, e), words, even);
        }
    }
}

#[inline(always)]
fn copy_pair<S: Simd, E: Element<S>>((s, e): (S, E), words: &mut [u32], even: &[f32], odd: &[f32]) {
    let ((even, even_tail), (odd, odd_tail)) = (even.as_chunks(), odd.as_chunks());
    let (words, _) = words.as_chunks_mut();
    for ((words, even), odd) in words.iter_mut().zip(even).zip(odd) {
        s.store_u(e.across(s, s.load(even), s.load(odd)), words);
    }
    if let Some(words) = words.get_mut(even.len()).filter(|_| !even_tail.is_empty()) {
        let (even, odd) = (
            s.load_partial(even_tail, 0.0),
            s.load_partial(odd_tail, 0.0),
        );
        s.store_u(e.across(s, even, odd), words);
    }
}

/// Packs a last step that has no second.
#[inline(always)]
fn copy_single<S: Simd, E: Element<S>>((s, e): (S, E), words: &mut [u32], even: &[f32]) {
    let (words, _) = words.as_chunks_mut();
    for (words, even) in words.iter_mut().zip(even.chunks(LANES)) {
        s.store_u(e.across(s, s.load_partial(even, 0.0), s.zero()), words);
    }
}

/// Packs rows of x, whose columns are steps, as rows of words, `to_stride` apart.
#[inline(always)]
pub(crate) fn copy_along<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    to: &mut [u32],
    to_stride: usize,
    x: Submatrix<'_>,
) {
    let square = LANES * E::STEPS;
    for row in 0..x.rows {
        let words = &mut to[row * to_stride..][..to_stride];
        for (x, k) in x.row(row).chunks(square).zip((0..).step_by(LANES)) {
            put(s, words, k, e.along(s, x));
        }
    }
}

/// Writes sixteen words from index `i` on, where they fit.
#[inline(always)]
fn put<S: Simd>(s: S, y: &mut [u32], i: usize, v: S::U) {
    if let Some(y) = y[i..].first_chunk_mut() {
        s.store_u(v, y);
    }
}
