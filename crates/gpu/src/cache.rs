//! Where the keys and values of a text lie in its slot of the cache.

use gptlab_model::{AttentionOp, Graph, Node, ValueId};

/// The layout of a slot, which holds the keys and values of one text of up to `block_size` tokens.
#[derive(Debug)]
pub(crate) struct CacheLayout {
    /// The offset of each node's keys and values.
    offsets: Vec<usize>,
    /// The tokens that a slot holds.
    pub(crate) tokens: usize,
    /// The numbers of a slot.
    pub(crate) len: usize,
    /// Whether keys and values of a text hold when tokens follow: not where a token sees later
    /// ones.
    pub(crate) is_causal: bool,
}

impl CacheLayout {
    /// Returns the layout for `graph`, of no numbers if it is not causal.
    pub(crate) fn new(graph: &Graph) -> Self {
        let mut attentions = graph.nodes().iter().filter_map(Node::attention);
        let is_causal = attentions.all(|(_, op)| op.mask.is_causal());
        let tokens = graph.block_size();
        let (mut offsets, mut len) = (Vec::new(), 0);
        for node in graph.nodes() {
            offsets.push(len);
            let op = node.attention().filter(|_| is_causal);
            len += op.map_or(0, |(_, op)| tokens * kv_width(op));
        }
        Self {
            offsets,
            tokens,
            len,
            is_causal,
        }
    }

    /// Returns the offset of a node's keys and values in a slot.
    pub(crate) fn at(&self, node: ValueId) -> usize {
        self.offsets[node.index()]
    }
}

/// Returns the numbers of keys and values that a token has.
pub(crate) fn kv_width(op: &AttentionOp) -> usize {
    2 * op.kv_heads * op.head_dim
}
