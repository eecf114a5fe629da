//! `AdamW` (Loshchilov and Hutter 2019) as PyTorch's `torch.optim.AdamW` computes it.
//!
//! w *= 1 - lr wd; m = β1 m + (1 - β1) g; v = β2 v + (1 - β2) g²;
//! w -= (lr / bc1) m / (sqrt(v) / sqrt(bc2) + eps), with bc = 1 - β^step.
//!
//! The fast version makes one pass over four arrays instead of a pass for each line, and is bound
//! by memory. The same pass scales the gradient, which clips it by the global norm.

use crate::isa::{Isa, dispatch};
use crate::simd::{LANES, Simd, at, put};

/// The hyper-parameters of a step, in f64 as in Python. Each is rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWHyper {
    pub lr: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub eps: f64,
    pub weight_decay: f64,
    /// 1 - β1^step, where the first step is 1.
    pub bias_correction1: f64,
    /// 1 - β2^step.
    pub bias_correction2: f64,
    /// The factor that gradients are multiplied by first.
    pub grad_scale: f64,
}

/// Plain loops in f64.
pub mod naive {
    use super::AdamWHyper;

    /// Makes one step; g stays as it is.
    pub fn step(w: &mut [f64], m: &mut [f64], v: &mut [f64], g: &[f64], hyper: &AdamWHyper) {
        for i in 0..w.len() {
            let g = g[i] * hyper.grad_scale;
            w[i] *= 1.0 - hyper.lr * hyper.weight_decay;
            m[i] = hyper.beta1 * m[i] + (1.0 - hyper.beta1) * g;
            v[i] = hyper.beta2 * v[i] + (1.0 - hyper.beta2) * g * g;
            let denominator = v[i].sqrt() / hyper.bias_correction2.sqrt() + hyper.eps;
            w[i] -= hyper.lr / hyper.bias_correction1 * m[i] / denominator;
        }
    }
}

/// Makes one step on w with moments m and v.
pub fn step(isa: Isa, w: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], hyper: &AdamWHyper) {
    let n = w.len();
    assert!(
        m.len() == n && v.len() == n && g.len() == n,
        "adamw: lengths differ"
    );
    dispatch!(isa, s => lanes(s, w, m, v, g, hyper));
}

#[inline(always)]
fn lanes<S: Simd>(
    s: S,
    w: &mut [f32],
    m: &mut [f32],
    v: &mut [f32],
    g: &[f32],
    hyper: &AdamWHyper,
) {
    let scalar = |x: f64| s.splat(x as f32);
    let keep = scalar(1.0 - hyper.lr * hyper.weight_decay);
    let (beta1, rest1) = (scalar(hyper.beta1), scalar(1.0 - hyper.beta1));
    let (beta2, rest2) = (scalar(hyper.beta2), scalar(1.0 - hyper.beta2));
    let step_size = scalar(-hyper.lr / hyper.bias_correction1);
    let per_root = scalar(1.0 / hyper.bias_correction2.sqrt());
    let (eps, grad_scale) = (scalar(hyper.eps), scalar(hyper.grad_scale));
    for i in (0..w.len()).step_by(LANES) {
        let grad = s.mul(at(s, g, i), grad_scale);
        let first = s.mul_add(beta1, at(s, m, i), s.mul(rest1, grad));
        let second = s.mul_add(beta2, at(s, v, i), s.mul(s.mul(rest2, grad), grad));
        let denominator = s.mul_add(s.sqrt(second), per_root, eps);
        let decayed = s.mul(at(s, w, i), keep);
        put(
            s,
            w,
            i,
            s.mul_add(step_size, s.div(first, denominator), decayed),
        );
        put(s, m, i, first);
        put(s, v, i, second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ELEMENTWISE, close, narrow, to_f64, values};

    fn hyper(step: i32) -> AdamWHyper {
        AdamWHyper {
            lr: 1e-2,
            beta1: 0.9,
            beta2: 0.95,
            eps: 1e-8,
            weight_decay: 0.1,
            bias_correction1: 1.0 - 0.9_f64.powi(step),
            bias_correction2: 1.0 - 0.95_f64.powi(step),
            grad_scale: 0.5,
        }
    }

    #[test]
    fn fast_agrees_with_naive_over_steps() {
        for (isa, n) in Isa::available().flat_map(|isa| [1, 7, 17, 33, 130].map(|n| (isa, n))) {
            let (mut w, mut m, mut v) = (values(n, 1), vec![0.0; n], vec![0.0; n]);
            let (mut w64, mut m64, mut v64) = (to_f64(&w), to_f64(&m), to_f64(&v));
            for step_number in 1..6 {
                let g = values(n, 10 + step_number as u64);
                let hyper = hyper(step_number);
                naive::step(&mut w64, &mut m64, &mut v64, &to_f64(&g), &hyper);
                step(isa, &mut w, &mut m, &mut v, &g, &hyper);
            }
            close(isa, "w", &w, &narrow(&w64), ELEMENTWISE);
            close(isa, "m", &m, &narrow(&m64), ELEMENTWISE);
            close(isa, "v", &v, &narrow(&v64), ELEMENTWISE);
        }
    }

    /// Worked out by hand: after the decay, the first step moves each weight by lr against the sign
    /// of its gradient.
    #[test]
    fn the_first_step_is_the_learning_rate() {
        let hyper = AdamWHyper {
            weight_decay: 0.5,
            ..hyper(1)
        };
        let (mut w, mut m, mut v, g) = ([2.0, 2.0], [0.0; 2], [0.0; 2], [3.0, -0.25]);
        step(Isa::detect(), &mut w, &mut m, &mut v, &g, &hyper);
        let decayed = 2.0 * (1.0 - 0.01 * 0.5);
        assert!((w[0] - (decayed - 0.01)).abs() < 1e-6 && (w[1] - (decayed + 0.01)).abs() < 1e-6);
    }
}
