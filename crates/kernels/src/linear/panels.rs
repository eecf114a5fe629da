//! Operands made ready: weights and inputs copied into panels, left operands that have to be
//! rounded into words.

use super::element::Element;
use super::tile::{PANEL, PanelB};
use crate::simd::{LANES, Simd, prefetch};
use core::ops::Range;

/// A matrix of which a panel is a part: how its steps lie.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// Rows are columns of the panel, steps lie side by side: W in y = x Wt.
    Along(&'a [f32], usize),
    /// Rows are steps, columns lie side by side: W in dx = dy W, x in dW = dyt x.
    Across(&'a [f32], usize),
}

impl<'a> Source<'a> {
    /// What a panel from `column` on will be made of, where that lies a row a step.
    pub(super) fn ahead(self, column: usize, steps: Range<usize>) -> Prefetch {
        match self {
            Self::Across(x, stride) => Prefetch::new(
                bits(&x[steps.start * stride + column..steps.end * stride]),
                stride,
            ),
            Self::Along(..) => Prefetch::NOTHING,
        }
    }

    /// The `width` columns from `column` on at `steps`, as a panel.
    #[inline(always)]
    pub(super) fn pack<S: Simd, E: Element<S>>(
        self,
        (s, e): (S, E),
        panel: &'a mut [u32],
        (column, width): (usize, usize),
        steps: Range<usize>,
    ) -> PanelB<'a> {
        match self {
            Self::Along(x, stride) => {
                let x = &x[column * stride..];
                turn((s, e), panel, x, stride, width, steps);
            }
            Self::Across(x, stride) => {
                let x = x.get(steps.start * stride + column..).unwrap_or(&[]);
                // A width the compiler knows makes the loop over it two moves.
                let width = if width == PANEL { PANEL } else { width };
                let size = (width, steps.len());
                copy_across((s, e), panel, PANEL, x, stride, size);
            }
        }
        PanelB {
            data: panel,
            step_stride: PANEL,
        }
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Rows of a panel's width that will be read or written before long. Only ever asked for, never
/// read here.
#[derive(Clone, Copy)]
pub(super) struct Prefetch {
    at: *const u32,
    stride: usize,
    rows: usize,
}

impl Prefetch {
    pub(super) const NOTHING: Self = Self {
        at: core::ptr::null(),
        stride: 0,
        rows: 0,
    };

    /// Rows `stride` words apart, the first at the beginning of `data`.
    #[inline(always)]
    pub(super) fn new(data: &[u32], stride: usize) -> Self {
        Self {
            at: data.as_ptr(),
            stride,
            rows: data.len().div_ceil(stride),
        }
    }

    #[inline(always)]
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The next `rows` of them, which are then no longer among these.
    #[inline(always)]
    pub(super) fn take(&mut self, rows: usize) -> Self {
        let rows = rows.min(self.rows);
        let taken = Self { rows, ..*self };
        self.at = self.at.wrapping_add(rows * self.stride);
        self.rows -= rows;
        taken
    }

    /// Asks for the next row.
    #[inline(always)]
    pub(super) fn fetch_row(&mut self) {
        if self.rows == 0 {
            return;
        }
        prefetch(self.at);
        prefetch(self.at.wrapping_add(PANEL - 1));
        if !self.at.addr().is_multiple_of(LINE) {
            prefetch(self.at.wrapping_add(LANES));
        }
        self.at = self.at.wrapping_add(self.stride);
        self.rows -= 1;
    }
}

/// The words of f32 numbers.
pub(crate) fn bits(x: &[f32]) -> &[u32] {
    // SAFETY: both types are four bytes of the same alignment, and every pattern of bits is a u32.
    unsafe { core::slice::from_raw_parts(x.as_ptr().cast(), x.len()) }
}

/// Steps side by side become steps below each other: squares of sixteen words are turned in
/// registers.
#[inline(always)]
fn turn<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    panel: &mut [u32],
    x: &[f32],
    stride: usize,
    width: usize,
    steps: Range<usize>,
) {
    let square = LANES * E::STEPS;
    for group in (0..width).step_by(LANES) {
        let live = LANES.min(width - group);
        for step in steps.clone().step_by(square) {
            let taken = square.min(steps.end - step);
            let mut words = [s.zero(); LANES];
            for (i, row) in words.iter_mut().enumerate() {
                if i < live {
                    let x = &x[(group + i) * stride + step..][..taken];
                    *row = s.bits_to_float(e.along(s, x));
                }
            }
            s.transpose(&mut words);
            let first = (step - steps.start) / E::STEPS;
            for (i, &v) in words.iter().enumerate() {
                if i < taken.div_ceil(E::STEPS) {
                    put((s, s.bits(v)), panel, (first + i) * PANEL + group);
                }
            }
        }
    }
}

/// Rows of x one or two to a row of words, `to_stride` words apart.
#[inline(always)]
pub(super) fn copy_across<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    to: &mut [u32],
    to_stride: usize,
    x: &[f32],
    stride: usize,
    (width, steps): (usize, usize),
) {
    let row = |step: usize| &x[step * stride..][..width];
    for (words, first) in to.chunks_mut(to_stride).zip((0..steps).step_by(E::STEPS)) {
        let even = row(first);
        if first + E::STEPS <= steps {
            copy_pair((s, e), words, even, row(first + E::STEPS - 1));
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

/// A last step without a second.
#[inline(always)]
fn copy_single<S: Simd, E: Element<S>>((s, e): (S, E), words: &mut [u32], even: &[f32]) {
    let (words, _) = words.as_chunks_mut();
    for (words, even) in words.iter_mut().zip(even.chunks(LANES)) {
        s.store_u(e.across(s, s.load_partial(even, 0.0), s.zero()), words);
    }
}

/// `rows` rows of steps side by side as rows of words, `to_stride` words apart.
#[inline(always)]
pub(crate) fn copy_along<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    to: &mut [u32],
    to_stride: usize,
    x: &[f32],
    stride: usize,
    rows: usize,
    steps: Range<usize>,
) {
    let square = LANES * E::STEPS;
    for row in 0..rows {
        let x = &x[row * stride..][steps.clone()];
        let words = &mut to[row * to_stride..][..to_stride];
        for (x, k) in x.chunks(square).zip((0..).step_by(LANES)) {
            put((s, e.along(s, x)), words, k);
        }
    }
}

#[inline(always)]
fn put<S: Simd>((s, v): (S, S::U), y: &mut [u32], i: usize) {
    if let Some(y) = y[i..].first_chunk_mut() {
        s.store_u(v, y);
    }
}

/// `sums[c] += x[r, c]` for rows in order, rows `stride` apart; a few vectors of columns at a time.
#[inline(always)]
pub(super) fn add_rows<S: Simd>(s: S, sums: &mut [f32], x: &[f32], stride: usize, rows: usize) {
    const AT_ONCE: usize = 8;
    let (wide, tail) = sums.as_chunks_mut::<{ AT_ONCE * LANES }>();
    let first = wide.len() * AT_ONCE * LANES;
    for (sums, column) in wide.iter_mut().zip((0..).step_by(AT_ONCE * LANES)) {
        let mut acc: [S::F; AT_ONCE] = core::array::from_fn(
            #[inline(always)]
            |v| s.load(&sums.as_chunks().0[v]),
        );
        for row in 0..rows {
            let x = &x[row * stride + column..][..AT_ONCE * LANES];
            for (acc, x) in acc.iter_mut().zip(x.as_chunks().0) {
                *acc = s.add(*acc, s.load(x));
            }
        }
        for (acc, sums) in acc.iter().zip(sums.as_chunks_mut().0) {
            s.store(*acc, sums);
        }
    }
    for (sums, column) in tail.chunks_mut(LANES).zip((first..).step_by(LANES)) {
        let mut acc = s.load_partial(sums, 0.0);
        for row in 0..rows {
            let x = &x[row * stride + column..][..sums.len()];
            acc = s.add(acc, s.load_partial(x, 0.0));
        }
        s.store_partial(acc, sums);
    }
}
