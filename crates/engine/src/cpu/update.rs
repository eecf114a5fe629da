//! The optimiser: global norm, clip, AdamW, clear, in blocks that any thread may take.

use gptlab_kernels::{Isa, adamw, elementwise};
use gptlab_model::{Group, Param, ParamTable};
use rayon::prelude::*;

use crate::{Decay, StepHyper, StepStats};

/// How many numbers one task takes: a shape, so that sums come out alike for any number of threads.
pub(super) const BLOCK: usize = 1 << 14;

/// What an update changes: a number for each parameter in each.
pub(super) struct State<'a> {
    pub(super) weights: &'a mut [f32],
    pub(super) gradients: &'a mut [f32],
    pub(super) exp_avg: &'a mut [f32],
    pub(super) exp_avg_sq: &'a mut [f32],
}

pub(super) fn update(isa: Isa, params: &ParamTable, state: State, hyper: &StepHyper) -> StepStats {
    let partial: Vec<f64> = state
        .gradients
        .par_chunks(BLOCK)
        .map(|block| elementwise::sum_of_squares(isa, block))
        .collect();
    let grad_norm = partial.iter().sum::<f64>().sqrt();
    let clip = hyper
        .grad_clip
        .map_or(1.0, |most| (most / (grad_norm + 1e-6)).min(1.0));
    // A gradient that is not a number must not pass for one that needs no clipping.
    let clip = if grad_norm.is_nan() { f64::NAN } else { clip };
    let blocks = blocks(params, state, |param| kernel_hyper(param, hyper, clip));
    blocks.into_par_iter().for_each(|(b, step)| {
        adamw::step(
            isa,
            b.weights,
            b.exp_avg,
            b.exp_avg_sq,
            b.gradients,
            &step,
            true,
        );
    });
    StepStats { grad_norm }
}

impl State<'_> {
    /// The next `n` numbers, and the rest.
    fn split(self, n: usize) -> (Self, Self) {
        let (weights, more_weights) = self.weights.split_at_mut(n);
        let (gradients, more_gradients) = self.gradients.split_at_mut(n);
        let (exp_avg, more_avg) = self.exp_avg.split_at_mut(n);
        let (exp_avg_sq, more_sq) = self.exp_avg_sq.split_at_mut(n);
        let next = State {
            weights,
            gradients,
            exp_avg,
            exp_avg_sq,
        };
        let rest = State {
            weights: more_weights,
            gradients: more_gradients,
            exp_avg: more_avg,
            exp_avg_sq: more_sq,
        };
        (next, rest)
    }
}

/// All parameters in blocks, each with its hyper-parameters.
fn blocks<'a>(
    params: &ParamTable,
    mut state: State<'a>,
    hyper: impl Fn(&Param) -> adamw::Hyper,
) -> Vec<(State<'a>, adamw::Hyper)> {
    let mut blocks = Vec::new();
    for param in params.iter() {
        let (step, mut left) = (hyper(param), param.len());
        while left > 0 {
            let (block, rest) = state.split(left.min(BLOCK));
            left -= block.weights.len();
            blocks.push((block, step));
            state = rest;
        }
    }
    blocks
}

fn kernel_hyper(param: &Param, hyper: &StepHyper, clip: f64) -> adamw::Hyper {
    let decays = match (hyper.decay, param.group) {
        (Decay::Everything, Group::Matrix | Group::Vector) | (Decay::Matrices, Group::Matrix) => {
            true
        }
        (Decay::Matrices, Group::Vector) => false,
    };
    let t = hyper.update as f64;
    adamw::Hyper {
        lr: hyper.lr,
        beta1: hyper.beta1,
        beta2: hyper.beta2,
        eps: hyper.eps,
        weight_decay: if decays { hyper.weight_decay } else { 0.0 },
        bias_correction1: 1.0 - hyper.beta1.powf(t),
        bias_correction2: 1.0 - hyper.beta2.powf(t),
        grad_scale: clip,
    }
}
