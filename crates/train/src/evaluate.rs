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

/// How many predictions of a part of a corpus are evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coverage {
    pub predictions: u64,
    /// All predictions of the part.
    pub of: u64,
}

/// What `eval --json` prints: an [`Evaluation`], and what it is of.
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
    /// How many new predictions each window makes, where windows overlap; `None` where they stand
    /// side by side.
    pub stride: Option<usize>,
    /// All predictions of that part.
    pub of_predictions: u64,
    /// Which share of that part the model was trained on; `None` of a text that its checkpoint does
    /// not name.
    pub trained_on: Option<f64>,
    /// In nats per token.
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
            stride: None,
            of_predictions: found.tokens,
            trained_on: None,
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

/// Returns how many predictions [`evaluate`] is over with the same `max_tokens`; `None` where the
/// corpus has no such part.
pub fn coverage(batches: &Batches, part: SplitName, max_tokens: u64) -> Option<Coverage> {
    let of = batches.corpus().part(part)?.predictions() as u64;
    let most = usize::try_from(max_tokens).unwrap_or(usize::MAX);
    let windows = batches.windows(part, most);
    let predictions = windows.iter().map(|at| at.len() as u64 - 1).sum();
    Some(Coverage { predictions, of })
}

/// Evaluates every prediction of `part` in windows that overlap ([`Batches::overlapping`]); `None`
/// where the corpus has no such part. Changes nothing.
///
/// # Errors
/// Returns an error if `batches` do not fit `model`.
pub fn evaluate_overlapping(
    engine: &mut dyn Engine,
    model: &Model,
    batches: &Batches,
    part: SplitName,
    stride: usize,
) -> Result<Option<Evaluation>, BatchError> {
    let Some(split) = batches.corpus().part(part) else {
        return Ok(None);
    };
    let (mut sum, mut tokens) = (0.0, 0);
    let windows = batches.overlapping(part, stride);
    for windows in windows.chunks(batches.batch_size()) {
        let batch = Batches::at(model, split, windows.iter().map(|w| w.at.clone()))?;
        let losses = engine.losses(&batch);
        for (i, window) in windows.iter().enumerate() {
            let new = &losses[batch.rows(i)][window.seen..];
            sum += new.iter().sum::<f64>();
            tokens += new.len() as u64;
        }
    }
    let loss = sum / tokens as f64;
    Ok((tokens > 0).then(|| Evaluation::of(loss, tokens, split)))
}

/// Evaluates about `max_tokens` predictions of `part`, the same ones every time and for every model
/// of the same context; `None` where the corpus has no such part. Changes nothing.
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
