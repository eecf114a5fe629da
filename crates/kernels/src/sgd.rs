//! Stochastic gradient descent with momentum as PyTorch's `torch.optim.SGD` computes it, with
//! weight decay that does not pass through the gradient (SGDW, Loshchilov and Hutter 2019).
//!
//! w *= 1 - lr wd; m = momentum m + g; w -= lr m.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, put};

/// The hyper-parameters of a step, in f64 as in Python. Each is rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdHyper {
    pub lr: f64,
    pub momentum: f64,
    pub weight_decay: f64,
    /// The factor that gradients are multiplied by first.
    pub grad_scale: f64,
}

/// Plain loops in f64.
pub mod naive {
    use super::SgdHyper;

    /// Makes one step; g stays as it is.
    pub fn step(w: &mut [f64], m: &mut [f64], g: &[f64], hyper: &SgdHyper) {
        for i in 0..w.len() {
            w[i] *= 1.0 - hyper.lr * hyper.weight_decay;
            m[i] = hyper.momentum * m[i] + hyper.grad_scale * g[i];
            w[i] -= hyper.lr * m[i];
        }
    }
}

/// Makes one step on w with momentum m.
pub fn step(isa: Isa, w: &mut [f32], m: &mut [f32], g: &[f32], hyper: &SgdHyper) {
    let n = w.len();
    assert!(m.len() == n && g.len() == n, "sgd: lengths differ");
    dispatch!(isa, s => lanes(s, w, m, g, hyper));
}

#[inline(always)]
fn lanes<S: Simd>(s: S, w: &mut [f32], m: &mut [f32], g: &[f32], hyper: &SgdHyper) {
    let scalar = |x: f64| s.splat(x as f32);
    let keep = scalar(1.0 - hyper.lr * hyper.weight_decay);
    let (momentum, lr) = (scalar(hyper.momentum), scalar(-hyper.lr));
    let grad_scale = scalar(hyper.grad_scale);
    for i in (0..w.len()).step_by(LANES) {
        let moved = s.mul_add(momentum, at(s, m, i), s.mul(grad_scale, at(s, g, i)));
        let decayed = s.mul(at(s, w, i), keep);
        put(s, w, i, s.mul_add(lr, moved, decayed));
        put(s, m, i, moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, close, narrow, to_f64, values};

    #[test]
    fn fast_agrees_with_naive_over_steps() {
        let hyper = SgdHyper {
            lr: 0.1,
            momentum: 0.9,
            weight_decay: 0.1,
            grad_scale: 0.5,
        };
        for (isa, n) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 130].map(|n| (isa, n))) {
            let (mut w, mut m) = (values(n, 1), vec![0.0; n]);
            let (mut w64, mut m64) = (to_f64(&w), to_f64(&m));
            for seed in 10..15 {
                let g = values(n, seed);
                naive::step(&mut w64, &mut m64, &to_f64(&g), &hyper);
                step(isa, &mut w, &mut m, &g, &hyper);
            }
            close(isa, "w", &w, &narrow(&w64), ELEMENTWISE);
            close(isa, "m", &m, &narrow(&m64), ELEMENTWISE);
        }
    }
}
