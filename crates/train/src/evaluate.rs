//! How well a model predicts text it was not trained on.

use gptlab_data::{Batches, Split, SplitName};
use gptlab_engine::Engine;
use gptlab_model::{BatchError, Model};
use gptlab_record::number;
use serde::Serialize;

/// The mean loss over a part of a corpus, without dropout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// In nats a token.
    pub loss: f64,
    /// The same in bits a character of text, which compares across tokenizers.
    pub bits_per_char: f64,
    /// How many predictions it is the mean of.
    pub tokens: u64,
}

/// What `eval --json` prints: an [`Evaluation`], and what it is of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// What the text is called.
    pub text: String,
    /// Which part of the text: its last fraction, or 1 for all of it.
    pub fraction: f64,
    /// The context, in tokens.
    pub block_size: usize,
    pub predictions: u64,
    /// In nats a token.
    #[serde(with = "number")]
    pub loss: f64,
    /// `exp(loss)`.
    #[serde(with = "number")]
    pub perplexity: f64,
    #[serde(with = "number")]
    pub bits_per_char: f64,
}

impl EvaluationReport {
    /// Returns the report of `found`, measured with a context of `block_size` on the last
    /// `fraction` of `text`; a fraction of 0 stands for all of it.
    pub fn new(text: String, fraction: f64, block_size: usize, found: &Evaluation) -> Self {
        Self {
            text,
            fraction: if fraction > 0.0 { fraction } else { 1.0 },
            block_size,
            predictions: found.tokens,
            loss: found.loss,
            perplexity: found.loss.exp(),
            bits_per_char: found.bits_per_char,
        }
    }
}

impl Evaluation {
    fn of(loss: f64, tokens: u64, split: &Split) -> Self {
        Self {
            loss,
            bits_per_char: loss / std::f64::consts::LN_2 / split.characters_per_token(),
            tokens,
        }
    }
}

/// Evaluates about `max_tokens` predictions of `part`, the same ones every time and for every model
/// of the same context; `None` where the corpus has no such part. Changes nothing.
///
/// # Errors
/// When `batches` are not of `model`.
pub fn evaluate(
    engine: &mut dyn Engine,
    model: &Model,
    batches: &Batches,
    part: SplitName,
    max_tokens: u64,
) -> Result<Option<Evaluation>, BatchError> {
    let Some(split) = batches.corpus().part(part) else {
        return Ok(None);
    };
    let (mut sum, mut tokens) = (0.0, 0);
    let most = usize::try_from(max_tokens).unwrap_or(usize::MAX);
    for batch in batches.covering(model, part, most) {
        let losses = engine.losses(&batch?);
        sum += losses.iter().sum::<f64>();
        tokens += losses.len() as u64;
    }
    let loss = sum / tokens as f64;
    Ok((tokens > 0).then(|| Evaluation::of(loss, tokens, split)))
}
