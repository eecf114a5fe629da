//! What a model costs, counted from its graph.

use crate::{Graph, Op};

/// Sizes that follow from a graph alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Trainable numbers.
    pub parameters: usize,
    /// Multiply-adds times two of the matrix products of one sequence's forward pass.
    /// In 128 bits: one sequence of the longest context of a deep model takes more than 2^64.
    pub forward_flops: u128,
}

impl Counts {
    /// Counts `graph` for a sequence of `tokens`. An attention counts the pairs of
    /// queries and keys that its mask shows.
    pub fn of(graph: &Graph, tokens: usize) -> Self {
        let t = tokens as u128;
        let forward_flops = graph
            .nodes()
            .iter()
            .map(|node| match &node.op {
                Op::Linear { weight, .. } => 2 * t * graph.params().get(*weight).len() as u128,
                Op::Attention { attention: a, .. } => {
                    2 * 2 * a.mask.pairs(tokens) * (a.heads * a.head_dim) as u128
                }
                Op::TokenEmbedding { .. }
                | Op::PositionEmbedding { .. }
                | Op::Sinusoid
                | Op::Add { .. }
                | Op::Norm { .. }
                | Op::HeadNorm { .. }
                | Op::Rotary { .. }
                | Op::Activate { .. }
                | Op::Gate { .. }
                | Op::Dropout { .. } => 0,
            })
            .sum();
        Self {
            parameters: graph.params().total(),
            forward_flops,
        }
    }

    /// Forward and backward: every product has two adjoints of its own size.
    pub fn training_flops(self) -> u128 {
        3 * self.forward_flops
    }
}
