//! A graph made ready to run: what does not change from step to step.

use gptlab_kernels::{
    Isa, Precision, activation::Activation as Act, attention, dropout::Dropout, linear::Linear,
    rope,
};
use gptlab_model::{
    Activation, AttentionMask, AttentionOp, Graph, Node, Op, ParamId, ROTARY_BASE, alibi_slopes,
    random::Stream, sinusoid,
};

use super::Options;
use crate::Noise;

/// The graph, its constants, and the instructions to run it with.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) graph: Graph,
    pub(super) isa: Isa,
    pub(super) precision: Precision,
    /// By node: slopes of ALiBi, cosines and sines of rotary, the fixed table of sinusoids.
    tables: Vec<Vec<f32>>,
    /// By node: the purpose of its dropout's stream.
    purposes: Vec<u32>,
}

impl Program {
    pub(super) fn new(graph: Graph, options: Options) -> Self {
        let block_size = graph.block_size();
        let nodes = graph.nodes().iter();
        let tables = nodes.map(|n| table(&n.op, n.width, block_size)).collect();
        Self {
            tables,
            ..Self::unfilled(graph, options)
        }
    }

    /// Without the constants: to ask for sizes, not to run.
    pub(super) fn unfilled(graph: Graph, options: Options) -> Self {
        Self {
            isa: options.isa,
            precision: options.precision,
            purposes: graph
                .nodes()
                .iter()
                .map(|n| Stream::new(0, &format!("dropout/{}", n.name), 0).purpose())
                .collect(),
            tables: vec![Vec::new(); graph.nodes().len()],
            graph,
        }
    }

    /// How many constants there are.
    pub(super) fn tables_len(graph: &Graph) -> u128 {
        let block_size = graph.block_size();
        let len = |node: &Node| table_len(&node.op, node.width, block_size) as u128;
        graph.nodes().iter().map(len).sum()
    }

    pub(super) fn table(&self, node: usize) -> &[f32] {
        &self.tables[node]
    }

    /// Cosines and sines of a rotary `node`.
    pub(super) fn rotations(&self, node: usize) -> (&[f32], &[f32]) {
        let table = self.table(node);
        table.split_at(table.len() / 2)
    }

    /// The slice of `flat`, a number for each parameter, that belongs to `param`.
    pub(super) fn part<'a>(&self, flat: &'a [f32], param: ParamId) -> &'a [f32] {
        &flat[self.graph.params().get(param).range()]
    }

    pub(super) fn part_mut<'a>(&self, flat: &'a mut [f32], param: ParamId) -> &'a mut [f32] {
        &mut flat[self.graph.params().get(param).range()]
    }

    /// The dropout of `node` while training; `None` while evaluating.
    pub(super) fn dropout(&self, node: usize, p: f32, noise: Option<Noise>) -> Option<Dropout> {
        let noise = noise.filter(|_| p > 0.0)?;
        let key = [noise.seed as u32, (noise.seed >> 32) as u32];
        Some(Dropout::new(p, key, self.purposes[node], noise.step))
    }

    /// What the linear `node` reads, and its weight.
    pub(super) fn linear(&self, node: usize) -> (usize, ParamId) {
        let (x, weight) = self.graph.nodes()[node]
            .linear()
            .expect("only linear nodes are asked");
        (x.index(), weight)
    }

    /// The linear map of `node`.
    pub(super) fn map(&self, node: usize) -> Linear {
        let (x, _) = self.linear(node);
        let nodes = self.graph.nodes();
        Linear {
            isa: self.isa,
            precision: self.precision,
            inp: nodes[x].width,
            out: nodes[node].width,
        }
    }

    /// The kernel's options for the attention `node`, in f32.
    pub(super) fn attention(
        &self,
        node: usize,
        op: &AttentionOp,
        dropout: Option<attention::WeightDropout>,
    ) -> attention::Options<'_> {
        let slopes = self.table(node);
        attention::Options {
            heads: op.heads,
            kv_heads: op.kv_heads,
            head_dim: op.head_dim,
            mask: kernel_mask(op.mask),
            scale: op.scale,
            softcap: op.softcap,
            alibi: (!slopes.is_empty()).then_some(slopes),
            dropout,
            precision: Precision::F32,
        }
    }
}

/// How long [`table`] is.
fn table_len(op: &Op, width: usize, block_size: usize) -> usize {
    match op {
        Op::Sinusoid => block_size * width,
        Op::Rotary { head_dim, .. } => 2 * rope::table_len(block_size, *head_dim),
        Op::Attention { attention, .. } if attention.alibi => attention.heads,
        Op::Attention { .. }
        | Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Add { .. }
        | Op::Norm { .. }
        | Op::Linear { .. }
        | Op::HeadNorm { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => 0,
    }
}

fn table(op: &Op, width: usize, block_size: usize) -> Vec<f32> {
    match op {
        Op::Sinusoid => (0..block_size)
            .flat_map(|t| (0..width).map(move |i| sinusoid(t, i, width)))
            .collect(),
        Op::Rotary { head_dim, .. } => {
            let len = rope::table_len(block_size, *head_dim);
            let mut table = vec![0.0; 2 * len];
            let (cos, sin) = table.split_at_mut(len);
            rope::fill_table(cos, sin, *head_dim, ROTARY_BASE);
            table
        }
        Op::Attention { attention, .. } if attention.alibi => alibi_slopes(attention.heads),
        Op::Attention { .. }
        | Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Add { .. }
        | Op::Norm { .. }
        | Op::Linear { .. }
        | Op::HeadNorm { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => Vec::new(),
    }
}

/// The kernel's word for a mask.
fn kernel_mask(mask: AttentionMask) -> attention::Mask {
    match mask {
        AttentionMask::Full => attention::Mask::Full,
        AttentionMask::Causal => attention::Mask::Causal,
        AttentionMask::Window(n) => attention::Mask::Window(n),
    }
}

/// The kernel of an activation.
pub(super) fn kernel(f: Activation) -> Act {
    match f {
        Activation::GeluErf => Act::GeluErf,
        Activation::GeluTanh => Act::GeluTanh,
        Activation::Relu => Act::Relu,
        Activation::ReluSquared => Act::ReluSquared,
        Activation::Silu => Act::Silu,
    }
}
