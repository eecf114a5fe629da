//! Measures how surprising each token is to the model.

use gptlab_engine::Trace;
use serde::Serialize;

use super::{
    Subject,
    formulas::{entropy, log_softmax},
    lens::rank,
    subject::{Guess, Prompt},
};

/// One token and the model's prediction at its position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Surprise {
    pub position: usize,
    /// The token; `None` after the end of the prompt.
    pub token: Option<String>,
    /// The surprise, `-ln` of the token's probability, in nats.
    pub surprise: Option<f64>,
    /// The rank of the token, where 1 is the likeliest.
    pub rank: Option<usize>,
    /// The expected surprise: the entropy of the model's distribution, in nats.
    pub expected: f64,
    /// The likeliest tokens, in decreasing order of probability.
    pub top: Vec<Guess>,
}

impl Subject {
    /// Returns the surprise of every token of `prompt` but the first, and the prediction after the
    /// last. `trace` must come from the same prompt; `k` is the number of likeliest tokens.
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
