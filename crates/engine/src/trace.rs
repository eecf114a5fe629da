//! The values that a model computes, by node.

use gptlab_model::ValueId;

use crate::Matrix;

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
