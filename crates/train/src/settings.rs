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
        Self {
            spec: preset.spec(),
            tokenizer: tokenizer(preset),
            hyper: Hyper::of(preset, steps),
            seed: 0,
            val_fraction: val_fraction(preset),
            intervals: intervals(preset),
            engine: String::new(),
        }
    }
}

fn tokenizer(preset: Preset) -> TokenizerKind {
    match preset {
        Preset::Microgpt => TokenizerKind::Lines,
        Preset::Gpt2Mini
        | Preset::Stories
        | Preset::Gpt2
        | Preset::Gpt2Medium
        | Preset::Gpt2Large
        | Preset::Gpt2Xl
        | Preset::Nano
        | Preset::Modern => TokenizerKind::Chars,
    }
}

fn val_fraction(preset: Preset) -> f64 {
    match preset {
        // microgpt.py trains on every name.
        Preset::Microgpt => 0.0,
        Preset::Gpt2Mini
        | Preset::Stories
        | Preset::Gpt2
        | Preset::Gpt2Medium
        | Preset::Gpt2Large
        | Preset::Gpt2Xl
        | Preset::Nano
        | Preset::Modern => gptlab_data::DEFAULT_VAL_FRACTION,
    }
}

fn intervals(preset: Preset) -> Intervals {
    let log = match preset {
        // microgpt.py prints every step.
        Preset::Microgpt => NonZeroU64::MIN,
        Preset::Gpt2Mini
        | Preset::Stories
        | Preset::Gpt2
        | Preset::Gpt2Medium
        | Preset::Gpt2Large
        | Preset::Gpt2Xl
        | Preset::Nano
        | Preset::Modern => NonZeroU64::MIN.saturating_add(99),
    };
    Intervals {
        log,
        sample: NonZeroU64::new(500),
        checkpoint: None,
        val_tokens: VAL_TOKENS,
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
