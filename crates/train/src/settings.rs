//! What was asked for, before any text is seen.

use std::{num::NonZeroU64, path::Path};

use gptlab_data::{Tokenizer, TokenizerKind};
use gptlab_model::{ModelSpec, Preset};
use gptlab_record::{Experiment, FileError, Hyper, Intervals};

use crate::Header;

/// Everything that decides a run, besides its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub spec: ModelSpec,
    /// How the text is cut.
    pub tokenizer: TokenizerKind,
    pub hyper: Hyper,
    pub seed: u64,
    /// How much of the text's end is kept for validation: at least 0 and below 1.
    pub val_fraction: f64,
    pub intervals: Intervals,
    /// What runs the model, for the record.
    pub engine: String,
}

/// At most about so many tokens are evaluated at a log, unless asked otherwise.
const VAL_TOKENS: u64 = 1 << 16;

impl Settings {
    /// What `preset` is known by, for `steps` updates or its own number of them.
    pub fn of(preset: Preset, steps: Option<u64>) -> Self {
        let (tokenizer, val_fraction, log) = habits(preset);
        Self {
            spec: preset.spec(),
            tokenizer,
            hyper: Hyper::of(preset, steps),
            seed: 0,
            val_fraction,
            intervals: Intervals {
                log: NonZeroU64::new(log).unwrap_or(NonZeroU64::MIN),
                sample: NonZeroU64::new(500),
                checkpoint: None,
                val_tokens: VAL_TOKENS,
            },
            engine: String::new(),
        }
    }
}

/// What a preset is trained on and how it is logged: the kind of tokens, the fraction kept for
/// validation, steps from log to log.
fn habits(preset: Preset) -> (TokenizerKind, f64, u64) {
    match preset {
        // microgpt.py trains on every name and prints every step.
        Preset::Microgpt => (TokenizerKind::Lines, 0.0, 1),
        Preset::Gpt2Mini
        | Preset::Stories
        | Preset::Gpt2
        | Preset::Gpt2Medium
        | Preset::Gpt2Large
        | Preset::Gpt2Xl
        | Preset::Nano
        | Preset::Modern => (TokenizerKind::Chars, gptlab_data::DEFAULT_VAL_FRACTION, 100),
    }
}

/// The settings of the run that wrote `header`.
pub(crate) fn of_header(header: &Header, intervals: Intervals, engine: &str) -> Settings {
    Settings {
        spec: header.spec.clone(),
        tokenizer: header.tokenizer.kind(),
        hyper: header.hyper,
        seed: header.seed,
        val_fraction: header.data.val_fraction,
        intervals,
        engine: engine.to_owned(),
    }
}

/// The settings of the run in `folder`.
pub(crate) fn of_experiment(
    folder: &Path,
    experiment: &Experiment,
    engine: &str,
) -> Result<Settings, FileError> {
    let tokenizer: Tokenizer = serde_json::from_value(experiment.tokenizer.clone())
        .map_err(|e| FileError::wrong(folder, "an experiment with a tokenizer", e.to_string()))?;
    Ok(Settings {
        spec: experiment.spec.clone(),
        tokenizer: tokenizer.kind(),
        hyper: experiment.hyper,
        seed: experiment.seed,
        val_fraction: experiment.data.val_fraction,
        intervals: experiment.intervals,
        engine: engine.to_owned(),
    })
}
