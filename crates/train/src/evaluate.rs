//! The loss of a model on text that it was not trained on.

use gptlab_data::{Batches, Split, SplitName};
use gptlab_engine::Engine;
use gptlab_model::{BatchError, Model};
use gptlab_record::number;
use serde::Serialize;

/// The mean loss over a part of a corpus, without dropout.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// The mean loss, in nats per token.
    pub loss: f64,
    /// The loss in bits per character of text, which is comparable between tokenizers.
    pub bits_per_char: f64,
    /// The number of predictions that the loss is the mean of.
    pub tokens: u64,
}

/// The result of `eval --json`: an [`Evaluation`] and a description of the evaluated text.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EvaluationReport {
    /// The text's name.
    pub text: String,
    /// The evaluated fraction at the end of the text; 1 when all of it was evaluated.
    pub fraction: f64,
    /// The length of the context, in tokens.
    pub block_size: usize,
    /// The number of predictions that the loss is the mean of.
    pub predictions: u64,
    /// The mean loss, in nats per token.
    #[serde(with = "number")]
    pub loss: f64,
    /// The perplexity, which is `exp(loss)`.
    #[serde(with = "number")]
    pub perplexity: f64,
    /// The loss in bits per character of text.
    #[serde(with = "number")]
    pub bits_per_char: f64,
}

impl EvaluationReport {
    /// Returns the report of `found`, which was measured with a context of `block_size` tokens on
    /// the last `fraction` of `text`. A fraction of 0 means all of the text.
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

/// Evaluates about `max_tokens` predictions of `part`. They are the same on every call and for
/// every model with the same context. Returns `None` when the corpus has no such part. The engine's
/// state does not change.
///
/// # Errors
/// Returns an error if `batches` do not fit `model`.
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
