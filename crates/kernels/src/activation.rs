//! The nonlinearities of an MLP: GELU (Hendrycks and Gimpel 2016) by erf and by tanh, `ReLU`,
//! `ReLU`² (So et al. 2021), `SiLU` (Elfwing et al. 2018).
//!
//! The fast versions are a handful of vector operations on `math`'s exp and erf. GELU by tanh needs
//! no tanh: (1 + tanh u) / 2 is the logistic function of 2u. Each derivative is a function of x
//! alone, so that `gate` can use it too.

use crate::isa::{Isa, dispatch};
use crate::math;
use crate::simd::{self, LANES, Simd};

/// A nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nonlinearity {
    /// x Φ(x).
    GeluErf,
    /// x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2.
    GeluTanh,
    /// max(x, 0).
    Relu,
    /// max(x, 0)².
    ReluSquared,
    /// x / (1 + e^-x).
    Silu,
}

impl Nonlinearity {
    /// Every nonlinearity.
    pub const ALL: [Self; 5] = [
        Self::GeluErf,
        Self::GeluTanh,
        Self::Relu,
        Self::ReluSquared,
        Self::Silu,
    ];
}

/// 2 √(2/π), and the same times the cubic coefficient.
const TWICE_ROOT: f64 = 1.595_769_121_605_730_7;
const TWICE_ROOT_CUBIC: f64 = TWICE_ROOT * 0.044_715;

/// The formulas, one number at a time, in f64.
pub mod naive {
    use super::{Nonlinearity, TWICE_ROOT, TWICE_ROOT_CUBIC};

    /// f(x), with the caller's erf.
    pub fn value(f: Nonlinearity, x: f64, erf: impl Fn(f64) -> f64) -> f64 {
        match f {
            Nonlinearity::GeluErf => 0.5 * x * (1.0 + erf(x * core::f64::consts::FRAC_1_SQRT_2)),
            Nonlinearity::GeluTanh => {
                let u = 0.5 * (TWICE_ROOT * x + TWICE_ROOT_CUBIC * x.powi(3));
                0.5 * x * (1.0 + u.tanh())
            }
            Nonlinearity::Relu => x.max(0.0),
            Nonlinearity::ReluSquared => x.max(0.0).powi(2),
            Nonlinearity::Silu => x / (1.0 + (-x).exp()),
        }
    }

    /// f'(x), with the caller's erf.
    pub fn derivative(f: Nonlinearity, x: f64, erf: impl Fn(f64) -> f64) -> f64 {
        match f {
            Nonlinearity::GeluErf => {
                let density = (-0.5 * x * x).exp() / core::f64::consts::TAU.sqrt();
                0.5 * (1.0 + erf(x * core::f64::consts::FRAC_1_SQRT_2)) + x * density
            }
            Nonlinearity::GeluTanh => {
                let t = (0.5 * (TWICE_ROOT * x + TWICE_ROOT_CUBIC * x.powi(3))).tanh();
                let du = 0.5 * (TWICE_ROOT + 3.0 * TWICE_ROOT_CUBIC * x * x);
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * du
            }
            Nonlinearity::Relu => f64::from(u8::from(x > 0.0)),
            Nonlinearity::ReluSquared => 2.0 * x.max(0.0),
            Nonlinearity::Silu => {
                let logistic = 1.0 / (1.0 + (-x).exp());
                logistic * (1.0 + x * (1.0 - logistic))
            }
        }
    }
}

/// y = f(x).
pub fn forward(isa: Isa, f: Nonlinearity, y: &mut [f32], x: &[f32]) {
    dispatch!(isa, s => each(s, f, Forward { y, x }));
}

/// y = f(x), and x becomes f'(x), which is all that the backward needs. It costs little more than
/// f alone.
pub fn forward_and_derivative(
    isa: Isa,
    f: Nonlinearity,
    y: &mut [f32],
    x_to_derivative: &mut [f32],
) {
    dispatch!(isa, s => each(s, f, ForwardAndDerivative { y, x_to_derivative }));
}

/// dx = dy f'(x).
pub fn backward(isa: Isa, f: Nonlinearity, dx: &mut [f32], dy: &[f32], x: &[f32]) {
    dispatch!(isa, s => each(s, f, Backward { dx, dy, x }));
}

/// dy becomes dx.
pub fn backward_in_place(isa: Isa, f: Nonlinearity, dy_to_dx: &mut [f32], x: &[f32]) {
    dispatch!(isa, s => each(s, f, BackwardInPlace { dy_to_dx, x }));
}

