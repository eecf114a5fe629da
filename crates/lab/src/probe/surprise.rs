//! How surprised the model is by each token, and what it would have said.

use gptlab_engine::Trace;
use serde::Serialize;

use super::{
    Subject,
    formulas::{entropy, log_softmax},
    lens::rank,
    subject::{Guess, Prompt},
};

/// One token and what the model expected in its place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Surprise {
    pub position: usize,
    /// The token that came; nothing after the end of the prompt.
    pub token: Option<String>,
    /// `-ln` of its probability.
    pub surprise: Option<f64>,
    /// 1 for the token that the model held likeliest.
    pub rank: Option<usize>,
    /// Of the model's distribution, in nats: how surprised it expected to be.
    pub expected: f64,
    pub top: Vec<Guess>,
}

impl Subject {
    /// Every token of `prompt` but the first, and what would come after the last.
    pub fn surprise(&self, prompt: &Prompt, trace: &Trace, k: usize) -> Vec<Surprise> {
        let rows = trace.logits().values.chunks(self.model.vocab_size());
        let row = |(i, row): (usize, &[f32])| {
            let (came, log_p) = (prompt.tokens.get(i + 1), log_softmax(row));
            let probabilities: Vec<f64> = log_p.iter().map(|p| p.exp()).collect();
            Surprise {
                position: i + 1,
                token: came.map(|t| self.label(*t)),
                surprise: came.map(|t| -log_p[*t as usize]),
                rank: came.map(|t| rank(row, *t)),
                expected: entropy(&probabilities),
                top: self.guesses(row, k),
            }
        };
        rows.enumerate().map(row).collect()
    }
}
