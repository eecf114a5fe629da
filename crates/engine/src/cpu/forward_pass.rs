//! The forward pass, node by node: one match for rows of a batch and for rows that are decoded.
//!
//! What differs between them (how weights are laid out, what a query sees, who helps) is what
//! [`ForwardPass`] asks of its implementors.

use std::ops::Range;

use gptlab_kernels::{
    Isa, activation,
    dropout::{self, Dropout},
    elementwise, embedding, gate,
    head_norm::{self, Layout},
    layer_norm, rms_norm, rope,
};
use gptlab_model::{AttentionOp, NORM_EPS, NormOp, Op, ParamId, ValueId};

use super::{
    pool::MatrixRows,
    prepared_graph::{PreparedGraph, kernel},
};

/// Rows at consecutive positions of one sequence.
pub(super) struct RowRun {
    pub(super) rows: Range<usize>,
    /// The position of the first.
    pub(super) position: usize,
}

/// What the forward of an attention reads and writes: `[rows, width]` each.
pub(super) struct Attended<'a> {
    pub(super) mix: &'a mut [f32],
    /// The log-sum-exp of each head, `[rows, heads]`.
    pub(super) lse: &'a mut [f32],
    pub(super) qkv: &'a [f32],
}

/// What a linear map reads and writes.
pub(super) struct Mapped<'a> {
    pub(super) y: &'a mut [f32],
    pub(super) x: &'a mut [f32],
    pub(super) bias: Option<&'a [f32]>,
}

/// Rows that go through the model.
pub(super) trait ForwardPass: Sync + Sized {
    /// What products and attention scribble on.
    type Scratch;

    fn prepared(&self) -> &PreparedGraph;

    /// The token of each row.
    fn tokens(&self) -> &[u32];

    /// All rows, in order, by runs.
    fn runs(&self) -> impl Iterator<Item = RowRun>;

    /// Where the value of a node is in the arena.
    fn value(&self, node: ValueId) -> Range<usize>;

    /// Where a node's statistics are in the arena.
    fn statistics(&self, node: ValueId) -> Range<usize>;

    /// A parameter that is not the weight of a linear map.
    fn param(&self, param: ParamId) -> &[f32];

    /// Calls `work` with ranges of rows that cover all, and with those rows of `matrices`, the
    /// widest of which has `width`.
    fn pass<const N: usize>(
        &self,
        width: usize,
        matrices: [MatrixRows; N],
        work: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
    );

    /// y = x Wᵀ + b.
    fn linear(&self, node: ValueId, map: Mapped, scratch: &mut Self::Scratch);

    fn attend(
        &self,
        node: ValueId,
        op: &AttentionOp,
        attended: Attended,
        scratch: &mut Self::Scratch,
    );

    /// The mask of a dropout, and the number of the first row in it; `None` where nothing is
    /// dropped.
    fn dropout(&self, node: ValueId, p: f32) -> Option<(Dropout, u64)>;

    /// Whether an activation leaves its derivative in place of its input.
    fn keeps_derivative(&self, node: ValueId) -> bool;

    /// The columns that are computed of a single row, others of which are computed elsewhere;
    /// `None`: all of every row. Asked of ops that work on each number by itself.
    fn columns(&self) -> Option<&[Range<usize>]>;

    fn isa(&self) -> Isa {
        self.prepared().isa
    }

    fn rows(&self) -> usize {
        self.tokens().len()
    }

    fn width(&self, node: ValueId) -> usize {
        self.prepared().graph.node(node).width
    }

    /// Computes the value of a node.
    fn forward_node(&self, node: ValueId, arena: &mut [f32], scratch: &mut Self::Scratch) {
        match &self.prepared().graph.node(node).op {
            Op::TokenEmbedding { table, scale } => {
                let (y, table) = (&mut arena[self.value(node)], self.param(*table));
                embedding::forward(self.isa(), y, self.tokens(), table, None, self.width(node));
                multiply(y, *scale);
            }
            Op::PositionEmbedding { table } => {
                copy_positions(self, node, self.param(*table), arena);
            }
            Op::Sinusoid => copy_positions(self, node, self.prepared().table(node), arena),
            Op::Add { a, b } => {
                carry_over(self, node, *b, arena);
                let [y, a] = parts(arena, [self.value(node), self.value(*a)]);
                accumulate(self, y, a, self.width(node));
            }
            Op::Norm { x, norm } => self::norm(self, node, *x, norm, arena),
            Op::Linear { x, bias, .. } => {
                let [y, x] = parts(arena, [self.value(node), self.value(*x)]);
                let bias = bias.map(|b| self.param(b));
                self.linear(node, Mapped { y, x, bias }, scratch);
            }
            Op::HeadNorm { x, heads, head_dim } => {
                carry_over(self, node, *x, arena);
                let [y, rstd] = parts(arena, [self.value(node), self.statistics(node)]);
                let layout = layout(self, node, *heads, *head_dim);
                head_norm::forward(self.isa(), y, rstd, layout, NORM_EPS, self.rows());
            }
            Op::Rotary { x, heads, head_dim } => {
                carry_over(self, node, *x, arena);
                rotate(self, node, layout(self, node, *heads, *head_dim), arena);
            }
            Op::Attention { x, attention } => {
                let places = [self.value(node), self.statistics(node), self.value(*x)];
                let [mix, lse, qkv] = parts(arena, places);
                self.attend(node, attention, Attended { mix, lse, qkv }, scratch);
            }
            Op::Activate { x, f } => {
                let keep_derivative = self.keeps_derivative(node);
                let matrices = parts(arena, [self.value(node), self.value(*x)]);
                elements(self, self.width(node), matrices, |[y, x]| {
                    if keep_derivative {
                        activation::forward_and_derivative(self.isa(), kernel(*f), y, x);
                    } else {
                        activation::forward(self.isa(), kernel(*f), y, x);
                    }
                });
            }
            Op::Gate { gate, up, f } => {
                let places = [self.value(node), self.value(*gate), self.value(*up)];
                let matrices = parts(arena, places);
                elements(self, self.width(node), matrices, |[y, gate, up]| {
                    gate::forward(self.isa(), kernel(*f), y, gate, up);
                });
            }
            Op::Dropout { x, p } => {
                carry_over(self, node, *x, arena);
                if let Some(mask) = self.dropout(node, *p) {
                    drop_some(self, &mask, &mut arena[self.value(node)], self.width(node));
                }
            }
        }
    }
}

