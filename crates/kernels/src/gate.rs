//! The gated MLP (Shazeer 2020, "GLU Variants Improve Transformer"): y = f(gate) * up, `SwiGLU`
//! with `SiLU`, `GeGLU` with GELU.
//!
//! dgate = dy up f'(gate) and dup = dy f(gate). f and f' share their exponential, so the backward
//! is one pass.

use crate::activation::{Nonlinear, Nonlinearity, Pass, each};
use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, map2, put};

/// Plain loops in f64 on `activation`'s naive formulas.
pub mod naive {
    use crate::activation::{Nonlinearity, naive};

    /// y = f(gate) * up.
    pub fn forward(
        f: Nonlinearity,
        y: &mut [f64],
        gate: &[f64],
        up: &[f64],
        erf: impl Fn(f64) -> f64,
    ) {
        for i in 0..y.len() {
            y[i] = naive::value(f, gate[i], &erf) * up[i];
        }
    }

    /// dgate and dup.
    pub fn backward(
        f: Nonlinearity,
        dgate: &mut [f64],
        dup: &mut [f64],
        dy: &[f64],
        gate: &[f64],
        up: &[f64],
        erf: impl Fn(f64) -> f64,
    ) {
        for i in 0..dy.len() {
            dgate[i] = dy[i] * up[i] * naive::derivative(f, gate[i], &erf);
            dup[i] = dy[i] * naive::value(f, gate[i], &erf);
        }
    }
}

/// y = f(gate) * up.
pub fn forward(isa: Isa, f: Nonlinearity, y: &mut [f32], gate: &[f32], up: &[f32]) {
    dispatch!(isa, s => each(s, f, GateForward { y, gate, up }));
}

/// dgate and dup, both written.
pub fn backward(
    isa: Isa,
    f: Nonlinearity,
    dgate: &mut [f32],
    dup: &mut [f32],
    dy: &[f32],
    gate: &[f32],
    up: &[f32],
) {
    let n = dy.len();
    assert!(
        dgate.len() == n && dup.len() == n && gate.len() == n && up.len() == n,
        "gate sizes"
    );
    dispatch!(isa, s => each(s, f, GateBackward { dgate, dup, dy, gate, up }));
}

struct GateForward<'a> {
    y: &'a mut [f32],
    gate: &'a [f32],
    up: &'a [f32],
}

impl<S: Simd> Pass<S> for GateForward<'_> {
    #[inline(always)]
    fn run<N: Nonlinear>(self, s: S) {
        map2(
            s,
            self.y,
            self.gate,
            self.up,
            #[inline(always)]
            |gate, up| s.mul(N::value(s, gate), up),
        );
    }
}

struct GateBackward<'a> {
    dgate: &'a mut [f32],
    dup: &'a mut [f32],
    dy: &'a [f32],
    gate: &'a [f32],
    up: &'a [f32],
}

impl<S: Simd> Pass<S> for GateBackward<'_> {
    #[inline(always)]
    fn run<N: Nonlinear>(self, s: S) {
        for i in (0..self.dy.len()).step_by(LANES) {
            let dy = at(s, self.dy, i);
            let (value, derivative) = N::both(s, at(s, self.gate, i));
            let dgate = s.mul(s.mul(dy, at(s, self.up, i)), derivative);
            put(s, self.dup, i, s.mul(dy, value));
            put(s, self.dgate, i, dgate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, check_gradient, close, dot, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive() {
        for (isa, n) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 130].map(|n| (isa, n))) {
            for f in Nonlinearity::ALL {
                let gate: Vec<f32> = values(n, 1).iter().map(|x| 5.0 * x).collect();
                let (up, dy) = (values(n, 2), values(n, 3));
                let (g64, u64) = (to_f64(&gate), to_f64(&up));
                let (mut y, mut dgate, mut dup) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
                naive::forward(f, &mut y, &g64, &u64, libm::erf);
                let (dg, du, dy64) = (&mut dgate, &mut dup, to_f64(&dy));
                naive::backward(f, dg, du, &dy64, &g64, &u64, libm::erf);
                let (mut fy, mut fg, mut fu) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
                forward(isa, f, &mut fy, &gate, &up);
                backward(isa, f, &mut fg, &mut fu, &dy, &gate, &up);
                close(isa, "y", &fy, &narrow(&y), ELEMENTWISE);
                close(isa, "dgate", &fg, &narrow(&dgate), ELEMENTWISE);
                close(isa, "dup", &fu, &narrow(&dup), ELEMENTWISE);
            }
        }
    }

    #[test]
    fn naive_backward_is_the_derivative() {
        let (gate, up) = (to_f64(&values(9, 1)), to_f64(&values(9, 2)));
        let dy = to_f64(&values(9, 3));
        for f in Nonlinearity::ALL {
            let loss = |gate: &[f64], up: &[f64]| {
                let mut y = [0.0; 9];
                naive::forward(f, &mut y, gate, up, libm::erf);
                dot(&y, &dy)
            };
            let (mut dgate, mut dup) = ([0.0; 9], [0.0; 9]);
            let (dg, du) = (&mut dgate, &mut dup);
            naive::backward(f, dg, du, &dy, &gate, &up, libm::erf);
            check_gradient("dgate", &dgate, &gate, |gate| loss(gate, &up));
            check_gradient("dup", &dup, &up, |up| loss(&gate, up));
        }
    }
}
