//! Softmax over rows. The row's maximum is subtracted first, so that no exponential overflows. A
//! row is read three times, and stays in the first-level cache meanwhile.

use crate::isa::{Isa, dispatch};
use crate::math;
use crate::simd::{Simd, fold, update};

/// Plain loops in f64.
pub mod naive {
    /// y = e^x / sum e^x over each row of `c`.
    pub fn forward(y: &mut [f64], x: &[f64], c: usize) {
        for (y, x) in y.chunks_exact_mut(c).zip(x.chunks_exact(c)) {
            let sum: f64 = x.iter().map(|x| x.exp()).sum();
            for (y, x) in y.iter_mut().zip(x) {
                *y = x.exp() / sum;
            }
        }
    }
}

/// Turns the rows of x[n, c] into probabilities, in place. A row that is -inf everywhere becomes
/// NaN.
pub fn in_place(isa: Isa, x: &mut [f32], c: usize) {
    assert!(
        c > 0 && x.len().is_multiple_of(c),
        "softmax: x is not [n, c]"
    );
    dispatch!(isa, s => rows(s, x, c));
}

#[inline(always)]
fn rows<S: Simd>(s: S, x: &mut [f32], c: usize) {
    for row in x.chunks_exact_mut(c) {
        let (_, sum) = exponentials(s, row);
        let factor = s.splat(1.0 / sum);
        update(
            s,
            row,
            #[inline(always)]
            |p| s.mul(p, factor),
        );
    }
}

/// Turns a row into e^(x - max), and returns the maximum and the sum.
#[inline(always)]
pub(crate) fn exponentials<S: Simd>(s: S, row: &mut [f32]) -> (f32, f32) {
    let max = maximum(s, row);
    let shift = s.splat(max);
    update(
        s,
        row,
        #[inline(always)]
        |x| math::exp_lanes(s, s.sub(x, shift)),
    );
    let sum = fold(
        s,
        s.zero(),
        row,
        0.0,
        #[inline(always)]
        |sum, p| s.add(sum, p),
    );
    (max, s.sum(sum))
}

/// Returns the largest element.
#[inline(always)]
pub(crate) fn maximum<S: Simd>(s: S, row: &[f32]) -> f32 {
    let max = fold(
        s,
        s.splat(f32::NEG_INFINITY),
        row,
        f32::NEG_INFINITY,
        #[inline(always)]
        |max, x| s.max(max, x),
    );
    s.max_lane(max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, close, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, c) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 65, 130].map(|c| (isa, c))) {
            let x: Vec<f32> = values(3 * c, 1).iter().map(|x| 10.0 * x).collect();
            let mut slow = vec![0.0; 3 * c];
            naive::forward(&mut slow, &to_f64(&x), c);
            let mut fast = x.clone();
            in_place(isa, &mut fast, c);
            close(isa, "softmax", &fast, &narrow(&slow), ELEMENTWISE);
            // Shifted far up, the same within the rounding of the shift.
            let mut far: Vec<f32> = x.iter().map(|x| x + 1024.0).collect();
            in_place(isa, &mut far, c);
            close(isa, "shifted softmax", &far, &narrow(&slow), 1e-3);
        }
    }

    #[test]
    fn minus_infinity_has_no_probability() {
        for isa in Isa::available() {
            let mut x = [1.0, f32::NEG_INFINITY, 1.0];
            in_place(isa, &mut x, 3);
            assert_eq!(x, [0.5, 0.0, 0.5]);
        }
    }
}
