//! The logit lens (nostalgebraist 2020): the model's predictions from the stream after each block.
//!
//! The stream after a block replaces the stream after the last block, and the engine continues from
//! there. Thus the last row of the lens equals the model's own logits bit for bit, whatever the
//! final norm and head are.

use gptlab_engine::Trace;
use gptlab_model::{Node, ValueId};
use gptlab_report::probe::{LensCell, LensLayer};

use super::{Subject, formulas::log_softmax, subject::Prompt};

impl Subject {
    /// Applies the lens to `prompt`, and keeps the `k` likeliest tokens of each position. `trace`
    /// must come from the same prompt.
    pub fn lens(&mut self, prompt: &Prompt, trace: &Trace, k: usize) -> Vec<LensLayer> {
        let stream = self.anatomy.stream.clone();
        let layer = |stage: super::anatomy::Stage| {
            let logits = self.logits_of_stream(prompt, trace, stage.value);
            self.lens_layer(prompt, trace, stage.name, &logits, k)
        };
        stream.into_iter().map(layer).collect()
    }

    /// Returns the logits that the head computes from the value of `stage`, `[tokens, vocab_size]`.
    pub fn logits_of_stream(&mut self, prompt: &Prompt, trace: &Trace, stage: ValueId) -> Vec<f32> {
        let (last, head) = (self.anatomy.last(), self.engine.graph().logits());
        let mut logits = Vec::new();
        self.engine.losses_with(
            &prompt.batch,
            &mut |id: ValueId, _: &Node, value: &mut [f32]| {
                if id == last {
                    value.copy_from_slice(&trace.of(stage).values);
                }
                if id == head {
                    logits = value.to_vec();
                }
            },
        );
        logits
    }

    fn lens_layer(
        &self,
        prompt: &Prompt,
        trace: &Trace,
        name: String,
        logits: &[f32],
        k: usize,
    ) -> LensLayer {
        let (vocab, targets) = (self.model.vocab_size(), &prompt.tokens[1..]);
        let rows = || logits.chunks(vocab);
        let losses = rows()
            .zip(targets)
            .map(|(row, t)| -log_softmax(row)[*t as usize]);
        let divergences = rows()
            .zip(trace.logits().values.chunks(vocab))
            .map(|(lens, model)| divergence(model, lens));
        let cell = |(i, row): (usize, &[f32])| LensCell {
            top: self.guesses(row, k),
            target_probability: targets.get(i).map(|t| log_softmax(row)[*t as usize].exp()),
            target_rank: targets.get(i).map(|t| rank(row, *t)),
        };
        LensLayer {
            name,
            lens_loss: (!targets.is_empty()).then(|| losses.sum::<f64>() / targets.len() as f64),
            lens_kl: divergences.sum::<f64>() / prompt.tokens.len() as f64,
            positions: rows().enumerate().map(cell).collect(),
        }
    }
}

/// Returns KL(p || q), in nats, of the softmaxes of two rows of logits.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let pairs = log_softmax(p).into_iter().zip(log_softmax(q));
    pairs.map(|(p, q)| p.exp() * (p - q)).sum()
}

/// Returns the rank of `token`, where 1 is the likeliest.
pub(super) fn rank(logits: &[f32], token: u32) -> usize {
    let own = logits[token as usize];
    1 + logits.iter().filter(|x| **x > own).count()
}
