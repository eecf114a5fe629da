//! The backward step of every op.

use gptlab_engine::program::Write;
use gptlab_model::{AttentionOp, NormOp, Op, ParamId, ValueId};

use crate::{
    args, choices,
    dispatch::Dispatch,
    forward::NormParams,
    kernel::{AttentionPass, HeadDim, Kernel, Product},
    steps::{Steps, WeightGradient, adds},
};

impl Steps<'_> {
    /// Adds the dispatches that compute the gradients of a node's inputs and parameters.
    pub(crate) fn backward(&mut self, id: ValueId) {
        let node = self.node(id);
        match &node.op {
            Op::TokenEmbedding { table, scale } => {
                let lists = [self.index.token_starts, self.index.token_order];
                self.embedding_backward(id, *table, lists, *scale);
            }
            Op::PositionEmbedding { table } => {
                let lists = [self.index.position_starts, self.index.position_order];
                self.embedding_backward(id, *table, lists, 1.0);
            }
            Op::Sinusoid => {}
            Op::Add { a, b } => {
                self.pass_on(id, 0, *a);
                self.pass_on(id, 1, *b);
            }
            Op::Norm { x, norm } => self.norm_backward(id, *x, *norm),
            Op::Linear { x, weight, bias } => self.linear_backward(id, *x, *weight, *bias),
            Op::HeadNorm { x, heads, head_dim } => {
                let args = args::HeadNormBackward {
                    rows: self.rows32(),
                    width: node.width as u32,
                    heads: *heads as u32,
                    head_dim: *head_dim as u32,
                    y: self.value(id),
                    statistics: self.statistics(id),
                    dy: self.gradient(id),
                    dx: self.gradient(*x),
                    adds: adds(self.write(id, 0)),
                };
                let heads = self.rows * node.width / head_dim;
                self.each(Kernel::HeadNormBackward, &args, heads);
            }
            Op::Rotary { x, .. } => {
                let args = args::Rotary {
                    adds: adds(self.write(id, 0)),
                    ..self.rotary(id, -1.0, self.gradient(id), self.gradient(*x))
                };
                self.each(Kernel::Rotary, &args, self.rows * node.width / 2);
            }
            Op::Attention { x, attention } => self.attention_backward(id, *x, attention),
            Op::Activate { x, f } => {
                let numbers = self.rows * node.width;
                let args = args::ActivationBackward {
                    count: numbers as u32,
                    f: choices::nonlinearity(*f),
                    x: self.value(*x),
                    dy: self.gradient(id),
                    dx: self.gradient(*x),
                    adds: adds(self.write(id, 0)),
                };
                self.each(Kernel::ActivationBackward, &args, numbers);
            }
            Op::Gate { gate, up, f } => {
                let f = choices::nonlinearity(*f);
                self.gate_backward(id, f, [*gate, *up]);
            }
            Op::Dropout { x, p } => {
                let places = [self.gradient(id), self.gradient(*x)];
                self.dropout(id, *p, places, self.write(id, 0));
            }
        }
    }

    fn embedding_backward(
        &mut self,
        id: ValueId,
        table: ParamId,
        [starts, order]: [u32; 2],
        scale: f32,
    ) {
        let shape = &self.tables.graph.params().get(table).shape;
        let (entries, width) = (shape[0], shape[1]);
        let args = args::EmbeddingBackward {
            entries: entries as u32,
            width: width as u32,
            starts,
            order,
            dy: self.gradient(id),
            table: self.tables.parameter(table),
            scale,
        };
        self.each(Kernel::EmbeddingBackward, &args, entries * width);
    }

    /// Passes the gradient of a sum on to an input, unless both share it.
    fn pass_on(&mut self, id: ValueId, input: usize, x: ValueId) {
        let write = self.write(id, input);
        if write == Write::InPlace {
            return;
        }
        let numbers = self.rows * self.width(id);
        let args = args::Copy {
            count: numbers as u32,
            x: self.gradient(id),
            y: self.gradient(x),
            adds: adds(write),
        };
        self.each(Kernel::Copy, &args, numbers);
    }

    fn norm_backward(&mut self, id: ValueId, x: ValueId, norm: NormOp) {
        let NormParams {
            centred,
            gain,
            bias,
        } = NormParams::of(norm);
        let (rows, width) = (self.rows32(), self.width(id) as u32);
        let (value, statistics, dy) = (self.value(x), self.statistics(id), self.gradient(id));
        let args = args::NormBackward {
            rows,
            width,
            centred,
            x: value,
            statistics,
            has_gain: gain.is_some().into(),
            gain: gain.map_or(0, |gain| self.tables.parameter(gain)),
            dy,
            dx: self.gradient(x),
            adds: adds(self.write(id, 0)),
        };
        let sums = args::ColumnSums {
            rows,
            width,
            of_normed: 1,
            x: value,
            statistics,
            dy,
            parts: self.layout.scratch as u32,
            ..args::ColumnSums::default()
        };
        if let Some(gain) = gain {
            self.column_sums(sums, self.tables.parameter(gain));
        }
        if let Some(bias) = bias {
            let plain = args::ColumnSums {
                of_normed: 0,
                ..sums
            };
            self.column_sums(plain, self.tables.parameter(bias));
        }
        self.push(Dispatch::of_groups(Kernel::NormBackward, &args, self.rows));
    }

    fn linear_backward(&mut self, id: ValueId, x: ValueId, weight: ParamId, bias: Option<ParamId>) {
        let (dy, scratch) = (self.gradient(id), self.layout.scratch as u32);
        let (out, inp) = (self.width(id), self.width(x));
        self.weight_gradient(WeightGradient {
            dy,
            x: self.value(x),
            rows: self.rows,
            out,
            inp,
            parameter: self.tables.parameter(weight),
            scratch,
        });
        if let Some(bias) = bias {
            let sums = args::ColumnSums {
                rows: self.rows32(),
                width: out as u32,
                dy,
                parts: scratch,
                ..args::ColumnSums::default()
            };
            self.column_sums(sums, self.tables.parameter(bias));
        }
        let args = args::Product {
            m: self.rows32(),
            n: inp as u32,
            k: out as u32,
            k_of_part: out as u32,
            left: dy,
            left_pitch: out as u32,
            right: self.tables.parameter(weight),
            right_pitch: inp as u32,
            out: self.gradient(x),
            adds: adds(self.write(id, 0)),
            bf16: self.tables.bf16,
            ..args::Product::default()
        };
        self.product(Product::BackwardInput, args);
    }

    fn attention_backward(&mut self, id: ValueId, x: ValueId, op: &AttentionOp) {
        let args = args::Attention {
            dy: self.gradient(id),
            dqkv: self.gradient(x),
            passed: self.layout.scratch as u32,
            adds: adds(self.write(id, 0)),
            ..self.attention_args(id, x, op)
        };
        let passes = [
            (AttentionPass::BackwardQuery, op.heads),
            (AttentionPass::BackwardKey, op.kv_heads),
        ];
        for (pass, heads) in passes {
            let kernel = Kernel::Attention(pass, HeadDim(op.head_dim as u32));
            let groups = [self.rows.div_ceil(64), heads, 1];
            self.push(Dispatch::new(kernel, &args, groups));
        }
    }

    fn gate_backward(&mut self, id: ValueId, f: u32, [gate, up]: [ValueId; 2]) {
        let numbers = self.rows * self.width(id);
        for (input, x) in [gate, up].into_iter().enumerate() {
            let args = args::GateBackward {
                count: numbers as u32,
                f,
                of_gate: (input == 0).into(),
                gate: self.value(gate),
                up: self.value(up),
                dy: self.gradient(id),
                dx: self.gradient(x),
                adds: adds(self.write(id, input)),
            };
            self.each(Kernel::GateBackward, &args, numbers);
        }
    }
}
