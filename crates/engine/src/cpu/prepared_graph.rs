//! A graph prepared for this processor's kernels: everything that stays the same from step to step.

use gptlab_kernels::{
    Isa, OperandType,
    activation::Nonlinearity,
    attention::{self, VisibleKeys},
    dropout::Dropout,
    linear::Linear,
};
use gptlab_model::{
    Activation, AttentionMask, AttentionOp, Graph, Node, ParamId, ValueId, random::Stream,
};

use super::CpuOptions;
use crate::{Noise, program::constant_values};

/// The graph, its constants, and the instructions that run it.
#[derive(Debug)]
pub(super) struct PreparedGraph {
    pub(super) graph: Graph,
    pub(super) isa: Isa,
    pub(super) precision: OperandType,
    /// The numbers of each node's constant.
    tables: Vec<Vec<f32>>,
    /// The purpose of each node's dropout stream.
    purposes: Vec<u32>,
}

impl PreparedGraph {
    pub(super) fn new(graph: Graph, options: CpuOptions) -> Self {
        let block_size = graph.block_size();
        let table = |node: &Node| {
            let constant = node.facts().constant;
            constant.map_or(Vec::new(), |c| constant_values(c, block_size))
        };
        let tables = graph.nodes().iter().map(table).collect();
        Self {
            tables,
            ..Self::unfilled(graph, options)
        }
    }

    /// Prepares a graph without its constants, for counting sizes.
    pub(super) fn unfilled(graph: Graph, options: CpuOptions) -> Self {
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

    /// Returns the number of elements in all constants.
    pub(super) fn tables_len(graph: &Graph) -> u128 {
        let block_size = graph.block_size();
        let constants = graph
            .nodes()
            .iter()
            .filter_map(|node| node.facts().constant);
        constants.map(|c| c.len(block_size) as u128).sum()
    }

    pub(super) fn table(&self, node: ValueId) -> &[f32] {
        &self.tables[node.index()]
    }

    /// Returns the cosines and the sines of a rotary `node`.
    pub(super) fn rotations(&self, node: ValueId) -> (&[f32], &[f32]) {
        let table = self.table(node);
        table.split_at(table.len() / 2)
    }

    /// Returns the slice of `flat`, one number per parameter, that belongs to `param`.
    pub(super) fn part<'a>(&self, flat: &'a [f32], param: ParamId) -> &'a [f32] {
        &flat[self.graph.params().get(param).range()]
    }

    pub(super) fn part_mut<'a>(&self, flat: &'a mut [f32], param: ParamId) -> &'a mut [f32] {
        &mut flat[self.graph.params().get(param).range()]
    }

    /// Returns the dropout of `node` while training; `None` while evaluating.
    pub(super) fn dropout(&self, node: ValueId, p: f32, noise: Option<Noise>) -> Option<Dropout> {
        let noise = noise.filter(|_| p > 0.0)?;
        let key = [noise.seed as u32, (noise.seed >> 32) as u32];
        Some(Dropout::new(
            p,
            key,
            self.purposes[node.index()],
            noise.step,
        ))
    }

    /// Returns the input of the linear `node`, and its weight.
    pub(super) fn linear(&self, node: ValueId) -> (ValueId, ParamId) {
        let linear = self.graph.node(node).linear();
        linear.expect("the node is linear")
    }

    /// Returns the linear map of `node`.
    pub(super) fn map(&self, node: ValueId) -> Linear {
        let (x, _) = self.linear(node);
        Linear {
            isa: self.isa,
            precision: self.precision,
            inp: self.graph.node(x).width,
            out: self.graph.node(node).width,
        }
    }

    /// Returns every attention of the graph.
    pub(super) fn attentions(&self) -> impl Iterator<Item = (ValueId, &AttentionOp)> {
        let nodes = self.graph.ids();
        nodes.filter_map(|node| Some((node, self.graph.node(node).attention()?.1)))
    }

    /// Returns every linear map of the graph, including the output head, and its weight.
    pub(super) fn linears(&self) -> impl Iterator<Item = (ValueId, ParamId)> {
        let nodes = self.graph.ids();
        nodes.filter_map(|node| Some((node, self.graph.node(node).linear()?.1)))
    }

    /// Returns the kernel's options for the attention `node`, in f32.
    pub(super) fn attention(
        &self,
        node: ValueId,
        op: &AttentionOp,
        dropout: Option<attention::WeightDropout>,
    ) -> attention::Options<'_> {
        let slopes = self.table(node);
        attention::Options {
            heads: op.heads,
            kv_heads: op.kv_heads,
            head_dim: op.head_dim,
            visible: visible_keys(op.mask),
            scale: op.scale,
            softcap: op.softcap,
            alibi: (!slopes.is_empty()).then_some(slopes),
            dropout,
            precision: OperandType::F32,
        }
    }
}

/// Returns the kernel's type for a mask.
fn visible_keys(mask: AttentionMask) -> VisibleKeys {
    match mask {
        AttentionMask::Full => VisibleKeys::Full,
        AttentionMask::Causal => VisibleKeys::Causal,
        AttentionMask::Window(n) => VisibleKeys::Window(n),
    }
}

/// Returns the kernel's type for an activation.
pub(super) fn kernel(f: Activation) -> Nonlinearity {
    match f {
        Activation::GeluErf => Nonlinearity::GeluErf,
        Activation::GeluTanh => Nonlinearity::GeluTanh,
        Activation::Relu => Nonlinearity::Relu,
        Activation::ReluSquared => Nonlinearity::ReluSquared,
        Activation::Silu => Nonlinearity::Silu,
    }
}
