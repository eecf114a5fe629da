//! Sums and products element by element.
//!
//! The fast versions win vectors and nothing else: they are bound by memory.

use crate::isa::{Isa, dispatch};
use crate::simd::{self, Simd};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::values;

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
        }
    }
}
