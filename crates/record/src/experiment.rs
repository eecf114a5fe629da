//! What a run is, resolved: every choice made, every name looked up.

use std::num::NonZeroU64;

use gptlab_model::ModelSpec;
use serde::{Deserialize, Serialize};

use crate::Hyper;

/// What is written before step 0, and enough to do the run again given the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Of this file: [`Experiment::FORMAT`], or an older one that is still read.
    pub format: u32,
    /// The program and its version.
    pub program: String,
    /// What runs the model, in the caller's words.
    pub engine: String,
    /// The vector instructions that the run began with: sums round differently with others. `None`
    /// in records of format 1.
    #[serde(default)]
    pub isa: Option<String>,
    /// With the context that fits the data.
    pub spec: ModelSpec,
    pub vocab_size: usize,
    /// As the data's own code writes it.
    pub tokenizer: serde_json::Value,
    pub data: DataRecord,
    pub hyper: Hyper,
    pub seed: u64,
    pub origin: Origin,
    pub intervals: Intervals,
    /// How far each logged step is looked into.
    #[serde(default)]
    pub observe: ObserveLevel,
    /// How samples are made.
    #[serde(default)]
    pub sampling: SampleSettings,
    /// How often the number of steps was changed, first to last; `hyper.steps` is the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

impl Experiment {
    /// Format 1 knew no `isa`, `observe`, `sampling` and `extensions`.
    pub const FORMAT: u32 = 2;
}

/// How far a run is looked into while it trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObserveLevel {
    #[default]
    Off,
    /// Gradients, updates and clipping, by parameter.
    Basic,
    /// The same, and activations, attention, logits and losses by position.
    Full,
}

/// How text is sampled from a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleSettings {
    /// The text to go on from.
    pub prompt: String,
    /// At most so many tokens are written.
    pub max_tokens: usize,
    /// What divides the logits before the softmax; 0 takes the likeliest token.
    pub temperature: f64,
    /// A token is one of so many likeliest ones; `None`: of all.
    pub top_k: Option<usize>,
    /// A token is one of the fewest whose probabilities sum to this; `None`: of all.
    pub top_p: Option<f64>,
    /// The text ends before this text.
    pub stop: Option<String>,
}

impl Default for SampleSettings {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            max_tokens: 200,
            temperature: 0.8,
            top_k: Some(40),
            top_p: None,
            stop: None,
        }
    }
}

/// A change of the number of steps: from step `after` on, the learning rate is that of a schedule of
/// `to` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Updates that had been made.
    pub after: u64,
    /// The number of steps before.
    pub from: u64,
    pub to: u64,
}

/// Which text a run learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// Where it came from, in words.
    pub source: String,
    /// The same as the data's own code writes it, to find the text again.
    pub origin: serde_json::Value,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub fingerprint: String,
    /// The size of the text in bytes; absent in records of format 1.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// How much of its end is kept for validation.
    pub val_fraction: f64,
    pub train_tokens: u64,
    /// 0 where nothing is kept.
    pub val_tokens: u64,
}

/// Where the first weights came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Drawn from the seed.
    Fresh,
    /// The weights of a checkpoint that had made `step` updates; the optimiser begins anew.
    Loaded { file: String, step: u64 },
    /// A checkpoint of a run whose own folder is elsewhere, weights and optimiser.
    Resumed { file: String, step: u64 },
}

/// How often things are done, in steps unless said otherwise; they change no other number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    pub log: NonZeroU64,
    /// `None`: never.
    pub sample: Option<NonZeroU64>,
    /// Besides the one at the end. `None`: none by the number of steps.
    pub checkpoint: Option<NonZeroU64>,
    /// Seconds from checkpoint to checkpoint, besides those by the number of steps. `None`: none by
    /// the clock.
    #[serde(default)]
    pub checkpoint_seconds: Option<NonZeroU64>,
    /// At most about so many tokens are evaluated at a log.
    pub val_tokens: u64,
}
