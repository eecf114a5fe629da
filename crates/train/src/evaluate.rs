//! How well a model predicts text it was not trained on.

use gptlab_data::{Batches, Part, Split};
use gptlab_engine::Engine;
use gptlab_model::{BatchError, Model};

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
    part: Part,
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
