//! The optimiser: global norm, clip, AdamW, in blocks that any thread may take.

use std::iter;

use gptlab_kernels::{Isa, adamw, elementwise, muon, sgd};
use gptlab_model::{Group, Param, ParamTable};

use super::{crew::Crew, memory::Aligned, shards::MOST_SHARDS, workspace::Workspaces};
use crate::{Decay, MUON_MOMENTUM, Optimizer, StepHyper, StepStats};

/// How many numbers one task takes: a shape, so that sums come out alike for any number of threads.
pub(super) const BLOCK: usize = 1 << 14;

/// What an update changes: a number for each parameter in each.
pub(super) struct State<'a> {
    pub(super) weights: &'a mut [f32],
    pub(super) gradients: &'a [f32],
    pub(super) exp_avg: &'a mut [f32],
    pub(super) exp_avg_sq: &'a mut [f32],
}

/// Clips and steps; the gradients are spent then. `squares` is room for a number a block, `workspaces` lend scratch.
pub(super) fn update(
    (crew, isa, workspaces): (&Crew, Isa, &mut Workspaces),
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
    workspaces.fit(crew.threads(), 0, scratch_len(params, hyper.optimizer));
    let small = small(state.weights.len());
    let blocks = blocks(params, state, |param| Step::of(param, hyper, clip));
    crew.each(blocks, small, |(block, step), _| {
        step.take(isa, block, workspaces);
    });
    StepStats { grad_norm }
}

/// How one parameter is stepped.
#[derive(Clone, Copy)]
enum Step {
    AdamW(adamw::Hyper),
    Sgd(sgd::Hyper),
    /// With the matrix's rows and columns.
    Muon(muon::Hyper, [usize; 2]),
}

impl Step {
    fn of(param: &Param, hyper: &StepHyper, clip: f64) -> Self {
        let (lr, grad_scale, weight_decay) = (hyper.lr, clip, weight_decay(param, hyper));
        match (hyper.optimizer, param.group) {
            (Optimizer::AdamW, _) | (Optimizer::Muon, Group::Embedding | Group::Vector) => {
                Self::AdamW(adam_w(hyper, grad_scale, weight_decay))
            }
            (Optimizer::Sgd, _) => Self::Sgd(sgd::Hyper {
                lr,
                momentum: hyper.beta1,
                weight_decay,
                grad_scale,
            }),
            (Optimizer::Muon, Group::Matrix) => {
                let hyper = muon::Hyper {
                    lr,
                    momentum: MUON_MOMENTUM,
                    weight_decay,
                    grad_scale,
                };
                Self::Muon(hyper, [param.shape[0], param.shape[1]])
            }
        }
    }

    /// How many numbers one task may take.
    fn most(&self) -> usize {
        match self {
            Self::AdamW(_) | Self::Sgd(_) => BLOCK,
            Self::Muon(..) => usize::MAX,
        }
    }

    fn take(&self, isa: Isa, block: State, workspaces: &Workspaces) {
        let State {
            weights: w,
            gradients: g,
            exp_avg: m,
            exp_avg_sq: v,
        } = block;
        match self {
            Self::AdamW(hyper) => adamw::step(isa, w, m, v, g, hyper),
            Self::Sgd(hyper) => sgd::step(isa, w, m, g, hyper),
            Self::Muon(hyper, [rows, columns]) => workspaces.lend(|work| {
                let scratch = &mut work.scratch[..muon::scratch_len(*rows, *columns)];
                muon::step(isa, w, m, g, scratch, hyper, *rows, *columns);
            }),
        }
    }
}

/// The most that the step of any parameter scribbles on.
fn scratch_len(params: &ParamTable, optimizer: Optimizer) -> usize {
    let of = |param: &Param| match (optimizer, param.group) {
        (Optimizer::Muon, Group::Matrix) => muon::scratch_len(param.shape[0], param.shape[1]),
        (Optimizer::Muon, Group::Embedding | Group::Vector)
        | (Optimizer::AdamW | Optimizer::Sgd, _) => 0,
    };
    params.iter().map(of).max().unwrap_or(0)
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

/// The sum of the shards' gradients, shard after shard, added to `sum` where `add`, in blocks that any thread may take.
pub(super) fn add_in_order(
    crew: &Crew,
    isa: Isa,
    sum: &mut [f32],
    shards: &[Aligned<f32>],
    add: bool,
) {
    let few = small(sum.len());
    let blocks = sum.chunks_mut(BLOCK).enumerate();
    crew.each(blocks, few, |(i, sum), _| {
        let (from, len) = (i * BLOCK, sum.len());
        let mut parts = [[].as_slice(); MOST_SHARDS];
        for (part, shard) in parts.iter_mut().zip(shards) {
            *part = &shard[from..from + len];
        }
        if !add {
            sum.fill(0.0);
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
        let (gradients, more_gradients) = self.gradients.split_at(n);
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

/// All parameters in blocks, each with its step.
fn blocks<'a>(
    params: &'a ParamTable,
    state: State<'a>,
    step: impl Fn(&Param) -> Step + Send + 'a,
) -> impl Iterator<Item = (State<'a>, Step)> + Send {
    let mut params = params.iter().map(move |param| (step(param), param.len()));
    let (mut rest, mut current) = (Some(state), None);
    iter::from_fn(move || {
        let (step, left) = match current.take() {
            Some(begun) => begun,
            None => params.by_ref().find(|(_, len)| *len > 0)?,
        };
        let most = step.most();
        let (block, more) = rest.take()?.split(left.min(most));
        current = (left > most).then(|| (step, left - most));
        rest = Some(more);
        Some((block, step))
    })
}

fn weight_decay(param: &Param, hyper: &StepHyper) -> f64 {
    match (hyper.decay, param.group) {
        (Decay::Everything, _) | (Decay::Matrices, Group::Matrix | Group::Embedding) => {
            hyper.weight_decay
        }
        (Decay::Matrices, Group::Vector) => 0.0,
    }
}

fn adam_w(hyper: &StepHyper, grad_scale: f64, weight_decay: f64) -> adamw::Hyper {
    let t = hyper.update as f64;
    adamw::Hyper {
        lr: hyper.lr,
        beta1: hyper.beta1,
        beta2: hyper.beta2,
        eps: hyper.eps,
        weight_decay,
        bias_correction1: 1.0 - hyper.beta1.powf(t),
        bias_correction2: 1.0 - hyper.beta2.powf(t),
        grad_scale,
    }
}
