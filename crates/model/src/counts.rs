//! The cost of a model, counted from its graph.

use crate::{Graph, Products};

/// Counts that follow from a graph and a sequence length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The number of trainable parameters.
    pub parameters: usize,
    /// The floating-point operations in the matrix products of one sequence's forward pass: two for
    /// each multiply-add. They need 128 bits, because one sequence of the longest context of a deep
    /// model takes more than 2^64.
    pub forward_flops: u128,
}

impl Counts {
    /// Counts `graph` for a sequence of `tokens` tokens. An attention counts the pairs of queries
    /// and keys that its mask shows.
    pub fn of(graph: &Graph, tokens: usize) -> Self {
        let t = tokens as u128;
        let forward_flops = graph
            .nodes()
            .iter()
            .map(|node| match node.facts().products {
                Products::None => 0,
                Products::OfWeight(weight) => 2 * t * graph.params().get(weight).len() as u128,
                Products::OfPairs { each, mask } => 2 * mask.pairs(tokens) * each as u128,
            })
            .sum();
        Self {
            parameters: graph.params().total(),
            forward_flops,
        }
    }

    /// Returns the operations of a forward and a backward pass: every product has two adjoints of
    /// its own size.
    pub fn training_flops(self) -> u128 {
        3 * self.forward_flops
    }
}
