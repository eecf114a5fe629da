//! What a model computes inside: the value of every node.

use gptlab_model::ValueId;

use crate::Matrix;

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
