//! A model made ready to decode: what all texts share.

use gptlab_kernels::{
    attention::{self, CacheLayout},
    decode_linear,
};
use gptlab_model::{AttentionOp, Graph, ValueId};

use super::{
    shares::{HeadShare, kv_heads},
    weights::Weights,
};
use crate::{
    ImportError, PromptError,
    cpu::{
        CpuOptions, Isa, check_len,
        plan::{ArenaPlan, Purpose},
        prepared_graph::PreparedGraph,
    },
};

/// From this many weights on, several threads read them faster than one.
const LARGE: usize = 1 << 23;

/// Whether one text of a model is worth several threads.
pub(super) fn is_large(graph: &Graph) -> bool {
    graph.params().total() >= LARGE
}

/// The words of scratch that `rows` rows of any product need.
pub(in crate::cpu) fn most_words(prepared: &PreparedGraph, rows: usize) -> usize {
    let products = prepared.linears().map(|(node, _)| prepared.map(node));
    let words = products.map(|map| decode_linear::scratch_len(&map, rows));
    words.max().unwrap_or(0)
}

/// A model made ready to decode.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) prepared: PreparedGraph,
    pub(super) weights: Weights,
    /// Of a single row: `n` rows take `n` times as much.
    pub(super) plan: ArenaPlan,
    pub(super) causal: bool,
}

impl Decoder {
    pub(super) fn new(
        graph: Graph,
        weights: &[f32],
        options: CpuOptions,
    ) -> Result<Self, ImportError> {
        check_len(graph.params().total(), weights.len())?;
        let mut attentions = graph.nodes().iter().filter_map(|n| n.attention());
        let causal = attentions.all(|(_, a)| a.mask.is_causal());
        let plan = ArenaPlan::new(&graph, 1, Purpose::Decode);
        let prepared = PreparedGraph::new(graph, options);
        let total = weights.len();
        let weights =
            Weights::new(&prepared, weights).map_err(|_| ImportError::Memory { numbers: total })?;
        Ok(Self {
            prepared,
            weights,
            plan,
            causal,
        })
    }

    pub(super) fn isa(&self) -> Isa {
        self.prepared.isa
    }

    /// How a share of a node's heads keeps keys and values; `None` but for attention, and where
    /// nothing can be kept.
    pub(super) fn cache_layout(&self, node: ValueId, share: HeadShare) -> Option<CacheLayout> {
        let graph = &self.prepared.graph;
        let (_, op) = graph.node(node).attention().filter(|_| self.causal)?;
        Some(CacheLayout::new(
            &self.heads(node, op, share),
            graph.block_size(),
        ))
    }

    /// The attention of a share of the heads, as if there were no others.
    pub(super) fn heads(
        &self,
        node: ValueId,
        op: &AttentionOp,
        share: HeadShare,
    ) -> attention::Options<'_> {
        let (all, heads) = (self.prepared.attention(node, op, None), kv_heads(op, share));
        let group = op.heads / op.kv_heads;
        attention::Options {
            heads: heads.len() * group,
            kv_heads: heads.len(),
            alibi: all
                .alibi
                .map(|slopes| &slopes[heads.start * group..heads.end * group]),
            ..all
        }
    }

    /// Whether one text is worth several threads.
    pub(super) fn is_large(&self) -> bool {
        is_large(&self.prepared.graph)
    }

    pub(super) fn vocab_size(&self) -> usize {
        let graph = &self.prepared.graph;
        graph.node(graph.logits()).width
    }

    pub(super) fn check(&self, prompt: &[u32]) -> Result<(), PromptError> {
        PromptError::check(prompt, self.vocab_size())
    }
}
