//! Sums and products element by element, and sums whose order is fixed.
//!
//! The sum of squares is in f64, on sixteen lanes that a tree combines; `reduce_add` adds its
//! sources in the order given. Both orders depend on lengths alone. The fast versions win vectors
//! and nothing else: all but the sum of squares are bound by memory.

use crate::isa::{Isa, dispatch};
use crate::simd::{self, LANES, Simd};

/// Plain loops.
pub mod naive {
    /// y = a + b.
    pub fn add(y: &mut [f32], a: &[f32], b: &[f32]) {
        for i in 0..y.len() {
            y[i] = a[i] + b[i];
        }
    }

    /// y += x.
    pub fn accumulate(y: &mut [f32], x: &[f32]) {
        for i in 0..y.len() {
            y[i] += x[i];
        }
    }

    /// y *= x.
    pub fn multiply(y: &mut [f32], x: &[f32]) {
        for i in 0..y.len() {
            y[i] *= x[i];
        }
    }

    /// Returns the sum of x².
    pub fn sum_of_squares(x: &[f32]) -> f64 {
        x.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
    }
}

/// y = a + b.
pub fn add(isa: Isa, y: &mut [f32], a: &[f32], b: &[f32]) {
    dispatch!(isa, s => simd::map2(s, y, a, b, #[inline(always)] |a, b| s.add(a, b)));
}

/// y += x.
pub fn accumulate(isa: Isa, y: &mut [f32], x: &[f32]) {
    dispatch!(isa, s => simd::update1(s, y, x, #[inline(always)] |y, x| s.add(y, x)));
}

/// y *= x.
pub fn multiply(isa: Isa, y: &mut [f32], x: &[f32]) {
    dispatch!(isa, s => simd::update1(s, y, x, #[inline(always)] |y, x| s.mul(y, x)));
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
            let (a, b) = (values(n, 1), values(n, 2));
            let (mut fast, mut slow) = (vec![0.0; n], vec![0.0; n]);
            add(isa, &mut fast, &a, &b);
            naive::add(&mut slow, &a, &b);
            assert_eq!(fast, slow);
            accumulate(isa, &mut fast, &a);
            naive::accumulate(&mut slow, &a);
            assert_eq!(fast, slow);
            multiply(isa, &mut fast, &b);
            naive::multiply(&mut slow, &b);
            assert_eq!(fast, slow);
            let error = sum_of_squares(isa, &a) - naive::sum_of_squares(&a);
            assert!(error.abs() <= 1e-13 * n as f64);
            assert_eq!(sum_of_squares(isa, &a), sum_of_squares(Isa::PORTABLE, &a));
            reduce_add(isa, &mut fast, &[&a, &b, &a]);
            for x in [&a, &b, &a] {
                accumulate(isa, &mut slow, x);
            }
            close(isa, "reduce_add", &fast, &slow, ELEMENTWISE);
        }
    }
}
