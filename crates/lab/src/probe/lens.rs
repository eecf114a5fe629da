//! The logit lens (nostalgebraist 2020): what the model would say if it stopped after each block.
//!
//! The stream after a block is put where the stream after the last block was, and the engine goes
//! on from there: whatever the final norm and head are, the last row of the lens is the model's own
//! answer, to the bit.

use gptlab_engine::Trace;
use gptlab_model::{Node, ValueId};
use serde::Serialize;

use super::{
    Subject,
    formulas::log_softmax,
    subject::{Guess, Prompt},
};

/// What the stream says at one depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LensLayer {
    /// `embedding`, `block0`, …
    pub name: String,
    /// Mean over the prompt's predictions, in nats; nothing on a prompt of one token.
    pub lens_loss: Option<f64>,
    /// KL divergence of the model's distribution from this one, mean over tokens, in nats.
    pub lens_kl: f64,
    /// By position.
    pub positions: Vec<LensCell>,
}

/// What the stream says of the next token at one position.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LensCell {
    pub top: Vec<Guess>,
    /// Of the token that comes next in the prompt; nothing at its end.
    pub target_probability: Option<f64>,
    /// 1 for the likeliest.
    pub target_rank: Option<usize>,
}

impl Subject {
    /// The lens on `prompt`, of which `trace` is, with the `k` likeliest tokens of each cell.
    pub fn lens(&mut self, prompt: &Prompt, trace: &Trace, k: usize) -> Vec<LensLayer> {
        let stream = self.anatomy.stream.clone();
        let layer = |stage: super::anatomy::Stage| {
            let logits = self.logits_of_stream(prompt, trace, stage.value);
            self.lens_layer(prompt, trace, stage.name, &logits, k)
        };
        stream.into_iter().map(layer).collect()
    }

    /// `[tokens, vocab_size]`: the head's answer to the value of `stage`.
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

/// KL(p || q) in nats of the softmaxes of two rows of logits.
fn divergence(p: &[f32], q: &[f32]) -> f64 {
    let pairs = log_softmax(p).into_iter().zip(log_softmax(q));
    pairs.map(|(p, q)| p.exp() * (p - q)).sum()
}

/// 1 for the likeliest token.
pub(super) fn rank(logits: &[f32], token: u32) -> usize {
    let own = logits[token as usize];
    1 + logits.iter().filter(|x| **x > own).count()
}
