//! How the operands of a head are laid out for the tiles: *rows*, cut into chunks of `W` columns that lie one after
//! the other, element (row, c) at `c / W * count * W + row * W + c % W`; or *across*, element (row, c) at `c * 32 + row`.

use super::QUERIES;
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

/// Copies `live` rows from row `first` on, each times `factor`, into `out.len() / padded` rows in chunks; what
/// is missing is zero.
#[inline(always)]
pub(super) fn rows<S: Simd, const W: usize>(
    s: S,
    out: &mut [f32],
    x: Columns<'_>,
    (first, live): (usize, usize),
    padded: usize,
    factor: f32,
) {
    let count = out.len() / padded;
    for (c, chunk) in out.chunks_exact_mut(count * W).enumerate() {
        let columns = c * W..x.width.min((c + 1) * W);
        let (live, dead) = chunk.split_at_mut(live * W);
        for (r, y) in live.as_chunks_mut::<W>().0.iter_mut().enumerate() {
            copy(s, y, &x.row(first + r)[columns.clone()], factor);
        }
        dead.fill(0.0);
    }
}

/// `y = factor * x`, zero beyond the end of `x`.
#[inline(always)]
fn copy<S: Simd, const W: usize>(s: S, y: &mut [f32; W], x: &[f32], factor: f32) {
    let factor = s.splat(factor);
    if let Some(x) = x.first_chunk::<W>() {
        let x = x.as_chunks::<LANES>().0;
        for (y, x) in y.as_chunks_mut::<LANES>().0.iter_mut().zip(x) {
            s.store(s.mul(s.load(x), factor), y);
        }
        return;
    }
    y.fill(0.0);
    for i in (0..x.len()).step_by(LANES) {
        simd::put(s, &mut y[..], i, s.mul(simd::at(s, x, i), factor));
    }
}

/// Turns a tile of 32 rows in chunks into one that has its rows across the lanes.
#[inline(always)]
pub(super) fn across<S: Simd, const W: usize>(s: S, out: &mut [f32], rows: &[f32], factor: f32) {
    let rows = rows.as_chunks::<LANES>().0;
    let out = out.as_chunks_mut::<LANES>().0;
    let (down, factor) = (W / LANES, s.splat(factor));
    for (at, half) in (0..rows.len() / QUERIES).flat_map(|at| [(at, 0), (at, 1)]) {
        let (chunk, column) = (at / down, at % down);
        let mut square = [s.zero(); LANES];
        for (i, row) in square.iter_mut().enumerate() {
            let r = half * LANES + i;
            *row = s.mul(s.load(&rows[(chunk * QUERIES + r) * down + column]), factor);
        }
        s.transpose(&mut square);
        for (i, &v) in square.iter().enumerate() {
            s.store(v, &mut out[(at * LANES + i) * 2 + half]);
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
