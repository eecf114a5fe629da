//! The forward pass of one chunk: each node by its kernel, values where the plan put them.

use std::ops::Range;

use gptlab_kernels::{
    activation, attention, dropout, elementwise, embedding, gate,
    head_norm::{self, Layout},
    layer_norm, rms_norm, rope,
};
use gptlab_model::{Activation, AttentionOp, NORM_EPS, NormOp, Op, ParamId};

use super::{
    chunk::{Chunk, parts, rows_of},
    pool::{Cut, Rows, by_rows},
    program::kernel,
    workspace::Workspace,
};

/// The numbers that a thread has to be given to pass over: fewer would cost more to hand out than
/// they save.
const LEAST: usize = 1 << 14;

impl Chunk<'_> {
    /// Runs every node but the head.
    pub(super) fn forward(&self, work: &mut Workspace) {
        for node in 0..self.program.graph.nodes().len() - 1 {
            self.forward_node(node, work);
        }
    }

    /// Runs one node.
    pub(super) fn forward_node(&self, node: usize, work: &mut Workspace) {
        let Workspace { arena, scratch } = work;
        match &self.program.graph.nodes()[node].op {
            Op::TokenEmbedding { table } => {
                let out = &mut arena[self.value(node)];
                let (table, width) = (self.part(*table), self.width(node));
                embedding::forward(self.isa(), out, self.inputs, table, None, width);
            }
            Op::PositionEmbedding { table } => self.positions(node, self.part(*table), arena),
            Op::Sinusoid => self.positions(node, self.program.table(node), arena),
            Op::Add { a, b } => self.add(node, a.index(), b.index(), arena),
            Op::Norm { x, norm } => self.norm(node, x.index(), norm, arena),
            Op::Linear { x, bias, .. } => {
                self.linear(node, x.index(), *bias, arena, scratch);
            }
            Op::HeadNorm { x, heads, head_dim } => {
                self.carry_over(node, x.index(), arena);
                let [y, rstd] = parts(arena, [self.value(node), self.stat(node)]);
                let layout = self.layout(node, *heads, *head_dim);
                head_norm::forward(self.isa(), y, rstd, layout, NORM_EPS, self.rows());
            }
            Op::Rotary { x, heads, head_dim } => {
                self.carry_over(node, x.index(), arena);
                self.rotate(node, self.layout(node, *heads, *head_dim), arena);
            }
            Op::Attention { x, attention } => {
                self.attend(node, x.index(), attention, arena, scratch);
            }
            Op::Activate { x, f } => self.activate(node, x.index(), *f, arena),
            Op::Gate { gate, up, f } => self.gate(node, [gate.index(), up.index()], *f, arena),
            Op::Dropout { x, p } => {
                self.carry_over(node, x.index(), arena);
                if let Some(mask) = self.program.dropout(node, *p, self.noise) {
                    self.drop_some(&mask, &mut arena[self.value(node)], self.width(node));
                }
            }
        }
    }

    pub(super) fn isa(&self) -> gptlab_kernels::Isa {
        self.program.isa
    }

    pub(super) fn part(&self, param: ParamId) -> &[f32] {
        self.program.part(self.weights, param)
    }

    /// Makes `node`'s value a copy of `x`'s, unless the plan lets it take over `x`'s storage.
    fn carry_over(&self, node: usize, x: usize, arena: &mut [f32]) {
        let (to, from) = (self.value(node), self.value(x));
        if to != from {
            arena.copy_within(from, to.start);
        }
    }

    fn positions(&self, node: usize, table: &[f32], arena: &mut [f32]) {
        let width = self.width(node);
        let out = &mut arena[self.value(node)];
        for sequence in self.sequences {
            out[rows_of(sequence, width)].copy_from_slice(&table[..sequence.len() * width]);
        }
    }

    fn add(&self, node: usize, a: usize, b: usize, arena: &mut [f32]) {
        self.carry_over(node, b, arena);
        let [y, a] = parts(arena, [self.value(node), self.value(a)]);
        self.accumulate(y, a, self.width(node));
    }

    /// y += x, both of `width`.
    pub(super) fn accumulate(&self, y: &mut [f32], x: &mut [f32], width: usize) {
        self.pass(width, [(y, width), (x, width)], |_, [y, x]| {
            elementwise::accumulate(self.isa(), y, x);
        });
    }

    /// Applies a dropout mask to the chunk's rows.
    pub(super) fn drop_some(&self, mask: &dropout::Dropout, y: &mut [f32], width: usize) {
        self.pass(width, [(y, width)], |rows, [y]| {
            let first = self.first_row + rows.start as u64;
            dropout::in_place(self.isa(), y, mask, first, rows.len(), width);
        });
    }

    /// Calls `work` with ranges of the chunk's rows, and with those rows of `matrices`, the widest
    /// of which has `width`.
    pub(super) fn pass<const N: usize>(
        &self,
        width: usize,
        matrices: [Rows; N],
        work: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
    ) {
        let cut = Cut {
            amount: self.rows() * width,
            least: LEAST,
            scratch: 0,
        };
        by_rows(
            self.helpers,
            cut,
            self.rows(),
            matrices,
            &mut [],
            |rows, matrices, _| {
                work(rows, matrices);
            },
        );
    }

    fn norm(&self, node: usize, x: usize, norm: &NormOp, arena: &mut [f32]) {
        let width = self.width(node);
        let [y, stat, x] = parts(arena, [self.value(node), self.stat(node), self.value(x)]);
        let (mean, rstd) = stat.split_at_mut(self.rows());
        let matrices = [(y, width), (x, width), (mean, 1), (rstd, 1)];
        self.pass(width, matrices, |rows, [y, x, mean, rstd]| {
            let n = rows.len();
            match norm {
                NormOp::LayerNorm { gain, bias } => {
                    let (gain, bias) = (self.part(*gain), bias.map(|b| self.part(b)));
                    let isa = self.isa();
                    layer_norm::forward(isa, y, mean, rstd, x, gain, bias, NORM_EPS, n, width);
                }
                NormOp::RmsNorm { gain } => {
                    let gain = gain.map(|g| self.part(g));
                    rms_norm::forward(self.isa(), y, rstd, x, gain, NORM_EPS, n, width);
                }
            }
        });
    }

    fn linear(
        &self,
        node: usize,
        x: usize,
        bias: Option<ParamId>,
        arena: &mut [f32],
        scratch: &mut [f32],
    ) {
        let [y, x] = parts(arena, [self.value(node), self.value(x)]);
        let bias = bias.map(|b| self.part(b));
        self.multiply(node, y, x, bias, scratch);
    }

    /// The first `heads` heads of the rows of `node`.
    pub(super) fn layout(&self, node: usize, heads: usize, head_dim: usize) -> Layout {
        Layout {
            heads,
            head_dim,
            width: self.width(node),
        }
    }

    fn rotate(&self, node: usize, layout: Layout, arena: &mut [f32]) {
        let (cos, sin) = self.program.rotations(node);
        let y = &mut arena[self.value(node)];
        for sequence in self.sequences {
            let rows = &mut y[rows_of(sequence, layout.width)];
            rope::forward(self.isa(), rows, cos, sin, layout, 0, sequence.len());
        }
    }

    fn attend(
        &self,
        node: usize,
        x: usize,
        op: &AttentionOp,
        arena: &mut [f32],
        scratch: &mut [f32],
    ) {
        let [mix, lse, qkv] = parts(arena, [self.value(node), self.stat(node), self.value(x)]);
        for sequence in self.sequences {
            let options = self.attention(node, op, sequence.start);
            attention::forward_by(
                self.isa(),
                &self.helpers,
                &mut mix[rows_of(sequence, self.width(node))],
                &mut lse[rows_of(sequence, op.heads)],
                scratch,
                &qkv[rows_of(sequence, self.width(x))],
                &options,
                sequence.len(),
            );
        }
    }

    /// The kernel's options for the sequence that starts at the chunk's row `start`, in the
    /// engine's precision.
    pub(super) fn attention(
        &self,
        node: usize,
        op: &AttentionOp,
        start: usize,
    ) -> attention::Options<'_> {
        let dropout = self.program.dropout(node, op.dropout, self.noise);
        let first_row = (self.first_row + start as u64) * op.heads as u64;
        let dropout = dropout.map(|dropout| attention::WeightDropout { dropout, first_row });
        attention::Options {
            precision: self.program.precision,
            ..self.program.attention(node, op, dropout)
        }
    }

    fn activate(&self, node: usize, x: usize, f: Activation, arena: &mut [f32]) {
        let width = self.width(node);
        let keep_slope = self.plan.keeps_slope(node);
        let [y, x] = parts(arena, [self.value(node), self.value(x)]);
        self.pass(width, [(y, width), (x, width)], |_, [y, x]| {
            if keep_slope {
                activation::forward_and_derivative(self.isa(), kernel(f), y, x);
            } else {
                activation::forward(self.isa(), kernel(f), y, x);
            }
        });
    }

    fn gate(&self, node: usize, [gate, up]: [usize; 2], f: Activation, arena: &mut [f32]) {
        let width = self.width(node);
        let places = [self.value(node), self.value(gate), self.value(up)];
        let matrices = parts(arena, places).map(|x| (x, width));
        self.pass(width, matrices, |_, [y, gate, up]| {
            gate::forward(self.isa(), kernel(f), y, gate, up);
        });
    }
}
