//! The optimiser: global norm, clip, step, in blocks that any thread can take. A block of a linear
//! map's weight is packed into its panels at once, which saves reading half a gigabyte for each
//! direction of GPT-2 124M.

use std::iter;

use gptlab_kernels::{
    Isa, adamw,
    linear::{Linear, PanelRows},
    muon, reduction, sgd,
};
use gptlab_model::{Param, ParamGroup, ParamTable};
use gptlab_recipe::{Decay, Optimizer};

use super::{
    aligned::Aligned, pool::Pool, shards::MOST_SHARDS, weight_panels::Panels, workspace::Workspaces,
};
use crate::{MUON_MOMENTUM, StepHyper, StepStats};

/// The approximate numbers in one task: it depends on the shape alone, so that sums are the same
/// for any number of threads.
pub(super) const BLOCK: usize = 1 << 14;

/// The numbers that an update changes, one per parameter in each field.
pub(super) struct OptimizerState<'a> {
    pub(super) weights: &'a mut [f32],
    pub(super) gradients: &'a [f32],
    pub(super) exp_avg: &'a mut [f32],
    pub(super) exp_avg_sq: &'a mut [f32],
}

/// A step of the optimiser, and the data that it works with.
pub(super) struct Update<'a> {
    pub(super) pool: &'a Pool,
    pub(super) isa: Isa,
    pub(super) params: &'a ParamTable,
    /// The workspaces that lend scratch.
    pub(super) workspaces: &'a mut Workspaces,
    /// Memory for one number per block.
    pub(super) squares: &'a mut Vec<f64>,
    pub(super) panels: &'a mut Panels,
    pub(super) state: OptimizerState<'a>,
}

impl Update<'_> {
    /// Clips the gradients and takes the step. The gradients are invalid afterwards.
    pub(super) fn take(self, hyper: &StepHyper) -> StepStats {
        let (pool, isa, workspaces) = (self.pool, self.isa, self.workspaces);
        let grad_norm = norm(pool, isa, self.state.gradients, self.squares);
        let stats = StepStats::clipped(grad_norm, hyper.grad_clip);
        let step = |param: &Param| ParamStep::of(param, hyper, stats.clip_factor);
        workspaces.fit(pool.threads(), 0, scratch_len(self.params, hyper.optimizer));
        let small = small(self.state.weights.len());
        let blocks = blocks(self.params, self.state, self.panels, step);
        pool.for_each(blocks, small, |block, _| block.take(isa, workspaces));
        stats
    }
}

/// The step of one parameter.
#[derive(Clone, Copy)]
enum ParamStep {
    AdamW(adamw::AdamWHyper),
    Sgd(sgd::SgdHyper),
    /// Muon's step, with the matrix's rows and columns.
    Muon(muon::MuonHyper, [usize; 2]),
}

impl ParamStep {
    fn of(param: &Param, hyper: &StepHyper, clip: f64) -> Self {
        let (lr, grad_scale, weight_decay) = (hyper.lr, clip, weight_decay(param, hyper));
        match (hyper.optimizer, param.group) {
            (Optimizer::AdamW, _)
            | (Optimizer::Muon, ParamGroup::Embedding | ParamGroup::Vector) => {
                Self::AdamW(adam_w(hyper, grad_scale, weight_decay))
            }
            (Optimizer::Sgd, _) => Self::Sgd(sgd::SgdHyper {
                lr,
                momentum: hyper.beta1,
                weight_decay,
                grad_scale,
            }),
            (Optimizer::Muon, ParamGroup::Matrix) => {
                let hyper = muon::MuonHyper {
                    lr,
                    momentum: MUON_MOMENTUM,
                    weight_decay,
                    grad_scale,
                };
                Self::Muon(hyper, [param.shape[0], param.shape[1]])
            }
        }
    }

    fn take(&self, isa: Isa, [w, m, v]: [&mut [f32]; 3], g: &[f32], workspaces: &Workspaces) {
        match self {
            Self::AdamW(hyper) => adamw::step(isa, w, m, v, g, hyper),
            Self::Sgd(hyper) => sgd::step(isa, w, m, g, hyper),
            Self::Muon(hyper, [rows, columns]) => workspaces.lend(|work| {
                let (rows, columns) = (*rows, *columns);
                let scratch = &mut work.scratch[..muon::scratch_len(rows, columns)];
                let matrix = muon::Matrix {
                    w,
                    m,
                    g,
                    rows,
                    columns,
                };
                muon::step(isa, matrix, scratch, hyper);
            }),
        }
    }
}

/// Returns the most scratch that the step of any parameter needs.
pub(super) fn scratch_len(params: &ParamTable, optimizer: Optimizer) -> usize {
    let of = |param: &Param| match (optimizer, param.group) {
        (Optimizer::Muon, ParamGroup::Matrix) => muon::scratch_len(param.shape[0], param.shape[1]),
        (Optimizer::Muon, ParamGroup::Embedding | ParamGroup::Vector)
        | (Optimizer::AdamW | Optimizer::Sgd, _) => 0,
    };
    params.iter().map(of).max().unwrap_or(0)
}

/// Returns the norm of all gradients: squares are summed by block, and the blocks in order.
fn norm(pool: &Pool, isa: Isa, gradients: &[f32], squares: &mut Vec<f64>) -> f64 {
    squares.resize(gradients.len().div_ceil(BLOCK), 0.0);
    let blocks = gradients.chunks(BLOCK).zip(squares.iter_mut());
    pool.for_each(blocks, small(gradients.len()), |(block, sum), _| {
        *sum = reduction::sum_of_squares(isa, block);
    });
    squares.iter().sum::<f64>().sqrt()
}

