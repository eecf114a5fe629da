//! What was asked for, before any text is seen.

use std::num::NonZeroU64;

use gptlab_model::{ModelSpec, Preset};
use gptlab_recipe::{Hyper, Intervals, ObserveLevel, SampleSettings, Tokenization, TokenizerKind};
use gptlab_record::Experiment;

use crate::Header;

/// Everything that decides a run, besides its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub spec: ModelSpec,
    /// How the text becomes tokens.
    pub tokenizer: Tokenization,
    pub hyper: Hyper,
    pub seed: u64,
    /// How much of the text's end is kept for validation: at least 0 and below 1.
    pub val_fraction: f64,
    pub intervals: Intervals,
    pub observe: ObserveLevel,
    pub sampling: SampleSettings,
    /// What runs the model, for the record.
    pub engine: String,
    /// The vector instructions it runs with, by name; `None` where nobody says.
    pub isa: Option<String>,
}

impl Settings {
    /// The settings of the run that wrote `header`, gone on with as `options` say.
    pub fn of_header(header: &Header, options: &ResumeOptions) -> Self {
        Self {
            spec: header.spec.clone(),
            tokenizer: header.tokenizer.tokenization(),
            hyper: header.hyper,
            seed: header.seed,
            val_fraction: header.data.val_fraction,
            intervals: options.intervals,
            observe: options.observe,
            sampling: options.sampling.clone(),
            engine: options.engine.clone(),
            isa: options.isa.clone(),
        }
    }
}

/// What of a run may change when it is gone on with: no number before the change depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumeOptions {
    pub intervals: Intervals,
    pub observe: ObserveLevel,
    pub sampling: SampleSettings,
    pub engine: String,
    pub isa: Option<String>,
    /// Another number of steps than the run was to make; `None`: the same.
    pub steps: Option<u64>,
}

impl ResumeOptions {
    /// As `settings` say, with the run's own number of steps.
    pub fn of(settings: &Settings) -> Self {
        Self {
            intervals: settings.intervals,
            observe: settings.observe,
            sampling: settings.sampling.clone(),
            engine: settings.engine.clone(),
            isa: settings.isa.clone(),
            steps: None,
        }
    }

    /// As a run's record says, on this engine.
    pub fn of_record(experiment: &Experiment, engine: &str, isa: Option<String>) -> Self {
        Self {
            intervals: experiment.intervals,
            observe: experiment.observe,
            sampling: experiment.sampling.clone(),
            engine: engine.to_owned(),
            isa,
            steps: None,
        }
    }
}

/// Seconds from checkpoint to checkpoint, unless asked otherwise: what a crash costs at most.
pub const CHECKPOINT_SECONDS: u64 = 60;

/// At most about so many tokens are evaluated at a log, unless asked otherwise.
const VAL_TOKENS: u64 = 1 << 16;

impl Settings {
    /// What `preset` is known by, for `steps` updates or its own number of them.
    pub fn of(preset: Preset, steps: Option<u64>) -> Self {
        let (tokenizer, val_fraction, log) = habits(preset);
        Self {
            spec: preset.spec(),
            tokenizer: tokenizer.into(),
            hyper: Hyper::of(preset, steps),
            seed: 0,
            val_fraction,
            intervals: Intervals {
                log: NonZeroU64::new(log).unwrap_or(NonZeroU64::MIN),
                sample: NonZeroU64::new(500),
                checkpoint: None,
                checkpoint_seconds: NonZeroU64::new(CHECKPOINT_SECONDS),
                val_tokens: VAL_TOKENS,
            },
            observe: ObserveLevel::Off,
            sampling: SampleSettings::default(),
            engine: String::new(),
            isa: None,
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

/// The settings of the run that `experiment` tells of.
pub(crate) fn of_experiment(experiment: &Experiment, options: &ResumeOptions) -> Settings {
    Settings {
        spec: experiment.spec.clone(),
        tokenizer: experiment.tokenizer.tokenization(),
        hyper: experiment.hyper,
        seed: experiment.seed,
        val_fraction: experiment.data.val_fraction,
        intervals: options.intervals,
        observe: options.observe,
        sampling: options.sampling.clone(),
        engine: options.engine.clone(),
        isa: options.isa.clone(),
    }
}