/// A nonlinearity on lanes. Each one is a type, so that the choice is made once a call instead of
/// once a vector.
pub(crate) trait Nonlinear {
    fn value<S: Simd>(s: S, x: S::F) -> S::F;
    /// f(x) and f'(x), which share their costly part.
    fn both<S: Simd>(s: S, x: S::F) -> (S::F, S::F);
}

/// A loop over slices that is compiled for each nonlinearity.
pub(crate) trait Pass<S: Simd> {
    fn run<N: Nonlinear>(self, s: S);
}

#[inline(always)]
pub(crate) fn each<S: Simd>(s: S, f: Nonlinearity, pass: impl Pass<S>) {
    match f {
        Nonlinearity::GeluErf => pass.run::<GeluErf>(s),
        Nonlinearity::GeluTanh => pass.run::<GeluTanh>(s),
        Nonlinearity::Relu => pass.run::<Relu>(s),
        Nonlinearity::ReluSquared => pass.run::<ReluSquared>(s),
        Nonlinearity::Silu => pass.run::<Silu>(s),
    }
}

struct Forward<'a> {
    y: &'a mut [f32],
    x: &'a [f32],
}

impl<S: Simd> Pass<S> for Forward<'_> {
    #[inline(always)]
    fn run<N: Nonlinear>(self, s: S) {
        simd::map(
            s,
            self.y,
            self.x,
            #[inline(always)]
            |x| N::value(s, x),
        );
    }
}

struct ForwardAndDerivative<'a> {
    y: &'a mut [f32],
    x_to_derivative: &'a mut [f32],
}

impl<S: Simd> Pass<S> for ForwardAndDerivative<'_> {
    #[inline(always)]
    fn run<N: Nonlinear>(self, s: S) {
        assert_eq!(
            self.y.len(),
            self.x_to_derivative.len(),
            "output and input differ in length"
        );
        let (y, y_tail) = self.y.as_chunks_mut::<LANES>();
        let (x, x_tail) = self.x_to_derivative.as_chunks_mut::<LANES>();
        for (y, x) in y.iter_mut().zip(x) {
            let (value, derivative) = N::both(s, s.load(x));
            s.store(value, y);
            s.store(derivative, x);
        }
        if !x_tail.is_empty() {
            let (value, derivative) = N::both(s, s.load_partial(x_tail, 0.0));
            s.store_partial(value, y_tail);
            s.store_partial(derivative, x_tail);
        }
    }
}

struct Backward<'a> {
    dx: &'a mut [f32],
    dy: &'a [f32],
    x: &'a [f32],
}

impl<S: Simd> Pass<S> for Backward<'_> {
    #[inline(always)]
    fn run<N: Nonlinear>(self, s: S) {
        simd::map2(
            s,
            self.dx,
            self.dy,
            self.x,
            #[inline(always)]
            |dy, x| s.mul(dy, N::both(s, x).1),
        );
    }
}

struct BackwardInPlace<'a> {
    dy_to_dx: &'a mut [f32],
    x: &'a [f32],
}

impl<S: Simd> Pass<S> for BackwardInPlace<'_> {
    #[inline(always)]
    fn run<N: Nonlinear>(self, s: S) {
        simd::update1(
            s,
            self.dy_to_dx,
            self.x,
            #[inline(always)]
            |dy, x| s.mul(dy, N::both(s, x).1),
        );
    }
}

struct GeluErf;

impl Nonlinear for GeluErf {
    #[inline(always)]
    fn value<S: Simd>(s: S, x: S::F) -> S::F {
        s.mul(x, math::normal_cdf_lanes(s, x))
    }
    #[inline(always)]
    fn both<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
        const DENSITY_AT_ZERO: f32 = 0.398_942_3; // 1 / √(2π)
        let cdf = math::normal_cdf_lanes(s, x);
        let gaussian = math::gaussian_lanes(s, x);
        (
            s.mul(x, cdf),
            s.mul_add(s.mul(x, s.splat(DENSITY_AT_ZERO)), gaussian, cdf),
        )
    }
}

struct GeluTanh;

impl GeluTanh {
    /// The logistic function of 2u.
    #[inline(always)]
    fn logistic<S: Simd>(s: S, x: S::F) -> S::F {
        let (root, cubic) = (s.splat(TWICE_ROOT as f32), s.splat(TWICE_ROOT_CUBIC as f32));
        logistic(s, s.mul(x, s.mul_add(s.mul(x, x), cubic, root)))
    }
}

impl Nonlinear for GeluTanh {
    #[inline(always)]
    fn value<S: Simd>(s: S, x: S::F) -> S::F {
        s.mul(x, Self::logistic(s, x))
    }
    #[inline(always)]
    fn both<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
        let p = Self::logistic(s, x);
        let cubic = s.splat(3.0 * TWICE_ROOT_CUBIC as f32);
        let du = s.mul_add(s.mul(x, x), cubic, s.splat(TWICE_ROOT as f32));
        let value = s.mul(x, p);
        (
            value,
            s.mul_add(s.mul(value, s.sub(s.splat(1.0), p)), du, p),
        )
    }
}

