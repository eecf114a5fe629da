//! The optimiser: global norm, clip, AdamW, clear, in blocks that any thread may take.

use std::iter;

use gptlab_kernels::{Isa, adamw, elementwise};
use gptlab_model::{Group, Param, ParamTable};

use super::{crew::Crew, memory::Aligned, shards::MOST_SHARDS};
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

/// Clips, steps and clears; `squares` is room for a number a block.
pub(super) fn update(
    crew: &Crew,
    isa: Isa,
    params: &ParamTable,
    state: State,
    squares: &mut Vec<f64>,
    hyper: &StepHyper,
) -> StepStats {
    let grad_norm = norm(crew, isa, state.gradients, squares);
    let clip = hyper
        .grad_clip
        .map_or(1.0, |most| (most / (grad_norm + 1e-6)).min(1.0));
    // A gradient that is not a number must not pass for one that needs no clipping.
    let clip = if grad_norm.is_nan() { f64::NAN } else { clip };
    let small = small(state.weights.len());
    let blocks = blocks(params, state, |param| kernel_hyper(param, hyper, clip));
    crew.each(blocks, small, |(b, step), _| {
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

/// The norm of all gradients: squares are summed by block, and the blocks in order.
fn norm(crew: &Crew, isa: Isa, gradients: &[f32], squares: &mut Vec<f64>) -> f64 {
    squares.resize(gradients.len().div_ceil(BLOCK), 0.0);
    let blocks = gradients.chunks(BLOCK).zip(squares.iter_mut());
    crew.each(blocks, small(gradients.len()), |(block, sum), _| {
        *sum = elementwise::sum_of_squares(isa, block);
    });
    squares.iter().sum::<f64>().sqrt()
}

/// Adds the shards' gradients to `sum`, shard after shard, in blocks that any thread may take.
pub(super) fn add_in_order(crew: &Crew, isa: Isa, sum: &mut [f32], shards: &[Aligned<f32>]) {
    let few = small(sum.len());
    let blocks = sum.chunks_mut(BLOCK).enumerate();
    crew.each(blocks, few, |(i, sum), _| {
        let (from, len) = (i * BLOCK, sum.len());
        let mut parts = [[].as_slice(); MOST_SHARDS];
        for (part, shard) in parts.iter_mut().zip(shards) {
            *part = &shard[from..from + len];
        }
        elementwise::reduce_add(isa, sum, &parts[..shards.len()]);
    });
}

/// Whether a pass over so many numbers is not worth waking anyone for.
fn small(numbers: usize) -> bool {
    numbers < 4 * BLOCK
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
    params: &'a ParamTable,
    state: State<'a>,
    hyper: impl Fn(&Param) -> adamw::Hyper + Send + 'a,
) -> impl Iterator<Item = (State<'a>, adamw::Hyper)> + Send {
    let mut params = params.iter().map(move |param| (hyper(param), param.len()));
    let (mut rest, mut current) = (Some(state), None);
    iter::from_fn(move || {
        let (step, left) = match current.take() {
            Some(begun) => begun,
            None => params.by_ref().find(|(_, len)| *len > 0)?,
        };
        let (block, more) = rest.take()?.split(left.min(BLOCK));
        current = (left > BLOCK).then(|| (step, left - BLOCK));
        rest = Some(more);
        Some((block, step))
    })
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
