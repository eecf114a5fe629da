//! The backward pass of one chunk: each node's adjoint by its kernel, last node first.
//!
//! Gradients of parameters are added to `dw`, a number for each parameter; gradients of values lie
//! where the plan put them, and [`Write`] says whether to write, add, or leave them in place.

use gptlab_kernels::{
    Threads, activation, attention, dropout, elementwise, embedding, gate,
    head_norm::{self, LeadingHeads},
    layer_norm, rms_norm, rope,
};
use gptlab_model::{Activation, AttentionOp, NormOp, Op, ParamId, ValueId};

use super::{
    chunk::Chunk,
    forward_pass::{
        ForwardPass, RowDropout, accumulate, drop_some, leading_heads, multiply, parts, rows_of,
    },
    plan::Write,
    prepared_graph::kernel,
    products::WeightGradient,
    workspace::Workspace,
};

impl Chunk<'_> {
    /// Computes the gradients of a node's inputs and parameters.
    pub(super) fn backward_node(&self, node: ValueId, work: &mut Workspace, dw: &mut [f32]) {
        let Workspace { arena, scratch } = work;
        match &self.prepared.graph.node(node).op {
            Op::TokenEmbedding { table, scale } => {
                let dtable = self.prepared.part_mut(dw, *table);
                // The first node is the last to come, so that nobody reads this gradient after it.
                let dy = &mut arena[self.gradient(node)];
                multiply(dy, *scale);
                embedding::backward(self.isa(), dtable, self.inputs, dy, self.width(node));
            }
            Op::PositionEmbedding { table } => {
                self.positions_backward(node, self.prepared.part_mut(dw, *table), arena);
            }
            Op::Sinusoid => {}
            Op::Add { a, b } => [a, b].into_iter().enumerate().for_each(|(i, x)| {
                self.pass_on(node, i, *x, arena);
            }),
            Op::Norm { x, norm } => self.norm_backward(node, *x, norm, arena, dw),
            Op::Linear { bias, .. } => self.linear_backward(node, *bias, work, dw),
            Op::HeadNorm { x, heads, head_dim } => {
                self.pass_on(node, 0, *x, arena);
                let places = [self.gradient(*x), self.value(node), self.statistics(node)];
                let [dx, y, rstd] = parts(arena, places);
                let heads = leading_heads(self, node, *heads, *head_dim);
                head_norm::backward(self.isa(), dx, y, rstd, heads, self.rows());
            }
            Op::Rotary { x, heads, head_dim } => {
                self.pass_on(node, 0, *x, arena);
                let heads = leading_heads(self, node, *heads, *head_dim);
                self.rotate_back(node, *x, heads, arena);
            }
            Op::Attention { x, attention } => {
                self.attend_backward(node, *x, attention, arena, scratch);
            }
            Op::Activate { x, f } => {
                self.pass_on(node, 0, *x, arena);
                self.activate_backward(node, *x, *f, arena);
            }
            Op::Gate { gate, up, f } => {
                self.gate_backward(node, *gate, *up, *f, arena);
            }
            Op::Dropout { x, p } => match self.dropout(node, *p) {
                Some(masks) => self.drop_backward(node, *x, masks, arena),
                None => self.pass_on(node, 0, *x, arena),
            },
        }
    }

    fn drop_backward(&self, node: ValueId, x: ValueId, masks: RowDropout, arena: &mut [f32]) {
        let RowDropout { dropout, first_row } = masks;
        let (width, dx, dy) = (self.width(node), self.gradient(x), self.gradient(node));
        match self.plan.program.write(node, 0) {
            Write::InPlace => drop_some(self, masks, &mut arena[dx], width),
            Write::First => {
                let matrices = parts(arena, [dx, dy]).map(|m| (m, width));
                self.pass(width, matrices, |rows, [dx, dy]| {
                    let first = first_row + rows.start as u64;
                    dropout::forward(self.isa(), dx, dy, &dropout, first, rows.len(), width);
                });
            }
            Write::Add => unreachable!("`lower` has nobody else read what is dropped"),
        }
    }

    /// Hands the gradient of `node` to its input `x` unchanged.
    fn pass_on(&self, node: ValueId, input: usize, x: ValueId, arena: &mut [f32]) {
        let (dx, dy) = (self.gradient(x), self.gradient(node));
        match self.plan.program.write(node, input) {
            Write::InPlace => {}
            Write::First => arena.copy_within(dy, dx.start),
            Write::Add => {
                let [dx, dy] = parts(arena, [dx, dy]);
                accumulate(self, dx, dy, self.width(node));
            }
        }
    }

    fn accumulates(&self, node: ValueId) -> bool {
        match self.plan.program.write(node, 0) {
            Write::Add => true,
            Write::InPlace | Write::First => false,
        }
    }

    fn positions_backward(&self, node: ValueId, dtable: &mut [f32], arena: &[f32]) {
        let width = self.width(node);
        let dy = &arena[self.gradient(node)];
        for sequence in self.sequences {
            let drows = &mut dtable[..sequence.len() * width];
            elementwise::accumulate(self.isa(), drows, &dy[rows_of(sequence, width)]);
        }
    }

    fn norm_backward(
        &self,
        node: ValueId,
        x: ValueId,
        norm: &NormOp,
        arena: &mut [f32],
        dw: &mut [f32],
    ) {
        let (rows, width) = (self.rows(), self.width(node));
        let places = [
            self.gradient(x),
            self.gradient(node),
            self.value(x),
            self.statistics(node),
        ];
        let [dx, dy, x, stat] = parts(arena, places);
        let (mean, rstd) = stat.split_at(rows);
        let accumulate_dx = self.accumulates(node);
        match norm {
            NormOp::LayerNorm { gain, bias } => {
                let (dgain, dbias) = self.two_parts_mut(dw, *gain, *bias);
                let grads = layer_norm::Grads {
                    dx,
                    accumulate_dx,
                    dgain,
                    dbias,
                };
                let gain = self.param(*gain);
                let saved = layer_norm::Saved {
                    x,
                    gain,
                    mean,
                    rstd,
                };
                layer_norm::backward(self.isa(), grads, dy, &saved, rows, width);
            }
            NormOp::RmsNorm { gain } => {
                let dgain = gain.map(|g| self.prepared.part_mut(dw, g));
                let grads = rms_norm::Grads {
                    dx,
                    accumulate_dx,
                    dgain,
                };
                let gain = gain.map(|g| self.param(g));
                let saved = rms_norm::Saved { x, gain, rstd };
                rms_norm::backward(self.isa(), grads, dy, &saved, rows, width);
            }
        }
    }

    /// Returns the parts of `dw` that belong to `first` and, if there is one, to `second`.
    fn two_parts_mut<'d>(
        &self,
        dw: &'d mut [f32],
        first: ParamId,
        second: Option<ParamId>,
    ) -> (&'d mut [f32], Option<&'d mut [f32]>) {
        let params = self.prepared.graph.params();
        let Some(second) = second else {
            return (&mut dw[params.get(first).range()], None);
        };
        let [first, second] = parts(dw, [params.get(first).range(), params.get(second).range()]);
        (first, Some(second))
    }

    fn linear_backward(
        &self,
        node: ValueId,
        bias: Option<ParamId>,
        work: &mut Workspace,
        dw: &mut [f32],
    ) {
        let (x, weight) = self.prepared.linear(node);
        let places = [self.gradient(x), self.gradient(node), self.value(x)];
        let [dx, dy, x] = parts(&mut work.arena, places);
        let (dw, dbias) = self.two_parts_mut(dw, weight, bias);
        let gradient = WeightGradient {
            dw,
            accumulate_dw: !(self.fresh && self.plan.sets(node)),
            dbias,
            dy,
            x,
        };
        self.multiply_weight(node, gradient, &mut work.scratch);
        let add = self.accumulates(node);
        self.multiply_back(node, dx, dy, add, &mut work.scratch);
    }

    fn rotate_back(&self, node: ValueId, x: ValueId, heads: LeadingHeads, arena: &mut [f32]) {
        let (cos, sin) = self.prepared.rotations(node);
        let dx = &mut arena[self.gradient(x)];
        for sequence in self.sequences {
            let rows = &mut dx[rows_of(sequence, heads.width)];
            rope::backward(self.isa(), rows, cos, sin, heads, 0, sequence.len());
        }
    }

    fn attend_backward(
        &self,
        node: ValueId,
        x: ValueId,
        op: &AttentionOp,
        arena: &mut [f32],
        scratch: &mut [f32],
    ) {
        let places = [
            self.gradient(x),
            self.gradient(node),
            self.value(node),
            self.statistics(node),
            self.value(x),
        ];
        let [dqkv, dmix, mix, lse, qkv] = parts(arena, places);
        for sequence in self.sequences {
            let options = self.attention(node, op, sequence.start);
            let (wide, narrow) = (
                rows_of(sequence, self.width(x)),
                rows_of(sequence, self.width(node)),
            );
            let saved = attention::Saved {
                qkv: &qkv[wide.clone()],
                mix: &mix[narrow.clone()],
                lse: &lse[rows_of(sequence, op.heads)],
            };
            attention::backward_by(
                self.isa(),
                Threads {
                    parallel: &self.helpers,
                    scratch,
                },
                &mut dqkv[wide],
                &dmix[narrow],
                &saved,
                &options,
                sequence.len(),
            );
        }
    }

    fn activate_backward(&self, node: ValueId, x: ValueId, f: Activation, arena: &mut [f32]) {
        let derivative = self.plan.keeps_derivative(node);
        let width = self.width(x);
        let [dx, x] = parts(arena, [self.gradient(x), self.value(x)]);
        self.pass(width, [(dx, width), (x, width)], |_, [dx, x]| {
            if derivative {
                elementwise::multiply(self.isa(), dx, x);
            } else {
                activation::backward_in_place(self.isa(), kernel(f), dx, x);
            }
        });
    }

    fn gate_backward(
        &self,
        node: ValueId,
        gate: ValueId,
        up: ValueId,
        f: Activation,
        arena: &mut [f32],
    ) {
        let places = [
            self.gradient(gate),
            self.gradient(up),
            self.gradient(node),
            self.value(gate),
            self.value(up),
        ];
        let width = self.width(node);
        let matrices = parts(arena, places).map(|x| (x, width));
        self.pass(width, matrices, |_, [dgate, dup, dy, gate, up]| {
            gate::backward(self.isa(), kernel(f), dgate, dup, dy, gate, up);
        });
    }
}