struct Relu;

impl Nonlinear for Relu {
    #[inline(always)]
    fn value<S: Simd>(s: S, x: S::F) -> S::F {
        // Zero first: a NaN comes through.
        s.max(s.zero(), x)
    }
    #[inline(always)]
    fn both<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
        let derivative = s.select(s.lt(s.zero(), x), s.splat(1.0), s.zero());
        (Self::value(s, x), derivative)
    }
}

struct ReluSquared;

impl Nonlinear for ReluSquared {
    #[inline(always)]
    fn value<S: Simd>(s: S, x: S::F) -> S::F {
        let x = Relu::value(s, x);
        s.mul(x, x)
    }
    #[inline(always)]
    fn both<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
        let x = Relu::value(s, x);
        (s.mul(x, x), s.add(x, x))
    }
}

struct Silu;

impl Nonlinear for Silu {
    #[inline(always)]
    fn value<S: Simd>(s: S, x: S::F) -> S::F {
        s.mul(x, logistic(s, x))
    }
    #[inline(always)]
    fn both<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
        let p = logistic(s, x);
        let value = s.mul(x, p);
        (value, s.mul_add(value, s.sub(s.splat(1.0), p), p))
    }
}

/// 1 / (1 + e^-x).
#[inline(always)]
fn logistic<S: Simd>(s: S, x: S::F) -> S::F {
    let e = math::exp_lanes(s, s.sub(s.zero(), x));
    s.div(s.splat(1.0), s.add(s.splat(1.0), e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, check_gradient, close, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, n) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 130, 1000].map(|n| (isa, n)))
        {
            for f in Nonlinearity::ALL {
                let x: Vec<f32> = values(n, 1).iter().map(|x| 9.0 * x).collect();
                let (dy, x64) = (values(n, 2), to_f64(&x));
                let (mut y, mut dx) = (vec![0.0; n], vec![0.0; n]);
                forward(isa, f, &mut y, &x);
                backward(isa, f, &mut dx, &dy, &x);
                let value = |&x: &f64| naive::value(f, x, libm::erf);
                let expected = narrow(&x64.iter().map(value).collect::<Vec<_>>());
                close(isa, &format!("{f:?}"), &y, &expected, ELEMENTWISE);
                let derivative =
                    |i: usize| f64::from(dy[i]) * naive::derivative(f, x64[i], libm::erf);
                let expected = narrow(&(0..n).map(derivative).collect::<Vec<_>>());
                close(isa, &format!("{f:?} dx"), &dx, &expected, ELEMENTWISE);
                let mut same = dy.clone();
                backward_in_place(isa, f, &mut same, &x);
                assert_eq!(same, dx);
                let (mut again, mut derivative) = (vec![0.0; n], x.clone());
                forward_and_derivative(isa, f, &mut again, &mut derivative);
                assert_eq!(again, y);
                let mut product = dy.clone();
                crate::elementwise::multiply(isa, &mut product, &derivative);
                assert_eq!(product, dx);
            }
        }
    }

    #[test]
    fn far_values_neither_overflow_nor_hide_a_nan() {
        let x = [-1e10, -100.0, 100.0, f32::NAN];
        for (isa, f) in Isa::available().flat_map(|isa| Nonlinearity::ALL.map(|f| (isa, f))) {
            let (mut y, mut dx) = ([0.0; 4], [0.0; 4]);
            forward(isa, f, &mut y, &x);
            backward(isa, f, &mut dx, &[1.0; 4], &x);
            assert!(
                y[0].abs() < 1e-6 && y[1].abs() < 1e-6 && y[2] >= 100.0,
                "{f:?} {y:?}"
            );
            assert!(
                dx[0].abs() < 1e-6 && dx[1].abs() < 1e-6 && dx[2] >= 1.0,
                "{f:?} {dx:?}"
            );
            assert!(y[3].is_nan(), "{f:?} {y:?}");
        }
    }

    #[test]
    fn naive_derivative_is_the_derivative() {
        let x = to_f64(&values(20, 3));
        for f in Nonlinearity::ALL {
            let derivative: Vec<f64> = x
                .iter()
                .map(|&x| naive::derivative(f, x, libm::erf))
                .collect();
            check_gradient(&format!("{f:?}"), &derivative, &x, |x| {
                x.iter().map(|&x| naive::value(f, x, libm::erf)).sum()
            });
        }
    }
}
