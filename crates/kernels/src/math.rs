//! exp, ln, tanh and erf on sixteen lanes, without branches or tables.
//!
//! Sources: exp and ln after Cephes `expf.c` and `logf.c` (Moshier 1992); tanh is the rational
//! approximation of Eigen (`MathFunctionsImpl.h`), an odd polynomial over an even one on a clamped
//! argument; erf is 1 - 2^(-t R(t)) with R fitted here by Lawson's method, which needs no division
//! and is accurate in the tail. A test compares every function with f64 over its whole range, on
//! every instruction set, and holds the bounds below.

use crate::isa::{Isa, dispatch};
use crate::simd::{self, Simd};

/// Relative error of [`exp`] on -87.3 ..= 88.3.
pub const EXP_RELATIVE_ERROR: f64 = 2e-7;
/// Relative error of [`exp2`] on -126 ..= 127.
pub const EXP2_RELATIVE_ERROR: f64 = 2e-7;
/// Error of [`ln`], relative to the larger of one and the result, for normal arguments.
pub const LN_ERROR: f64 = 1.5e-7;
/// Absolute error of [`tanh`]; it is relative below a result of one half.
pub const TANH_ERROR: f64 = 5e-7;
/// Absolute error of [`erf`].
pub const ERF_ERROR: f64 = 2e-7;

/// f32 has no normal number for the exponential of anything below.
const EXP_LOW: f32 = -87.336_54;
/// 2^127 e^(ln 2 / 2), the largest that the scaling by powers of two reaches.
const EXP_HIGH: f32 = 88.376_26;

#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F, coefficients: [f32; N]) -> S::F {
    let mut sum = s.splat(coefficients[0]);
    for &c in &coefficients[1..] {
        sum = s.mul_add(sum, x, s.splat(c));
    }
    sum
}

/// e^x. The result is zero below -87.3, 2.4e38 above 88.3 and NaN for NaN.
#[inline(always)]
pub(crate) fn exp_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    // max and min return their second argument where it is NaN.
    let y = s.max(s.splat(EXP_LOW), s.min(s.splat(EXP_HIGH), x));
    let n = s.round(s.mul(y, s.splat(core::f32::consts::LOG2_E)));
    // ln 2 in two parts, the first exact in few bits, so that the remainder is exact.
    let r = s.mul_add(n, s.splat(-0.693_359_4), y);
    let r = s.mul_add(n, s.splat(2.121_944_4e-4), r);
    let p = polynomial(
        s,
        r,
        [
            1.987_569_1e-4,
            1.398_2e-3,
            8.333_452e-3,
            4.166_579_6e-2,
            1.666_666_5e-1,
            0.5,
            1.0,
            1.0,
        ],
    );
    let value = s.mul(p, s.exp2i(n));
    s.select(s.lt(x, s.splat(EXP_LOW)), s.zero(), value)
}

/// 2^x for x up to 127, zero from -152 down: the exponential of a softmax whose scores carry a
/// factor log2 e, at half the steps of [`exp_lanes`].
#[inline(always)]
#[allow(clippy::approx_constant)] // The fit's coefficient is near ln 2, not ln 2.
pub(crate) fn exp2_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    let n = s.round(x);
    // Minimax in the relative error on -1/2 ..= 1/2 among those that are one at zero.
    let p = polynomial(
        s,
        s.sub(x, n),
        [
            1.326_474_2e-3,
            9.671_518e-3,
            5.550_733_6e-2,
            2.402_224_2e-1,
            6.931_47e-1,
            1.0,
        ],
    );
    s.scale_by_power(p, n)
}

/// ln x for positive, normal x.
#[inline(always)]
pub(crate) fn ln_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    // Splits x = 2^e m with m in sqrt(1/2) .. sqrt(2), by moving the exponent's boundary to
    // sqrt(1/2).
    const BOUNDARY: u32 = 0x3f35_04f3;
    let bits = s.add_u(s.bits(x), s.splat_u(0x3f80_0000 - BOUNDARY));
    let e = s.sub(s.float_i(s.shr_u::<23>(bits)), s.splat(127.0));
    let mantissa = s.and_u(bits, s.splat_u(0x007f_ffff));
    let m = s.sub(
        s.bits_to_float(s.add_u(mantissa, s.splat_u(BOUNDARY))),
        s.splat(1.0),
    );
    let z = s.mul(m, m);
    let p = polynomial(
        s,
        m,
        [
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_8e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_7e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ],
    );
    let low = s.mul_add(e, s.splat(-2.121_944_4e-4), s.mul(s.mul(m, z), p));
    let low = s.mul_add(z, s.splat(-0.5), low);
    s.mul_add(e, s.splat(0.693_359_4), s.add(m, low))
}

