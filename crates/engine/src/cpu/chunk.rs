//! A few whole sequences that one core takes through the model: what a run of the plan is given.

use std::ops::Range;

use gptlab_kernels::{Threads, attention};
use gptlab_model::{AttentionOp, ParamId, ValueId};

use super::{
    aligned::Aligned,
    forward_pass::{Attended, ForwardPass, Mapped, RowDropout, RowRun, rows_of},
    plan::{ArenaPlan, Region},
    pool::{Helpers, MatrixRows, TaskCut, by_rows},
    prepared_graph::PreparedGraph,
    weight_panels::Panels,
    workspace::Workspace,
};
use crate::{Noise, program::Work};

/// The numbers that a thread has to be given to pass over: fewer would cost more to hand out than
/// they save.
const LEAST: usize = 1 << 14;

/// What the loss of each row is of, and where it goes.
pub(super) struct Loss<'a> {
    pub(super) targets: &'a [u32],
    pub(super) losses: &'a mut [f32],
}

/// Rows of a batch, and what it takes to run them.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) prepared: &'a PreparedGraph,
    pub(super) plan: &'a ArenaPlan,
    pub(super) weights: &'a [f32],
    /// The weights of linear maps, laid out for the products.
    pub(super) panels: &'a Panels,
    pub(super) inputs: &'a [u32],
    /// The chunk's sequences, as rows of the chunk.
    pub(super) sequences: &'a [Range<usize>],
    /// Where in the batch the chunk begins: what dropout masks count from.
    pub(super) first_row: u64,
    pub(super) noise: Option<Noise>,
    /// Whether nothing has been added to its gradients yet: those that the plan has linear maps set
    /// need not be zero before.
    pub(super) fresh: bool,
    /// Who may help.
    pub(super) helpers: Helpers<'a>,
}

impl Chunk<'_> {
    /// Where a region's rows of this chunk lie in the arena.
    pub(super) fn place(&self, region: Region) -> Range<usize> {
        region.offset..region.offset + region.width * self.rows()
    }

    /// Where the gradient of a node's value is in the arena; nothing for a node that has none.
    pub(super) fn gradient(&self, node: ValueId) -> Range<usize> {
        self.place(self.plan.gradient(node))
    }

    /// Runs a program that trains: the loss of each row in nats, and the gradients of `scale` times
    /// their sum, those of parameters added to `dw`.
    pub(super) fn train(&self, work: &mut Workspace, loss: Loss, scale: f32, dw: &mut [f32]) {
        let mut loss = Some(loss);
        for step in self.plan.program.steps() {
            match step.work {
                Work::Forward(node) => {
                    self.forward_node(node, &mut work.arena, &mut work.scratch);
                }
                Work::Loss => {
                    if let Some(loss) = loss.take() {
                        self.losses_backward(work, loss, scale, dw);
                    }
                }
                Work::Backward(node) => self.backward_node(node, work, dw),
                Work::Logits => {}
            }
        }
    }

    /// Runs a program that evaluates: the loss of each row in nats.
    pub(super) fn evaluate(&self, work: &mut Workspace, loss: Loss) {
        for step in self.plan.program.steps() {
            match step.work {
                Work::Forward(node) => {
                    self.forward_node(node, &mut work.arena, &mut work.scratch);
                }
                Work::Loss | Work::Logits | Work::Backward(_) => break,
            }
        }
        self.losses(work, loss);
    }

    /// The kernel's options for the sequence that starts at the chunk's row `start`, in the
    /// engine's precision.
    pub(super) fn attention(
        &self,
        node: ValueId,
        op: &AttentionOp,
        start: usize,
    ) -> attention::Options<'_> {
        let dropout = self.prepared.dropout(node, op.dropout, self.noise);
        let first_row = (self.first_row + start as u64) * op.heads as u64;
        let dropout = dropout.map(|dropout| attention::WeightDropout { dropout, first_row });
        attention::Options {
            precision: self.prepared.precision,
            ..self.prepared.attention(node, op, dropout)
        }
    }
}

impl ForwardPass for Chunk<'_> {
    type Scratch = Aligned<f32>;

    fn prepared(&self) -> &PreparedGraph {
        self.prepared
    }

    fn tokens(&self) -> &[u32] {
        self.inputs
    }

    fn runs(&self) -> impl Iterator<Item = RowRun> {
        let sequences = self.sequences.iter().cloned();
        sequences.map(|rows| RowRun { rows, position: 0 })
    }

    fn value(&self, node: ValueId) -> Range<usize> {
        self.place(self.plan.value(node))
    }

    fn statistics(&self, node: ValueId) -> Range<usize> {
        self.place(self.plan.statistics(node))
    }

    fn param(&self, param: ParamId) -> &[f32] {
        self.prepared.part(self.weights, param)
    }

    fn pass<const N: usize>(
        &self,
        width: usize,
        matrices: [MatrixRows; N],
        work: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
    ) {
        let cut = TaskCut {
            amount: self.rows() * width,
            least: LEAST,
            scratch: 0,
        };
        let work = |rows: Range<usize>, matrices: [&mut [f32]; N], _: &mut [f32]| {
            work(rows, matrices);
        };
        by_rows(self.helpers, cut, self.rows(), matrices, &mut [], work);
    }

    fn linear(&self, node: ValueId, map: Mapped, scratch: &mut Aligned<f32>) {
        self.multiply(node, map, scratch);
    }

    fn attend(
        &self,
        node: ValueId,
        op: &AttentionOp,
        attended: Attended,
        scratch: &mut Aligned<f32>,
    ) {
        let Attended { mix, lse, qkv } = attended;
        let width = qkv.len() / self.rows();
        for sequence in self.sequences {
            let options = self.attention(node, op, sequence.start);
            let outputs = attention::Outputs {
                mix: &mut mix[rows_of(sequence, self.width(node))],
                lse: &mut lse[rows_of(sequence, op.heads)],
            };
            attention::forward_by(
                self.isa(),
                Threads {
                    parallel: &self.helpers,
                    scratch,
                },
                outputs,
                &qkv[rows_of(sequence, width)],
                &options,
                sequence.len(),
            );
        }
    }

    fn dropout(&self, node: ValueId, p: f32) -> Option<RowDropout> {
        Some(RowDropout {
            dropout: self.prepared.dropout(node, p, self.noise)?,
            first_row: self.first_row,
        })
    }

    fn keeps_derivative(&self, node: ValueId) -> bool {
        self.plan.keeps_derivative(node)
    }

    fn columns(&self) -> Option<&[Range<usize>]> {
        None
    }
}
