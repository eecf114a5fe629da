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

pub(super) fn update(
    isa: Isa,
    params: &ParamTable,
    mut state: State,
    hyper: &StepHyper,
) -> StepStats {
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
    let mut blocks = Vec::new();
    for param in params.iter() {
        let step = kernel_hyper(param, hyper, clip);
        state.take(param.len(), |block| blocks.push((block, step)));
    }
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

impl<'a> State<'a> {
    /// Cuts the next `len` numbers off, block by block.
    fn take(&mut self, mut len: usize, mut each: impl FnMut(State<'a>)) {
        while len > 0 {
            let n = len.min(BLOCK);
            each(State {
                weights: cut(&mut self.weights, n),
                gradients: cut(&mut self.gradients, n),
                exp_avg: cut(&mut self.exp_avg, n),
                exp_avg_sq: cut(&mut self.exp_avg_sq, n),
            });
            len -= n;
        }
    }
}

fn cut<'a>(slice: &mut &'a mut [f32], n: usize) -> &'a mut [f32] {
    slice
        .split_off_mut(..n)
        .expect("the parameter table covers the state")
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