/// Several regions at once. The plan gives values that live at the same time disjoint memory.
pub(super) fn parts<const N: usize>(
    arena: &mut [f32],
    ranges: [Range<usize>; N],
) -> [&mut [f32]; N] {
    arena
        .get_disjoint_mut(ranges)
        .expect("the plan keeps what lives together apart")
}

/// The rows of a run in a matrix of `width`.
pub(super) fn rows_of(rows: &Range<usize>, width: usize) -> Range<usize> {
    rows.start * width..rows.end * width
}

/// The first `heads` heads of the rows of `node`.
pub(super) fn layout<F: ForwardPass>(
    on: &F,
    node: ValueId,
    heads: usize,
    head_dim: usize,
) -> Layout {
    Layout {
        heads,
        head_dim,
        width: on.width(node),
    }
}

/// y += x, both of `width`.
pub(super) fn accumulate<F: ForwardPass>(on: &F, y: &mut [f32], x: &mut [f32], width: usize) {
    on.pass(width, [(y, width), (x, width)], |_, [y, x]| {
        elementwise::accumulate(on.isa(), y, x);
    });
}

/// Applies a dropout mask to all rows.
pub(super) fn drop_some<F: ForwardPass>(
    on: &F,
    (mask, first_row): &(Dropout, u64),
    y: &mut [f32],
    width: usize,
) {
    on.pass(width, [(y, width)], |rows, [y]| {
        let first = first_row + rows.start as u64;
        dropout::in_place(on.isa(), y, mask, first, rows.len(), width);
    });
}

/// Calls `work` with the numbers of `matrices` that are to be computed: it treats each by itself.
fn elements<F: ForwardPass, const N: usize>(
    on: &F,
    width: usize,
    mut matrices: [&mut [f32]; N],
    work: impl Fn([&mut [f32]; N]) + Sync,
) {
    let Some(columns) = on.columns() else {
        on.pass(width, matrices.map(|m| (m, width)), |_, m| work(m));
        return;
    };
    for columns in columns {
        work(matrices.each_mut().map(|m| &mut m[columns.clone()]));
    }
}

/// Makes the value of `node` a copy of that of `x`, unless the plan has it take over `x`'s buffer.
fn carry_over<F: ForwardPass>(on: &F, node: ValueId, x: ValueId, arena: &mut [f32]) {
    let (to, from) = (on.value(node), on.value(x));
    if to != from {
        arena.copy_within(from, to.start);
    }
}

/// Copies each row's row of a table of positions.
fn copy_positions<F: ForwardPass>(on: &F, node: ValueId, table: &[f32], arena: &mut [f32]) {
    let width = on.width(node);
    let y = &mut arena[on.value(node)];
    for RowRun { rows, position } in on.runs() {
        let table = &table[position * width..][..rows.len() * width];
        y[rows_of(&rows, width)].copy_from_slice(table);
    }
}

fn norm<F: ForwardPass>(on: &F, node: ValueId, x: ValueId, norm: &NormOp, arena: &mut [f32]) {
    let (width, isa) = (on.width(node), on.isa());
    let [y, statistics, x] = parts(arena, [on.value(node), on.statistics(node), on.value(x)]);
    let (mean, rstd) = statistics.split_at_mut(on.rows());
    let matrices = [(y, width), (x, width), (mean, 1), (rstd, 1)];
    on.pass(width, matrices, |rows, [y, x, mean, rstd]| {
        let n = rows.len();
        match norm {
            NormOp::LayerNorm { gain, bias } => {
                let (gain, bias) = (on.param(*gain), bias.map(|b| on.param(b)));
                layer_norm::forward(isa, y, mean, rstd, x, gain, bias, NORM_EPS, n, width);
            }
            NormOp::RmsNorm { gain } => {
                let gain = gain.map(|g| on.param(g));
                rms_norm::forward(isa, y, rstd, x, gain, NORM_EPS, n, width);
            }
        }
    });
}

fn rotate<F: ForwardPass>(on: &F, node: ValueId, layout: Layout, arena: &mut [f32]) {
    let (cos, sin) = on.prepared().rotations(node);
    let y = &mut arena[on.value(node)];
    for RowRun { rows, position } in on.runs() {
        let y = &mut y[rows_of(&rows, layout.width)];
        rope::forward(on.isa(), y, cos, sin, layout, position, rows.len());
    }
}

/// Multiplies every element of `x` by `scale`.
pub(super) fn multiply(x: &mut [f32], scale: f32) {
    if scale != 1.0 {
        x.iter_mut().for_each(|x| *x *= scale);
    }
}