/// Writes the sum of the shards' gradients from index `at` on, shard after shard, in blocks that
/// any thread can take. If `add`, the sum is added to what `sum` holds.
pub(super) fn add_in_order<'a>(
    pool: &Pool,
    isa: Isa,
    at: usize,
    sum: &mut [f32],
    shards: &(impl Iterator<Item = &'a Aligned<f32>> + Clone + Sync),
    add: bool,
) {
    let few = small(sum.len());
    let blocks = sum.chunks_mut(BLOCK).enumerate();
    pool.for_each(blocks, few, |(i, sum), _| {
        let (from, len) = (at + i * BLOCK, sum.len());
        let (mut parts, mut count) = ([[].as_slice(); MOST_SHARDS], 0);
        for (part, shard) in parts.iter_mut().zip(shards.clone()) {
            *part = &shard[from..from + len];
            count += 1;
        }
        if !add {
            sum.fill(0.0);
        }
        reduction::reduce_add(isa, sum, &parts[..count]);
    });
}

/// Returns true if a pass over this many numbers is not worth waking other threads.
fn small(numbers: usize) -> bool {
    numbers < 4 * BLOCK
}

impl OptimizerState<'_> {
    /// Returns the next `n` numbers, and the rest.
    fn split(self, n: usize) -> (Self, Self) {
        let (weights, more_weights) = self.weights.split_at_mut(n);
        let (gradients, more_gradients) = self.gradients.split_at(n);
        let (exp_avg, more_avg) = self.exp_avg.split_at_mut(n);
        let (exp_avg_sq, more_sq) = self.exp_avg_sq.split_at_mut(n);
        let next = OptimizerState {
            weights,
            gradients,
            exp_avg,
            exp_avg_sq,
        };
        let rest = OptimizerState {
            weights: more_weights,
            gradients: more_gradients,
            exp_avg: more_avg,
            exp_avg_sq: more_sq,
        };
        (next, rest)
    }
}

/// The work of one task: a parameter or a part of it, and its step.
struct Block<'a> {
    state: OptimizerState<'a>,
    step: ParamStep,
    /// The panels of a linear map's weight, which are packed after its step, while it is still in a
    /// cache.
    panels: Option<PanelRows<'a>>,
}

impl Block<'_> {
    fn take(self, isa: Isa, workspaces: &Workspaces) {
        let OptimizerState {
            weights: w,
            gradients: g,
            exp_avg: m,
            exp_avg_sq: v,
        } = self.state;
        self.step.take(isa, [&mut *w, m, v], g, workspaces);
        if let Some(panels) = self.panels {
            panels.pack(w);
        }
    }

    /// Returns the rows that one task can take. A number counts as a row if nothing is packed.
    fn rows(&self) -> usize {
        match (self.step, &self.panels) {
            (ParamStep::Muon(..), _) => usize::MAX,
            (ParamStep::AdamW(_) | ParamStep::Sgd(_), None) => BLOCK,
            (ParamStep::AdamW(_) | ParamStep::Sgd(_), Some(panels)) => {
                let rows = BLOCK / panels.width();
                rows.max(1).next_multiple_of(Linear::BAND)
            }
        }
    }

    /// Returns the work of one task, and the rest.
    fn split(self) -> (Self, Option<Self>) {
        let (rows, width) = (
            self.rows(),
            self.panels.as_ref().map_or(1, PanelRows::width),
        );
        if self.state.weights.len() / width <= rows {
            return (self, None);
        }
        let (state, more_state) = self.state.split(rows * width);
        let (panels, more_panels) = self.panels.map(|panels| panels.split(rows)).unzip();
        let step = self.step;
        let more = Self {
            state: more_state,
            step,
            panels: more_panels,
        };
        let next = Self {
            state,
            step,
            panels,
        };
        (next, Some(more))
    }
}

/// Returns all parameters in blocks.
fn blocks<'a>(
    params: &'a ParamTable,
    state: OptimizerState<'a>,
    panels: &'a mut Panels,
    step: impl Fn(&Param) -> ParamStep + Send + 'a,
) -> impl Iterator<Item = Block<'a>> + Send {
    let mut whole = whole(params, state, panels, step);
    let mut left = None;
    iter::from_fn(move || {
        let (block, more) = left.take().or_else(|| whole.next())?.split();
        left = more;
        Some(block)
    })
}

/// Returns one block for every parameter that holds a number.
fn whole<'a>(
    params: &'a ParamTable,
    state: OptimizerState<'a>,
    panels: &'a mut Panels,
    step: impl Fn(&Param) -> ParamStep + Send + 'a,
) -> impl Iterator<Item = Block<'a>> + Send {
    let mut panels = panels.by_rows().peekable();
    let mut rest = Some(state);
    let blocks = params.iter().enumerate().filter_map(move |(i, param)| {
        let (state, more) = rest.take()?.split(param.len());
        rest = Some(more);
        let panels = panels.next_if(|(weight, _)| weight.index() == i);
        Some(Block {
            state,
            step: step(param),
            panels: panels.map(|(_, panels)| panels),
        })
    });
    blocks.filter(|block| !block.state.weights.is_empty())
}

fn weight_decay(param: &Param, hyper: &StepHyper) -> f64 {
    match (hyper.decay, param.group) {
        (Decay::Everything, _) | (Decay::Matrices, ParamGroup::Matrix | ParamGroup::Embedding) => {
            hyper.weight_decay
        }
        (Decay::Matrices, ParamGroup::Vector) => 0.0,
    }
}

fn adam_w(hyper: &StepHyper, grad_scale: f64, weight_decay: f64) -> adamw::AdamWHyper {
    let t = hyper.update as f64;
    adamw::AdamWHyper {
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