/// tanh x.
#[inline(always)]
pub(crate) fn tanh_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    const CLAMP: f32 = 7.905_311;
    let x = s.max(s.splat(-CLAMP), s.min(s.splat(CLAMP), x));
    let z = s.mul(x, x);
    let p = polynomial(
        s,
        z,
        [
            -2.760_768_5e-16,
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297e-8,
            1.485_722_4e-5,
            6.372_619_3e-4,
            4.893_524_6e-3,
        ],
    );
    let q = polynomial(
        s,
        z,
        [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3],
    );
    s.div(s.mul(x, p), q)
}

/// 1 - erf t for t >= 0.
#[inline(always)]
fn erfc_lanes<S: Simd>(s: S, t: S::F) -> S::F {
    // log2(erfc t) / t, minimax in the absolute error of erfc on 0 ..= 4.2; beyond it falls, so
    // erfc goes to zero.
    let p = polynomial(
        s,
        t,
        [
            -4.535_841_4e-5,
            4.455_032_2e-4,
            -1.489_419e-3,
            -7.746_782e-4,
            2.825_373_2e-2,
            -1.484_816_4e-1,
            -9.184_163e-1,
            -1.627_908_7,
        ],
    );
    falling_exp2_lanes(s, s.mul(t, p))
}

/// 2^x for x up to 0, from minus infinity on; NaN for NaN.
#[inline(always)]
fn falling_exp2_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    const LOWEST: f32 = -160.0;
    // max returns its second argument where that is NaN.
    exp2_lanes(s, s.max(s.splat(LOWEST), x))
}

/// e^(-x²/2).
#[inline(always)]
pub(crate) fn gaussian_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    let exponent = s.mul(x, s.splat(-0.5 * core::f32::consts::LOG2_E));
    falling_exp2_lanes(s, s.mul(x, exponent))
}

/// erf x.
#[inline(always)]
pub(crate) fn erf_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    let size = s.sub(s.splat(1.0), erfc_lanes(s, s.abs(x)));
    s.select(s.lt(x, s.zero()), s.sub(s.zero(), size), size)
}

/// The normal distribution function, (1 + erf(x / sqrt 2)) / 2, without cancellation for negative
/// x.
#[inline(always)]
pub(crate) fn normal_cdf_lanes<S: Simd>(s: S, x: S::F) -> S::F {
    let t = s.mul(s.abs(x), s.splat(core::f32::consts::FRAC_1_SQRT_2));
    let tail = s.mul(s.splat(0.5), erfc_lanes(s, t));
    s.select(s.lt(x, s.zero()), tail, s.sub(s.splat(1.0), tail))
}

