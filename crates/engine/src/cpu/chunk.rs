//! A chunk: whole sequences that one core runs through the model.

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

/// The fewest numbers that a thread gets in a pass: with fewer, the distribution costs more than it
/// saves.
const LEAST: usize = 1 << 14;

/// The target of each row, and the place of its loss.
pub(super) struct Loss<'a> {
    pub(super) targets: &'a [u32],
    pub(super) losses: &'a mut [f32],
}

/// The rows of a chunk, and everything that running them needs.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) prepared: &'a PreparedGraph,
    pub(super) plan: &'a ArenaPlan,
    pub(super) weights: &'a [f32],
    /// The weights of linear maps in the layout for the products.
    pub(super) panels: &'a Panels,
    pub(super) inputs: &'a [u32],
    /// The chunk's sequences, as ranges of its rows.
    pub(super) sequences: &'a [Range<usize>],
    /// The index in the batch of the chunk's first row; dropout masks count rows from it.
    pub(super) first_row: u64,
    pub(super) noise: Option<Noise>,
    /// Whether nothing has been added to its gradients yet. Then the gradients that linear maps set
    /// under the plan need not be zero before.
    pub(super) fresh: bool,
    /// The threads that can help.
    pub(super) helpers: Helpers<'a>,
}

impl Chunk<'_> {
    /// Returns the range of a region's rows of this chunk in the arena.
    pub(super) fn place(&self, region: Region) -> Range<usize> {
        region.offset..region.offset + region.width * self.rows()
    }

    /// Returns the range of the gradient of a node's value in the arena; empty if the node has
    /// none.
    pub(super) fn gradient(&self, node: ValueId) -> Range<usize> {
        self.place(self.plan.gradient(node))
    }

    /// Runs a program that trains: computes the loss of each row in nats, and the gradients of
    /// `scale` times their sum. Gradients of parameters are added to `dw`.
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

    /// Runs a program that evaluates: computes the loss of each row in nats.
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

    /// Returns the kernel's options for the sequence that starts at the chunk's row `start`, in the
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
