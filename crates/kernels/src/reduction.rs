//! Sums whose order is fixed.
//!
//! The sum of squares is in f64, on sixteen lanes that a tree combines; `reduce_add` adds its
//! sources in the order given, and is bound by memory. Both orders depend on lengths alone.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd};

/// Plain loops.
pub mod naive {
    /// Returns the sum of x².
    pub fn sum_of_squares(x: &[f32]) -> f64 {
        x.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
    }
}

/// Returns the sum of x² in f64, with the same bits on every instruction set.
pub fn sum_of_squares(isa: Isa, x: &[f32]) -> f64 {
    dispatch!(isa, s => sum_of_squares_lanes(s, x))
}

/// dst += each of `srcs`, in order. Calls on parts of `dst` and `srcs` give the same bits as one
/// call.
pub fn reduce_add(isa: Isa, dst: &mut [f32], srcs: &[&[f32]]) {
    assert!(
        srcs.iter().all(|src| src.len() == dst.len()),
        "sources differ in length"
    );
    dispatch!(isa, s => reduce_add_lanes(s, dst, srcs));
}

/// Plain f64 arithmetic, which the compiler vectorises for the instruction set; it never fuses a
/// multiply and an add by itself.
#[inline(always)]
fn sum_of_squares_lanes<S: Simd>(_: S, x: &[f32]) -> f64 {
    let mut acc = [0.0_f64; LANES];
    let (full, tail) = x.as_chunks::<LANES>();
    for x in full {
        for (acc, &x) in acc.iter_mut().zip(x) {
            *acc += f64::from(x) * f64::from(x);
        }
    }
    for (acc, &x) in acc.iter_mut().zip(tail) {
        *acc += f64::from(x) * f64::from(x);
    }
    for half in [8, 4, 2, 1] {
        for i in 0..half {
            acc[i] += acc[i + half];
        }
    }
    acc[0]
}

#[inline(always)]
fn reduce_add_lanes<S: Simd>(s: S, dst: &mut [f32], srcs: &[&[f32]]) {
    let (full, tail) = dst.as_chunks_mut::<LANES>();
    let done = full.len() * LANES;
    for (i, y) in full.iter_mut().enumerate() {
        let mut sum = s.load(y);
        for src in srcs {
            sum = s.add(sum, s.load(&src.as_chunks::<LANES>().0[i]));
        }
        s.store(sum, y);
    }
    if !tail.is_empty() {
        let mut sum = s.load_partial(tail, 0.0);
        for src in srcs {
            sum = s.add(sum, s.load_partial(&src[done..], 0.0));
        }
        s.store_partial(sum, tail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, close, values};

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, n) in Isa::available().flat_map(|isa| [0, 1, 7, 17, 33, 130].map(|n| (isa, n))) {
            let (a, b, start) = (values(n, 1), values(n, 2), values(n, 3));
            let (mut fast, mut slow) = (start.clone(), start);
            let error = sum_of_squares(isa, &a) - naive::sum_of_squares(&a);
            assert!(error.abs() <= 1e-13 * n as f64);
            assert_eq!(sum_of_squares(isa, &a), sum_of_squares(Isa::PORTABLE, &a));
            reduce_add(isa, &mut fast, &[&a, &b, &a]);
            for x in [&a, &b, &a] {
                crate::elementwise::naive::accumulate(&mut slow, x);
            }
            close(isa, "reduce_add", &fast, &slow, ELEMENTWISE);
        }
    }
}
