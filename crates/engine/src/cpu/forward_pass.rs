//! The forward pass, node by node: one match for rows of a batch and for rows of a decoder.
//!
//! What differs between them (the layout of weights, the keys of a query, the helpers) is
//! implemented by the types with [`ForwardPass`].

use std::ops::Range;

use gptlab_kernels::{
    Isa, activation,
    dropout::{self, Dropout},
    elementwise, embedding, gate,
    head_norm::{self, LeadingHeads},
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
    /// The position of the first row.
    pub(super) position: usize,
}

/// What the forward pass of an attention reads and writes: `[rows, width]` each.
pub(super) struct Attended<'a> {
    pub(super) mix: &'a mut [f32],
    /// The log-sum-exp of each head, `[rows, heads]`.
    pub(super) lse: &'a mut [f32],
    pub(super) qkv: &'a [f32],
}

/// The input and the output of a linear map.
pub(super) struct Mapped<'a> {
    pub(super) y: &'a mut [f32],
    pub(super) x: &'a mut [f32],
    pub(super) bias: Option<&'a [f32]>,
}

/// A stream of dropout masks, and the number in it of the first row.
#[derive(Clone, Copy)]
pub(super) struct RowDropout {
    pub(super) dropout: Dropout,
    pub(super) first_row: u64,
}

/// Rows that go through the model.
pub(super) trait ForwardPass: Sync + Sized {
    /// The scratch memory of products and attention.
    type Scratch;

    fn prepared(&self) -> &PreparedGraph;

    /// Returns the token of each row.
    fn tokens(&self) -> &[u32];

    /// Returns all rows, in order, as runs.
    fn runs(&self) -> impl Iterator<Item = RowRun>;

    /// Returns the range of a node's value in the arena.
    fn value(&self, node: ValueId) -> Range<usize>;

    /// Returns the range of a node's statistics in the arena.
    fn statistics(&self, node: ValueId) -> Range<usize>;

    /// Returns a parameter that is not the weight of a linear map.
    fn param(&self, param: ParamId) -> &[f32];

    /// Calls `work` with ranges of rows that together cover all rows, and with those rows of
    /// `matrices`, the widest of which has `width` columns.
    fn pass<const N: usize>(
        &self,
        width: usize,
        matrices: [MatrixRows; N],
        work: impl Fn(Range<usize>, [&mut [f32]; N]) + Sync,
    );

    /// Computes y = x Wᵀ + b.
    fn linear(&self, node: ValueId, map: Mapped, scratch: &mut Self::Scratch);

    fn attend(
        &self,
        node: ValueId,
        op: &AttentionOp,
        attended: Attended,
        scratch: &mut Self::Scratch,
    );

    /// Returns the mask of a dropout, and the number of the first row in it; `None` if nothing is
    /// dropped.
    fn dropout(&self, node: ValueId, p: f32) -> Option<RowDropout>;

    /// Returns true if an activation replaces its input by its derivative.
    fn keeps_derivative(&self, node: ValueId) -> bool;

    /// Returns the columns of a single row that are computed here, if others are computed
    /// elsewhere; `None` for all columns of every row. It affects ops that compute each number
    /// independently.
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
                let heads = leading_heads(self, node, *heads, *head_dim);
                head_norm::forward(self.isa(), y, rstd, heads, NORM_EPS, self.rows());
            }
            Op::Rotary { x, heads, head_dim } => {
                carry_over(self, node, *x, arena);
                let heads = leading_heads(self, node, *heads, *head_dim);
                rotate(self, node, heads, arena);
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
                if let Some(masks) = self.dropout(node, *p) {
                    drop_some(self, masks, &mut arena[self.value(node)], self.width(node));
                }
            }
        }
    }
}

/// Returns several regions at once. The plan gives values that live at the same time disjoint
/// memory.
pub(super) fn parts<const N: usize>(
    arena: &mut [f32],
    ranges: [Range<usize>; N],
) -> [&mut [f32]; N] {
    arena
        .get_disjoint_mut(ranges)
        .expect("the plan keeps what lives together apart")
}

/// Returns the range of a run's rows in a matrix of `width` columns.
pub(super) fn rows_of(rows: &Range<usize>, width: usize) -> Range<usize> {
    rows.start * width..rows.end * width
}

/// Returns the layout of the first `heads` heads in the rows of `node`.
pub(super) fn leading_heads<F: ForwardPass>(
    on: &F,
    node: ValueId,
    heads: usize,
    head_dim: usize,
) -> LeadingHeads {
    LeadingHeads {
        count: heads,
        head_dim,
        width: on.width(node),
    }
}

/// Computes y += x, both of `width` columns.
pub(super) fn accumulate<F: ForwardPass>(on: &F, y: &mut [f32], x: &mut [f32], width: usize) {
    on.pass(width, [(y, width), (x, width)], |_, [y, x]| {
        elementwise::accumulate(on.isa(), y, x);
    });
}

/// Applies dropout masks to all rows.
pub(super) fn drop_some<F: ForwardPass>(on: &F, masks: RowDropout, y: &mut [f32], width: usize) {
    let RowDropout { dropout, first_row } = masks;
    on.pass(width, [(y, width)], |rows, [y]| {
        let first = first_row + rows.start as u64;
        dropout::in_place(on.isa(), y, &dropout, first, rows.len(), width);
    });
}

/// Calls `work` with the numbers of `matrices` to compute, for ops that treat each independently.
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

/// Copies the value of `x` to `node`, unless the plan gives both the same buffer.
fn carry_over<F: ForwardPass>(on: &F, node: ValueId, x: ValueId, arena: &mut [f32]) {
    let (to, from) = (on.value(node), on.value(x));
    if to != from {
        arena.copy_within(from, to.start);
    }
}

/// Copies the row of a table that belongs to each row's position.
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
                let inputs = layer_norm::Inputs {
                    x,
                    gain: on.param(*gain),
                    bias: bias.map(|b| on.param(b)),
                    eps: NORM_EPS,
                };
                let outputs = layer_norm::Outputs { y, mean, rstd };
                layer_norm::forward(isa, outputs, &inputs, n, width);
            }
            NormOp::RmsNorm { gain } => {
                let inputs = rms_norm::Inputs {
                    x,
                    gain: gain.map(|g| on.param(g)),
                    eps: NORM_EPS,
                };
                rms_norm::forward(isa, rms_norm::Outputs { y, rstd }, &inputs, n, width);
            }
        }
    });
}

fn rotate<F: ForwardPass>(on: &F, node: ValueId, heads: LeadingHeads, arena: &mut [f32]) {
    let (cos, sin) = on.prepared().rotations(node);
    let y = &mut arena[on.value(node)];
    for RowRun { rows, position } in on.runs() {
        let y = &mut y[rows_of(&rows, heads.width)];
        rope::forward(on.isa(), y, cos, sin, heads, position, rows.len());
    }
}

/// Multiplies every element of `x` by `scale`.
pub(super) fn multiply(x: &mut [f32], scale: f32) {
    if scale != 1.0 {
        for x in x.iter_mut() {
            *x *= scale;
        }
    }
}
