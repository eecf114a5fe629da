//! The optimisers in f64, with one line of code for each line of their papers.

use gptlab_model::{Param, ParamGroup};
use gptlab_recipe::Optimizer;

use crate::{MUON_MOMENTUM, StepHyper};

/// One parameter, with clipped gradients.
pub(super) struct Tensor<'a> {
    pub(super) weights: &'a mut [f64],
    pub(super) gradients: Vec<f64>,
    pub(super) exp_avg: &'a mut [f64],
    pub(super) exp_avg_sq: &'a mut [f64],
}

impl Tensor<'_> {
    /// Takes a step of the parameter that `param` describes.
    pub(super) fn step(self, param: &Param, weight_decay: f64, hyper: &StepHyper) {
        match (hyper.optimizer, param.group) {
            (Optimizer::Muon, ParamGroup::Matrix) => {
                self.muon(param.shape[0], param.shape[1], weight_decay, hyper);
            }
            (Optimizer::AdamW, _)
            | (Optimizer::Muon, ParamGroup::Embedding | ParamGroup::Vector) => {
                self.adam_w(weight_decay, hyper);
            }
            (Optimizer::Sgd, _) => self.sgd(weight_decay, hyper),
        }
    }

    /// Takes the step of `torch.optim.AdamW` (its `_single_tensor_adam`): `m` is the first moment,
    /// `v` the second.
    fn adam_w(self, weight_decay: f64, hyper: &StepHyper) {
        let correction = |beta: f64| 1.0 - beta.powf(hyper.update as f64);
        let moments = self.exp_avg.iter_mut().zip(self.exp_avg_sq);
        for ((p, g), (m, v)) in self.weights.iter_mut().zip(self.gradients).zip(moments) {
            *p *= 1.0 - hyper.lr * weight_decay;
            *m = hyper.beta1 * *m + (1.0 - hyper.beta1) * g;
            *v = hyper.beta2 * *v + (1.0 - hyper.beta2) * g * g;
            let denominator = v.sqrt() / correction(hyper.beta2).sqrt() + hyper.eps;
            *p -= hyper.lr / correction(hyper.beta1) * *m / denominator;
        }
    }

    /// Takes the step of `torch.optim.SGD`, except for the weight decay, which is decoupled.
    fn sgd(self, weight_decay: f64, hyper: &StepHyper) {
        let numbers = self
            .weights
            .iter_mut()
            .zip(self.gradients)
            .zip(self.exp_avg);
        for ((p, g), m) in numbers {
            *p *= 1.0 - hyper.lr * weight_decay;
            *m = hyper.beta1 * *m + g;
            *p -= hyper.lr * *m;
        }
    }

    /// Takes the step of `torch.optim.Muon` with `adjust_lr_fn` set to `match_rms_adamw`.
    fn muon(self, rows: usize, columns: usize, weight_decay: f64, hyper: &StepHyper) {
        let mu = MUON_MOMENTUM;
        let moved = |g: &f64, m: &mut f64| {
            *m = mu * *m + (1.0 - mu) * g;
            (1.0 - mu) * g + mu * *m
        };
        let step = self
            .gradients
            .iter()
            .zip(self.exp_avg)
            .map(|(g, m)| moved(g, m));
        let step = orthogonal(step.collect(), rows, columns);
        let lr = hyper.lr * 0.2 * (rows.max(columns) as f64).sqrt();
        for (p, o) in self.weights.iter_mut().zip(step) {
            *p *= 1.0 - hyper.lr * weight_decay;
            *p -= lr * o;
        }
    }
}

/// Takes five Newton-Schulz steps of x[rows, columns] with Jordan's coefficients.
fn orthogonal(mut x: Vec<f64>, rows: usize, columns: usize) -> Vec<f64> {
    let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-7);
    for x in &mut x {
        *x /= norm;
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..5 {
        let row = |i: usize| &x[i * columns..(i + 1) * columns];
        let gram: Vec<Vec<f64>> = (0..rows)
            .map(|i| (0..rows).map(|j| dot(row(i), row(j))).collect())
            .collect();
        // This is row i of b S + c S², where S is its own transpose.
        let bent = |i: usize, k: usize| -4.7750 * gram[i][k] + 2.0315 * dot(&gram[i], &gram[k]);
        let mixes: Vec<Vec<f64>> = (0..rows)
            .map(|i| (0..rows).map(|k| bent(i, k)).collect())
            .collect();
        let element = |i: usize, j: usize| {
            let far: f64 = (0..rows).map(|k| mixes[i][k] * row(k)[j]).sum();
            3.4445 * row(i)[j] + far
        };
        x = (0..rows * columns)
            .map(|n| element(n / columns, n % columns))
            .collect();
    }
    x
}
