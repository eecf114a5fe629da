//! How the operands of a head are laid out for the tiles, in words of [`Element`]: *along*, the
//! steps of a row side by side, rows cut into chunks of `A` words that lie one after the other,
//! word (row, k) at `k / A * count * A + row * A + k % A`; *down*, a row of words for each row, or
//! for each two where a word holds two steps, in chunks of `W` columns, likewise; *across*, the
//! rows of a tile in the lanes, word (row, k) at `k * 32 + row`. Where a word is a number, along
//! and down are the same.

use super::QUERIES;
use crate::element::Element;
use crate::simd::{self, LANES, Simd};
use core::ops::Range;

/// One head's columns of packed rows.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub(super) rows: &'a [f32],
    pub(super) stride: usize,
    pub(super) first: usize,
    pub(super) width: usize,
}

impl<'a> Columns<'a> {
    #[inline(always)]
    pub(super) fn row(&self, t: usize) -> &'a [f32] {
        &self.rows[t * self.stride + self.first..][..self.width]
    }
}

impl Columns<'_> {
    /// Sixteen numbers of row `t` from column `i` on, zeros beyond the last.
    #[inline(always)]
    fn lanes<S: Simd>(&self, s: S, t: usize, i: usize) -> S::F {
        match self.row(t).get(i..) {
            Some(rest) if !rest.is_empty() => simd::at(s, rest, 0),
            _ => s.zero(),
        }
    }

    /// Sixteen words of row `t`, each number times `factor`, from word `k` on.
    #[inline(always)]
    fn words<S: Simd, E: Element<S>>(
        &self,
        (s, e): (S, E),
        t: usize,
        k: usize,
        factor: S::F,
    ) -> S::F {
        let i = k * E::STEPS;
        let low = s.mul(self.lanes(s, t, i), factor);
        let high = if E::STEPS == 2 {
            s.mul(self.lanes(s, t, i + LANES), factor)
        } else {
            low
        };
        s.bits_to_float(e.beside(s, low, high))
    }
}

/// Lays `live` rows from row `first` on, each times `factor`, along `count` rows; what is missing
/// is zero.
#[inline(always)]
pub(super) fn along<S: Simd, E: Element<S>, const A: usize>(
    (s, e): (S, E),
    out: &mut [f32],
    x: Columns<'_>,
    (first, live): (usize, usize),
    count: usize,
    factor: f32,
) {
    let factor = s.splat(factor);
    for (c, chunk) in out.chunks_exact_mut(count * A).enumerate() {
        let (live, dead) = chunk.split_at_mut(live * A);
        for (r, words) in live.as_chunks_mut::<A>().0.iter_mut().enumerate() {
            for (k, words) in words.as_chunks_mut().0.iter_mut().enumerate() {
                let word = c * A + k * LANES;
                s.store(x.words((s, e), first + r, word, factor), words);
            }
        }
        dead.fill(0.0);
    }
}

/// Lays `live` rows from row `first` on, each times `factor`, down `count` rows of words; what is
/// missing is zero.
#[inline(always)]
pub(super) fn down<S: Simd, E: Element<S>, const W: usize>(
    (s, e): (S, E),
    out: &mut [f32],
    x: Columns<'_>,
    (first, live): (usize, usize),
    count: usize,
    factor: f32,
) {
    let factor = s.splat(factor);
    for (c, chunk) in out.chunks_exact_mut(count * W).enumerate() {
        let (full, dead) = chunk.split_at_mut(live.div_ceil(E::STEPS) * W);
        for (r, words) in full.as_chunks_mut::<W>().0.iter_mut().enumerate() {
            let (even, odd) = (r * E::STEPS, r * E::STEPS + E::STEPS - 1);
            for (i, words) in words.as_chunks_mut().0.iter_mut().enumerate() {
                let column = c * W + i * LANES;
                let low = s.mul(x.lanes(s, first + even, column), factor);
                let high = if odd == even {
                    low
                } else if odd < live {
                    s.mul(x.lanes(s, first + odd, column), factor)
                } else {
                    s.zero()
                };
                s.store(s.bits_to_float(e.across(s, low, high)), words);
            }
        }
        dead.fill(0.0);
    }
}

/// Lays `live` rows from row `first` on, each times `factor`, across the lanes; missing ones are
/// zero.
#[inline(always)]
pub(super) fn across<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    out: &mut [f32],
    x: Columns<'_>,
    (first, live): (usize, usize),
    factor: f32,
) {
    let factor = s.splat(factor);
    for (c, out) in out.chunks_exact_mut(LANES * QUERIES).enumerate() {
        let out = out.as_chunks_mut::<LANES>().0;
        for half in 0..2 {
            let mut square = [s.zero(); LANES];
            for (i, row) in square.iter_mut().enumerate() {
                let r = half * LANES + i;
                if r < live {
                    *row = x.words((s, e), first + r, c * LANES, factor);
                }
            }
            s.transpose(&mut square);
            for (i, &v) in square.iter().enumerate() {
                s.store(v, &mut out[i * 2 + half]);
            }
        }
    }
}

/// Writes row `row` of `count` rows in chunks to `y`, times `factor`.
#[inline(always)]
pub(super) fn unpack<S: Simd, const W: usize>(
    s: S,
    y: &mut [f32],
    rows: &[f32],
    (row, count): (usize, usize),
    factor: f32,
) {
    let factor = s.splat(factor);
    for column in (0..y.len()).step_by(LANES) {
        let at = column / W * count * W + row * W + column % W;
        let v = s.mul(simd::at(s, rows, at), factor);
        simd::put(s, y, column, v);
    }
}

/// What part of `total` is task `task`'s of `tasks`, when the whole is walked in order.
#[derive(Clone, Copy)]
pub(super) struct Share {
    pub(super) task: usize,
    pub(super) tasks: usize,
    pub(super) total: usize,
}

impl Share {
    /// Whether the piece that begins at `done` belongs to it.
    pub(super) fn owns(&self, done: usize) -> bool {
        done * self.tasks / self.total == self.task
    }
}

/// Cuts pieces off the caller's scratch.
pub(super) struct Scratch<'a>(pub(super) &'a mut [f32]);

impl<'a> Scratch<'a> {
    pub(super) fn take(&mut self, len: usize) -> &'a mut [f32] {
        let (piece, rest) = core::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        piece
    }
}

/// Which sixteens of a tile's queries have something to do with a key.
pub(super) type Halves = Range<usize>;
