//! What a run is, resolved: every choice made, every name looked up.

use gptlab_model::ModelSpec;
use gptlab_recipe::{Hyper, Intervals, ObserveLevel, SampleSettings, TextOrigin, TokenizerSpec};
use serde::{Deserialize, Serialize};

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
    pub tokenizer: TokenizerSpec,
    pub data: DataRecord,
    pub hyper: Hyper,
    pub seed: u64,
    pub origin: WeightsOrigin,
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

/// A change of the number of steps: from step `after` on, the learning rate is that of a schedule
/// of `to` steps.
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
    /// The same as data, to find the text again.
    pub origin: TextOrigin,
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
pub enum WeightsOrigin {
    /// Drawn from the seed.
    Fresh,
    /// The weights of a checkpoint that had made `step` updates; the optimiser begins anew.
    Loaded { file: String, step: u64 },
    /// A checkpoint of a run whose own folder is elsewhere, weights and optimiser.
    Resumed { file: String, step: u64 },
}
