//! The gradient of a bias: the column sums of dy.

use crate::simd::{LANES, Simd};

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
