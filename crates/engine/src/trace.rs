//! The values that a model computes, and the hook that can change them while it runs.
//!
//! Activation patching (Meng et al. 2022), ablation and steering use such hooks, as in
//! `TransformerLens` (Nanda & Bloom 2022): a hook sees the value of each node before any later node
//! reads it.

use gptlab_model::{Node, ValueId};

use crate::Matrix;

/// A function that is called after each node, in the graph's order, with its value: row-major, one
/// row per token, `node.width` numbers per row. Later nodes and the losses use the numbers that it
/// leaves.
pub type Hook<'a> = dyn FnMut(ValueId, &Node, &mut [f32]) + 'a;

/// A hook that changes nothing.
pub fn untouched(_: ValueId, _: &Node, _: &mut [f32]) {}

/// All values that one pass over a batch computed, as the hook left them.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The values by node.
    pub(crate) values: Vec<Matrix>,
    pub(crate) losses: Vec<f64>,
}

impl Trace {
    /// Returns the value of the graph's node `id`; its rows are the batch's.
    pub fn of(&self, id: ValueId) -> &Matrix {
        &self.values[id.index()]
    }

    /// Returns the scores of every next token before the softmax, `[tokens, vocab_size]`.
    pub fn logits(&self) -> &Matrix {
        self.values.last().expect("a graph ends with its logits")
    }

    /// Returns the loss of every token, in nats.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// Returns the mean loss, in nats per token.
    pub fn mean_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }
}
