//! How the operands of a head are laid out for the tiles, in words of [`Element`].
//!
//! *Along*: the steps of a row are side by side. Rows are cut into chunks of `A` words that lie one
//! after the other: word (row, k) is at `k / A * count * A + row * A + k % A`. *Down*: each row, or
//! each two rows where a word holds two steps, is a row of words, in chunks of `W` columns that lie
//! likewise. *Across*: the rows of a tile are in the lanes: word (row, k) is at `k * 32 + row`.
//! Where a word is a number, along and down are the same.

use super::QUERIES;
use crate::element::Element;
use crate::simd::{self, LANES, Simd};
use core::ops::Range;

/// One head's columns of packed rows.
#[derive(Clone, Copy)]
pub(super) struct HeadColumns<'a> {
    pub(super) rows: &'a [f32],
    pub(super) stride: usize,
    pub(super) first: usize,
    pub(super) width: usize,
}

impl<'a> HeadColumns<'a> {
    #[inline(always)]
    pub(super) fn row(&self, t: usize) -> &'a [f32] {
        &self.rows[t * self.stride + self.first..][..self.width]
    }
}

impl HeadColumns<'_> {
    /// Loads sixteen numbers of row `t` from column `i` on; numbers beyond the last are zero.
    #[inline(always)]
    fn lanes<S: Simd>(&self, s: S, t: usize, i: usize) -> S::F {
        match self.row(t).get(i..) {
            Some(rest) if !rest.is_empty() => simd::at(s, rest, 0),
            _ => s.zero(),
        }
    }

    /// Makes sixteen words of row `t`, each number times `factor`, from word `k` on.
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

/// Lays some rows of x, each times `factor`, along `count` rows; missing rows are zero.
#[inline(always)]
pub(super) fn along<S: Simd, E: Element<S>, const A: usize>(
    (s, e): (S, E),
    out: &mut [f32],
    x: HeadColumns<'_>,
    rows: Range<usize>,
    count: usize,
    factor: f32,
) {
    let factor = s.splat(factor);
    for (c, chunk) in out.chunks_exact_mut(count * A).enumerate() {
        let (full, empty) = chunk.split_at_mut(rows.len() * A);
        for (r, words) in full.as_chunks_mut::<A>().0.iter_mut().enumerate() {
            for (k, words) in words.as_chunks_mut().0.iter_mut().enumerate() {
                let word = c * A + k * LANES;
                s.store(x.words((s, e), rows.start + r, word, factor), words);
            }
        }
        empty.fill(0.0);
    }
}

/// Lays some rows of x, each times `factor`, down `count` rows of words; missing rows are zero.
#[inline(always)]
pub(super) fn down<S: Simd, E: Element<S>, const W: usize>(
    (s, e): (S, E),
    out: &mut [f32],
    x: HeadColumns<'_>,
    rows: Range<usize>,
    count: usize,
    factor: f32,
) {
    let factor = s.splat(factor);
    for (c, chunk) in out.chunks_exact_mut(count * W).enumerate() {
        let (full, empty) = chunk.split_at_mut(rows.len().div_ceil(E::STEPS) * W);
        for (r, words) in full.as_chunks_mut::<W>().0.iter_mut().enumerate() {
            let (even, odd) = (r * E::STEPS, r * E::STEPS + E::STEPS - 1);
            for (i, words) in words.as_chunks_mut().0.iter_mut().enumerate() {
                let column = c * W + i * LANES;
                let low = s.mul(x.lanes(s, rows.start + even, column), factor);
                let high = if odd == even {
                    low
                } else if odd < rows.len() {
                    s.mul(x.lanes(s, rows.start + odd, column), factor)
                } else {
                    s.zero()
                };
                s.store(s.bits_to_float(e.across(s, low, high)), words);
            }
        }
        empty.fill(0.0);
    }
}

/// Lays some rows of x, each times `factor`, across the lanes; missing rows are zero.
#[inline(always)]
pub(super) fn across<S: Simd, E: Element<S>>(
    (s, e): (S, E),
    out: &mut [f32],
    x: HeadColumns<'_>,
    rows: Range<usize>,
    factor: f32,
) {
    let factor = s.splat(factor);
    for (c, out) in out.chunks_exact_mut(LANES * QUERIES).enumerate() {
        let out = out.as_chunks_mut::<LANES>().0;
        for half in 0..2 {
            let mut square = [s.zero(); LANES];
            for (i, row) in square.iter_mut().enumerate() {
                let r = half * LANES + i;
                if r < rows.len() {
                    *row = x.words((s, e), rows.start + r, c * LANES, factor);
                }
            }
            s.transpose(&mut square);
            for (i, &v) in square.iter().enumerate() {
                s.store(v, &mut out[i * 2 + half]);
            }
        }
    }
}

/// Rows in chunks, as [`along`] and [`down`] lay them: each chunk has its part of `count` rows.
#[derive(Clone, Copy)]
pub(super) struct Chunked<T> {
    pub(super) words: T,
    pub(super) count: usize,
}

/// Writes a row to `y`, times `factor`.
#[inline(always)]
pub(super) fn unpack<S: Simd, const W: usize>(
    s: S,
    y: &mut [f32],
    rows: Chunked<&[f32]>,
    row: usize,
    factor: f32,
) {
    let factor = s.splat(factor);
    for column in (0..y.len()).step_by(LANES) {
        let at = column / W * rows.count * W + row * W + column % W;
        let v = s.mul(simd::at(s, rows.words, at), factor);
        simd::put(s, y, column, v);
    }
}

/// Which sixteens of a tile's queries have something to do with a key.
pub(super) type Halves = Range<usize>;
