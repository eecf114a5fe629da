//! What the tests of the kernels share: numbers to feed them and named tolerances.

use crate::isa::Isa;
use crate::linear::Linear;
use crate::operand_type::OperandType;

/// `n` reproducible numbers in -1 .. 1 (xorshift; nothing depends on its quality).
pub(crate) fn values(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Every way to compute a linear map of this size.
pub(crate) fn maps(inp: usize, out: usize) -> impl Iterator<Item = Linear> {
    let of = move |isa| {
        OperandType::ALL.map(|precision| Linear {
            isa,
            precision,
            inp,
            out,
        })
    };
    Isa::available().flat_map(of)
}

/// Elementwise arithmetic in f32: a few roundings of numbers near one.
pub(crate) const ELEMENTWISE: f32 = 2e-6;
/// Sums of up to a few hundred products in f32, in another order.
pub(crate) const SUMS: f32 = 3e-5;
/// Central differences of an f64 reference with step 1e-5.
pub(crate) const DIFFERENCES: f64 = 1e-6;

/// Fails where `fast` is farther than `tolerance * (1 + |naive|)` from `naive`; names the worst
/// element.
#[track_caller]
pub(crate) fn close(isa: Isa, what: &str, fast: &[f32], naive: &[f32], tolerance: f32) {
    assert_eq!(fast.len(), naive.len(), "{what}: lengths");
    let error = |i: usize| {
        let error = (fast[i] - naive[i]).abs() / (1.0 + naive[i].abs());
        if error.is_nan() { f32::INFINITY } else { error }
    };
    let Some(worst) = (0..fast.len()).max_by(|&a, &b| error(a).total_cmp(&error(b))) else {
        return;
    };
    assert!(
        error(worst) <= tolerance,
        "{what} on {isa:?}: element {worst} is {} instead of {}, error {:e} > {tolerance:e}",
        fast[worst],
        naive[worst],
        error(worst)
    );
}

/// Fails where `gradient[i]` is not the central difference of `f` (f64 inside) at `x`.
#[track_caller]
pub(crate) fn check_gradient(what: &str, gradient: &[f64], x: &[f64], f: impl Fn(&[f64]) -> f64) {
    assert_eq!(gradient.len(), x.len(), "{what}: lengths");
    let mut x = x.to_vec();
    for i in 0..x.len() {
        let (here, step) = (x[i], 1e-5);
        x[i] = here + step;
        let above = f(&x);
        x[i] = here - step;
        let below = f(&x);
        x[i] = here;
        let expected = (above - below) / (2.0 * step);
        let error = (gradient[i] - expected).abs() / (1.0 + expected.abs());
        assert!(
            error <= DIFFERENCES,
            "{what}: gradient {i} is {}, the difference quotient {expected}, error {error:e}",
            gradient[i]
        );
    }
}

/// The witness of bf16: of all bf16 numbers the nearest, the even one of two.
pub(crate) fn nearest_bf16(x: f32) -> f64 {
    let below = f64::from(f32::from_bits(x.to_bits() & 0xffff_0000));
    let above = f64::from(f32::from_bits((x.to_bits() & 0xffff_0000) + 0x1_0000));
    let x64 = f64::from(x);
    let (low, high) = ((x64 - below).abs(), (above - x64).abs());
    if low < high || low == high && x.to_bits() & 0x1_0000 == 0 {
        below
    } else {
        above
    }
}

pub(crate) fn to_f64(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

pub(crate) fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