macro_rules! elementwise {
    ($($(#[$doc:meta])* $name:ident = $lanes:ident;)*) => {
        $($(#[$doc])*
        pub fn $name(isa: Isa, y: &mut [f32], x: &[f32]) {
            dispatch!(isa, s => simd::map(s, y, x, #[inline(always)] |x| $lanes(s, x)));
        })*
    };
}

elementwise! {
    /// `y[i] = e^x[i]`; zero below -87.3, at most 2.4e38.
    exp = exp_lanes;
    /// `y[i] = 2^x[i]` for `x[i]` up to 127; zero from -152 down, perhaps from -126.
    exp2 = exp2_lanes;
    /// `y[i] = ln x[i]` for positive, normal `x[i]`.
    ln = ln_lanes;
    /// `y[i] = tanh x[i]`.
    tanh = tanh_lanes;
    /// `y[i] = erf x[i]`.
    erf = erf_lanes;
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ops::RangeInclusive;

    type Function = fn(Isa, &mut [f32], &[f32]);

    /// Returns the largest `error(got, expected)` over many points of `range`.
    fn worst(
        isa: Isa,
        f: Function,
        exact: fn(f64) -> f64,
        range: RangeInclusive<f32>,
        error: fn(f64, f64) -> f64,
    ) -> f64 {
        let n = 200_003;
        let (low, high) = range.into_inner();
        let x: Vec<f32> = (0..n)
            .map(|i| low + (high - low) * (i as f32 / (n - 1) as f32))
            .collect();
        let mut y = vec![0.0; n];
        f(isa, &mut y, &x);
        x.iter()
            .zip(&y)
            .map(|(&x, &y)| error(f64::from(y), exact(f64::from(x))))
            .fold(
                0.0,
                |worst, e| if e > worst || e.is_nan() { e } else { worst },
            )
    }

    fn relative(got: f64, expected: f64) -> f64 {
        ((got - expected) / expected).abs()
    }

    fn absolute(got: f64, expected: f64) -> f64 {
        (got - expected).abs()
    }

    fn relative_to_one(got: f64, expected: f64) -> f64 {
        (got - expected).abs() / expected.abs().max(1.0)
    }

    #[test]
    #[expect(
        clippy::print_stderr,
        reason = "the measured errors are for people to read"
    )]
    fn errors_stay_within_the_stated_bounds() {
        for isa in Isa::available() {
            let figures = [
                (
                    "exp",
                    worst(isa, exp, f64::exp, -87.3..=88.3, relative),
                    EXP_RELATIVE_ERROR,
                ),
                (
                    "exp near 0",
                    worst(isa, exp, f64::exp, -1.0..=1.0, relative),
                    EXP_RELATIVE_ERROR,
                ),
                (
                    "exp2",
                    worst(isa, exp2, f64::exp2, -126.0..=127.0, relative),
                    EXP2_RELATIVE_ERROR,
                ),
                (
                    "exp2 near 0",
                    worst(isa, exp2, f64::exp2, -1.0..=1.0, relative),
                    EXP2_RELATIVE_ERROR,
                ),
                (
                    "ln",
                    worst(isa, ln, f64::ln, 1e-3..=1e4, relative_to_one),
                    LN_ERROR,
                ),
                (
                    "ln near 1",
                    worst(isa, ln, f64::ln, 0.5..=2.0, absolute),
                    LN_ERROR,
                ),
                (
                    "tanh",
                    worst(isa, tanh, f64::tanh, -12.0..=12.0, absolute),
                    TANH_ERROR,
                ),
                (
                    "tanh small",
                    worst(isa, tanh, f64::tanh, 1e-4..=0.5, relative),
                    TANH_ERROR,
                ),
                (
                    "erf",
                    worst(isa, erf, libm::erf, -6.0..=6.0, absolute),
                    ERF_ERROR,
                ),
                (
                    "erf small",
                    worst(isa, erf, libm::erf, -0.5..=0.5, absolute),
                    ERF_ERROR,
                ),
            ];
            for (name, error, bound) in figures {
                eprintln!("{isa:?} {name}: {error:.2e} of {bound:.1e}");
                assert!(
                    error <= bound,
                    "{name} on {isa:?}: error {error:e} > {bound:e}; all: {figures:?}"
                );
            }
        }
    }

    #[test]
    fn edges_are_what_they_are_said_to_be() {
        for isa in Isa::available() {
            let x = [f32::NEG_INFINITY, -100.0, 0.0, f32::INFINITY, f32::NAN];
            let mut y = [1.0; 5];
            exp(isa, &mut y, &x);
            assert_eq!(y[..3], [0.0, 0.0, 1.0]);
            assert!(y[3] > 2e38 && y[4].is_nan());
            exp2(isa, &mut y, &[-1e30, -152.0, 0.0, 2.0, f32::NAN]);
            assert!(y[..4] == [0.0, 0.0, 1.0, 4.0] && y[4].is_nan());
            tanh(isa, &mut y, &x);
            assert!(y[0] >= -1.000_001 && y[2] == 0.0 && y[4].is_nan());
            erf(isa, &mut y, &x);
            assert!(y[3] <= 1.000_001 && y[2] == 0.0 && y[4].is_nan());
        }
    }
}
