//! What a model computes inside, and the hook that may change it on the way.
//!
//! Activation patching (Meng et al. 2022), ablation and steering are made of such hooks, as in
//! `TransformerLens` (Nanda & Bloom 2022): a hook sees the value of each node before any later node
//! reads it.

use gptlab_model::{Node, ValueId};

use crate::Matrix;

/// Called after each node, in the graph's order, with its value: row-major, one row a token,
/// `node.width` numbers a row. Later nodes, and the losses, are computed from what it writes.
pub type Hook<'a> = dyn FnMut(ValueId, &Node, &mut [f32]) + 'a;

/// The hook that changes nothing.
pub fn untouched(_: ValueId, _: &Node, _: &mut [f32]) {}

/// Everything that one pass over a batch computed, as the hook left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// By node.
    pub(crate) values: Vec<Matrix>,
    pub(crate) losses: Vec<f64>,
}

impl Trace {
    /// The value of the graph's node `id`; its rows are the batch's.
    pub fn of(&self, id: ValueId) -> &Matrix {
        &self.values[id.index()]
    }

    /// Scores of every next token before the softmax, `[tokens, vocab_size]`.
    pub fn logits(&self) -> &Matrix {
        self.values.last().expect("a graph ends with its logits")
    }

    /// By token, in nats.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// In nats a token.
    pub fn mean_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }
}
