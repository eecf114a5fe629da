//! Measures how surprising each token is to the model.

use gptlab_engine::Trace;
use gptlab_report::probe::Surprise;

use super::{
    Subject,
    formulas::{entropy, log_softmax},
    lens::rank,
    subject::Prompt,
};

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
