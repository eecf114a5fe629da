//! The backward pass of one chunk: each node's adjoint by its kernel, last node first.
//!
//! Gradients of parameters are added to `dw`, a number for each parameter; gradients of values lie
//! where the plan put them, and [`Write`] says whether to write, add, or leave them in place.

use gptlab_kernels::{
    activation, attention,
    dropout::{self, Dropout},
    elementwise, embedding, gate,
    head_norm::{self, Layout},
    layer_norm, rms_norm, rope,
};
use gptlab_model::{Activation, AttentionOp, NormOp, Op, ParamId};

use super::{
    chunk::{Chunk, parts, rows_of},
    plan::Write,
    program::kernel,
    workspace::Workspace,
};

impl Chunk<'_> {
    /// Runs every node's adjoint but the head's, whose gradient the loss has left.
    pub(super) fn backward(&self, work: &mut Workspace, dw: &mut [f32]) {
        for node in (0..self.program.graph.nodes().len() - 1).rev() {
            if self.plan.grad(node).is_some() {
                self.backward_node(node, work, dw);
            }
        }
    }

    /// Where the gradient of `node` lies; nothing for a node that has none.
    pub(super) fn grad(&self, node: usize) -> std::ops::Range<usize> {
        self.plan
            .grad(node)
            .map_or(0..0, |region| self.place(region))
    }

    fn backward_node(&self, node: usize, work: &mut Workspace, dw: &mut [f32]) {
        let Workspace { arena, scratch } = work;
        match &self.program.graph.nodes()[node].op {
            Op::TokenEmbedding { table } => {
                let dtable = self.program.part_mut(dw, *table);
                let dy = &arena[self.grad(node)];
                embedding::backward(self.isa(), dtable, self.inputs, dy, self.width(node));
            }
            Op::PositionEmbedding { table } => {
                self.positions_backward(node, self.program.part_mut(dw, *table), arena);
            }
            Op::Sinusoid => {}
            Op::Add { a, b } => [a, b].into_iter().enumerate().for_each(|(i, x)| {
                self.pass_on(node, i, x.index(), arena);
            }),
            Op::Norm { x, norm } => self.norm_backward(node, x.index(), norm, arena, dw),
            Op::Linear { x, weight, bias } => {
                self.linear_backward(node, x.index(), (*weight, *bias), (arena, scratch), dw);
            }
            Op::HeadNorm { x, heads, head_dim } => {
                self.pass_on(node, 0, x.index(), arena);
                let places = [self.grad(x.index()), self.value(node), self.stat(node)];
                let [dx, y, rstd] = parts(arena, places);
                let layout = self.layout(node, *heads, *head_dim);
                head_norm::backward(self.isa(), dx, y, rstd, layout, self.rows());
            }
            Op::Rotary { x, heads, head_dim } => {
                self.pass_on(node, 0, x.index(), arena);
                let layout = self.layout(node, *heads, *head_dim);
                self.rotate_back(node, x.index(), layout, arena);
            }
            Op::Attention { x, attention } => {
                self.attend_backward(node, x.index(), attention, arena, scratch);
            }
            Op::Activate { x, f } => {
                self.pass_on(node, 0, x.index(), arena);
                self.activate_backward(node, x.index(), *f, arena);
            }
            Op::Gate { gate, up, f } => {
                self.gate_backward(node, gate.index(), up.index(), *f, arena);
            }
            Op::Dropout { x, p } => match self.program.dropout(node, *p, self.noise) {
                Some(mask) => self.drop_backward(node, x.index(), &mask, arena),
                None => self.pass_on(node, 0, x.index(), arena),
            },
        }
    }

    fn drop_backward(&self, node: usize, x: usize, mask: &Dropout, arena: &mut [f32]) {
        let (width, dx, dy) = (self.width(node), self.grad(x), self.grad(node));
        match self.plan.write(node, 0) {
            Write::InPlace => self.drop_some(mask, &mut arena[dx], width),
            Write::Overwrite => {
                let matrices = parts(arena, [dx, dy]).map(|m| (m, width));
                self.pass(width, matrices, |rows, [dx, dy]| {
                    let first = self.first_row + rows.start as u64;
                    dropout::forward(self.isa(), dx, dy, mask, first, rows.len(), width);
                });
            }
            Write::Accumulate => unreachable!("`lower` has nobody else read what is dropped"),
        }
    }

    /// Hands the gradient of `node` to its input `x` unchanged.
    fn pass_on(&self, node: usize, input: usize, x: usize, arena: &mut [f32]) {
        let (dx, dy) = (self.grad(x), self.grad(node));
        match self.plan.write(node, input) {
            Write::InPlace => {}
            Write::Overwrite => arena.copy_within(dy, dx.start),
            Write::Accumulate => {
                let [dx, dy] = parts(arena, [dx, dy]);
                self.accumulate(dx, dy, self.width(node));
            }
        }
    }

    fn accumulates(&self, node: usize) -> bool {
        match self.plan.write(node, 0) {
            Write::Accumulate => true,
            Write::InPlace | Write::Overwrite => false,
        }
    }

    fn positions_backward(&self, node: usize, dtable: &mut [f32], arena: &[f32]) {
        let width = self.width(node);
        let dy = &arena[self.grad(node)];
        for sequence in self.sequences {
            let drows = &mut dtable[..sequence.len() * width];
            elementwise::accumulate(self.isa(), drows, &dy[rows_of(sequence, width)]);
        }
    }

    fn norm_backward(
        &self,
        node: usize,
        x: usize,
        norm: &NormOp,
        arena: &mut [f32],
        dw: &mut [f32],
    ) {
        let (rows, width) = (self.rows(), self.width(node));
        let places = [
            self.grad(x),
            self.grad(node),
            self.value(x),
            self.stat(node),
        ];
        let [dx, dy, x, stat] = parts(arena, places);
        let (mean, rstd) = stat.split_at(rows);
        let add = self.accumulates(node);
        match norm {
            NormOp::LayerNorm { gain, bias } => {
                let (dgain, dbias) = self.two_parts_mut(dw, *gain, *bias);
                layer_norm::backward(
                    self.isa(),
                    dx,
                    dgain,
                    dbias,
                    dy,
                    x,
                    self.part(*gain),
                    mean,
                    rstd,
                    add,
                    rows,
                    width,
                );
            }
            NormOp::RmsNorm { gain } => {
                let dgain = gain.map(|g| self.program.part_mut(dw, g));
                let gain = gain.map(|g| self.part(g));
                rms_norm::backward(self.isa(), dx, dgain, dy, x, gain, rstd, add, rows, width);
            }
        }
    }

    /// The parts of `dw` of a parameter and of the one that may follow it.
    fn two_parts_mut<'d>(
        &self,
        dw: &'d mut [f32],
        first: ParamId,
        second: Option<ParamId>,
    ) -> (&'d mut [f32], Option<&'d mut [f32]>) {
        let params = self.program.graph.params();
        let Some(second) = second else {
            return (&mut dw[params.get(first).range()], None);
        };
        let [first, second] = parts(dw, [params.get(first).range(), params.get(second).range()]);
        (first, Some(second))
    }

    fn linear_backward(
        &self,
        node: usize,
        x: usize,
        (weight, bias): (ParamId, Option<ParamId>),
        (arena, scratch): (&mut [f32], &mut [f32]),
        dw: &mut [f32],
    ) {
        let [dx, dy, x] = parts(arena, [self.grad(x), self.grad(node), self.value(x)]);
        let (dweight, dbias) = self.two_parts_mut(dw, weight, bias);
        let set = self.fresh && self.plan.opens(node);
        self.multiply_weight(node, dweight, dbias, (dy, x), !set, scratch);
        let add = self.accumulates(node);
        self.multiply_back(node, dx, dy, add, scratch);
    }

    fn rotate_back(&self, node: usize, x: usize, layout: Layout, arena: &mut [f32]) {
        let (cos, sin) = self.program.rotations(node);
        let dx = &mut arena[self.grad(x)];
        for sequence in self.sequences {
            let rows = &mut dx[rows_of(sequence, layout.width)];
            rope::backward(self.isa(), rows, cos, sin, layout, 0, sequence.len());
        }
    }

    fn attend_backward(
        &self,
        node: usize,
        x: usize,
        op: &AttentionOp,
        arena: &mut [f32],
        scratch: &mut [f32],
    ) {
        let places = [
            self.grad(x),
            self.grad(node),
            self.value(node),
            self.stat(node),
            self.value(x),
        ];
        let [dqkv, dmix, mix, lse, qkv] = parts(arena, places);
        for sequence in self.sequences {
            let options = self.attention(node, op, sequence.start);
            let (wide, narrow) = (
                rows_of(sequence, self.width(x)),
                rows_of(sequence, self.width(node)),
            );
            attention::backward_by(
                self.isa(),
                &self.helpers,
                &mut dqkv[wide.clone()],
                scratch,
                &dmix[narrow.clone()],
                &mix[narrow],
                &lse[rows_of(sequence, op.heads)],
                &qkv[wide],
                &options,
                sequence.len(),
            );
        }
    }

    fn activate_backward(&self, node: usize, x: usize, f: Activation, arena: &mut [f32]) {
        let slope = self.plan.keeps_slope(node);
        let width = self.width(x);
        let [dx, x] = parts(arena, [self.grad(x), self.value(x)]);
        self.pass(width, [(dx, width), (x, width)], |_, [dx, x]| {
            if slope {
                elementwise::multiply(self.isa(), dx, x);
            } else {
                activation::backward_in_place(self.isa(), kernel(f), dx, x);
            }
        });
    }

    fn gate_backward(&self, node: usize, gate: usize, up: usize, f: Activation, arena: &mut [f32]) {
        let places = [
            self.grad(gate),
            self.grad(up),
            self.grad(node),
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
