//! The forward step of every op.

use gptlab_engine::program::Write;
use gptlab_model::{AttentionOp, NORM_EPS, NormOp, Op, ParamId, ValueId, random::mask_threshold};

use crate::{
    args, choices,
    dispatch::Dispatch,
    kernel::{AttentionPass, HeadDim, Kernel, Product},
    steps::{DecodedRows, Steps, adds},
};

impl Steps<'_> {
    /// Adds the dispatches that compute the value of a node.
    pub(crate) fn forward(&mut self, id: ValueId) {
        let node = self.node(id);
        let numbers = self.rows * node.width;
        let (count, y) = (numbers as u32, self.value(id));
        match &node.op {
            Op::TokenEmbedding { table, scale } => {
                let index = self.index.tokens;
                self.embedding(id, self.tables.parameter(*table), index, *scale);
            }
            Op::PositionEmbedding { table } => {
                let index = self.index.positions;
                self.embedding(id, self.tables.parameter(*table), index, 1.0);
            }
            Op::Sinusoid => self.sinusoids(id),
            Op::Add { a, b } => {
                let (a, b) = (self.value(*a), self.value(*b));
                self.each(Kernel::Add, &args::Add { count, a, b, y }, numbers);
            }
            Op::Norm { x, norm } => self.norm(id, *x, *norm),
            Op::Linear { x, weight, bias } => self.linear(id, *x, *weight, *bias),
            Op::HeadNorm { x, heads, head_dim } => {
                let args = args::HeadNorm {
                    rows: self.rows32(),
                    width: node.width as u32,
                    heads: *heads as u32,
                    head_dim: *head_dim as u32,
                    x: self.value(*x),
                    y,
                    statistics: self.statistics(id),
                    eps: NORM_EPS,
                };
                self.each(Kernel::HeadNorm, &args, numbers / head_dim);
            }
            Op::Rotary { x, .. } => {
                let args = self.rotary(id, 1.0, self.value(*x), y);
                self.each(Kernel::Rotary, &args, numbers / 2);
            }
            Op::Attention { x, attention } => self.attention(id, *x, attention),
            Op::Activate { x, f } => {
                let (x, f) = (self.value(*x), choices::nonlinearity(*f));
                self.each(
                    Kernel::Activation,
                    &args::Activation { count, f, x, y },
                    numbers,
                );
            }
            Op::Gate { gate, up, f } => {
                let (gate, up) = (self.value(*gate), self.value(*up));
                let f = choices::nonlinearity(*f);
                let args = args::Gate {
                    count,
                    f,
                    gate,
                    up,
                    y,
                };
                self.each(Kernel::Gate, &args, numbers);
            }
            Op::Dropout { x, p } => self.dropout(id, *p, [self.value(*x), y], Write::First),
        }
    }

    fn embedding(&mut self, id: ValueId, table: u32, index: u32, scale: f32) {
        let width = self.width(id);
        let args = args::Embedding {
            rows: self.rows32(),
            width: width as u32,
            index,
            table,
            is_constant: 0,
            y: self.value(id),
            scale,
        };
        self.each(Kernel::Embedding, &args, self.rows * width);
    }

    fn sinusoids(&mut self, id: ValueId) {
        let width = self.width(id);
        let args = args::Embedding {
            rows: self.rows32(),
            width: width as u32,
            index: self.index.positions,
            table: self.tables.table(id).0 as u32,
            is_constant: 1,
            y: self.value(id),
            scale: 1.0,
        };
        self.each(Kernel::Embedding, &args, self.rows * width);
    }

    fn norm(&mut self, id: ValueId, x: ValueId, norm: NormOp) {
        let NormParams {
            centred,
            gain,
            bias,
        } = NormParams::of(norm);
        let args = args::Norm {
            rows: self.rows32(),
            width: self.width(id) as u32,
            centred,
            x: self.value(x),
            y: self.value(id),
            statistics: self.statistics(id),
            has_gain: gain.is_some().into(),
            gain: gain.map_or(0, |gain| self.tables.parameter(gain)),
            has_bias: bias.is_some().into(),
            bias: bias.map_or(0, |bias| self.tables.parameter(bias)),
            eps: NORM_EPS,
        };
        self.push(Dispatch::of_groups(Kernel::Norm, &args, self.rows));
    }

    fn linear(&mut self, id: ValueId, x: ValueId, weight: ParamId, bias: Option<ParamId>) {
        let args = self.linear_args(id, x, weight, bias);
        if self.decodes(DecodedRows::Step) {
            self.product_of_rows(args);
        } else {
            self.product(Product::Forward, args);
        }
    }

    /// Returns the arguments of `x W^T + b` for all rows.
    pub(crate) fn linear_args(
        &self,
        id: ValueId,
        x: ValueId,
        weight: ParamId,
        bias: Option<ParamId>,
    ) -> args::Product {
        let (out, inp) = (self.width(id) as u32, self.width(x) as u32);
        args::Product {
            m: self.rows32(),
            n: out,
            k: inp,
            k_of_part: inp,
            left: self.value(x),
            left_pitch: inp,
            right: self.tables.parameter(weight),
            right_pitch: inp,
            out: self.value(id),
            has_bias: bias.is_some().into(),
            bias: bias.map_or(0, |bias| self.tables.parameter(bias)),
            adds: 0,
            bf16: self.tables.bf16,
        }
    }

    /// Returns the arguments of the rotary `id`, forwards or backwards.
    pub(crate) fn rotary(&self, id: ValueId, sign: f32, x: u32, y: u32) -> args::Rotary {
        let node = self.node(id);
        let Op::Rotary {
            heads, head_dim, ..
        } = &node.op
        else {
            return args::Rotary::default();
        };
        let (table, len) = self.tables.table(id);
        args::Rotary {
            rows: self.rows32(),
            width: node.width as u32,
            heads: *heads as u32,
            head_dim: *head_dim as u32,
            positions: self.index.positions,
            table: table as u32,
            to_sine: (len / 2) as u32,
            sign,
            x,
            y,
            adds: 0,
        }
    }

    fn attention(&mut self, id: ValueId, x: ValueId, op: &AttentionOp) {
        if self.decoding.is_some() {
            self.append_to_cache(id, x, op);
        }
        if self.decodes(DecodedRows::Step) {
            self.cached_attention(id, x, op);
            return;
        }
        let args = self.attention_args(id, x, op);
        let groups = [self.rows.div_ceil(64), op.heads, 1];
        let kernel = Kernel::Attention(AttentionPass::Forward, HeadDim(op.head_dim as u32));
        self.push(Dispatch::new(kernel, &args, groups));
    }

    /// Returns the arguments of the attention `id` over `x`, without those of the backward pass.
    pub(crate) fn attention_args(
        &self,
        id: ValueId,
        x: ValueId,
        op: &AttentionOp,
    ) -> args::Attention {
        let (mask, window) = choices::mask(op.mask);
        let threshold = mask_threshold(op.dropout);
        args::Attention {
            rows: self.rows32(),
            width: self.width(x) as u32,
            heads: op.heads as u32,
            kv_heads: op.kv_heads as u32,
            firsts: self.index.firsts,
            ends: self.index.ends,
            mask,
            window,
            scale: op.scale,
            softcap: op.softcap.unwrap_or(0.0),
            alibi: op.alibi.into(),
            slopes: self.tables.table(id).0 as u32,
            drops: (self.trains() && op.dropout > 0.0).into(),
            purpose: self.tables.purpose(id),
            threshold,
            kept_scale: kept_scale(threshold),
            bf16: self.tables.bf16,
            qkv: self.value(x),
            y: self.value(id),
            statistics: self.statistics(id),
            ..args::Attention::default()
        }
    }

    /// Adds the mask of `id` on `x`, written to `y`; outside of training, everything passes.
    pub(crate) fn dropout(&mut self, id: ValueId, p: f32, [x, y]: [u32; 2], write: Write) {
        let adds = adds(write);
        let width = self.width(id);
        let numbers = self.rows * width;
        if self.trains() && p > 0.0 {
            let threshold = mask_threshold(p);
            let args = args::Dropout {
                rows: self.rows32(),
                width: width as u32,
                purpose: self.tables.purpose(id),
                threshold,
                scale: kept_scale(threshold),
                x,
                y,
                adds,
            };
            let threads = self.rows * width.div_ceil(128) * 16;
            self.each(Kernel::Dropout, &args, threads);
        } else if x != y || adds == 1 {
            let count = numbers as u32;
            self.each(Kernel::Copy, &args::Copy { count, x, y, adds }, numbers);
        }
    }
}

/// Returns what dropout multiplies a kept element by.
fn kept_scale(threshold: u32) -> f32 {
    match 65_536 - threshold.min(65_536) {
        0 => 0.0,
        kept => 65_536.0 / kept as f32,
    }
}

/// A norm's parameters, and 1 if it subtracts the mean, else 0.
pub(crate) struct NormParams {
    pub(crate) centred: u32,
    pub(crate) gain: Option<ParamId>,
    pub(crate) bias: Option<ParamId>,
}

impl NormParams {
    pub(crate) fn of(norm: NormOp) -> Self {
        match norm {
            NormOp::LayerNorm { gain, bias } => Self {
                centred: 1,
                gain: Some(gain),
                bias,
            },
            NormOp::RmsNorm { gain } => Self {
                centred: 0,
                gain,
                bias: None,
            },
        }
    }
}
