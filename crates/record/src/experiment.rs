//! A resolved experiment: every choice is made and every name is looked up.

use gptlab_model::ModelSpec;
use gptlab_recipe::{Hyper, Intervals, ObserveLevel, SampleSettings, TextOrigin, TokenizerSpec};
use serde::{Deserialize, Serialize};

/// The description of a run that is written before step 0. Together with the data it is enough to
/// repeat the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The file's format: [`Experiment::FORMAT`], or an older one that can still be read.
    pub format: u32,
    /// The name and version of the program.
    pub program: String,
    /// The engine that runs the model, as the caller names it.
    pub engine: String,
    /// The vector instructions that the run began with; other instructions round sums differently.
    /// `None` in records of format 1.
    #[serde(default)]
    pub isa: Option<String>,
    /// The model, with a context that fits the data.
    pub spec: ModelSpec,
    pub vocab_size: usize,
    pub tokenizer: TokenizerSpec,
    pub data: DataRecord,
    pub hyper: Hyper,
    pub seed: u64,
    pub origin: WeightsOrigin,
    pub intervals: Intervals,
    /// How much is measured at each logged step.
    #[serde(default)]
    pub observe: ObserveLevel,
    /// The settings of the samples.
    #[serde(default)]
    pub sampling: SampleSettings,
    /// The changes of the number of steps, from first to last. `hyper.steps` is the newest number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<Extension>,
}

impl Experiment {
    /// The newest format. Format 1 had no `isa`, `observe`, `sampling` and `extensions`.
    pub const FORMAT: u32 = 2;
}

/// A change of the number of steps. From step `after` on, the learning rate follows a schedule of
/// `to` steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// The number of updates that had been made.
    pub after: u64,
    /// The number of steps before the change.
    pub from: u64,
    /// The number of steps after the change.
    pub to: u64,
}

/// The text that a run learns from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// A description of the text's origin, for people.
    pub source: String,
    /// The origin as data, which is used to find the text again.
    pub origin: TextOrigin,
    /// The SHA-256 of the text's bytes, in hexadecimal.
    pub fingerprint: String,
    /// The size of the text in bytes; absent in records of format 1.
    #[serde(default)]
    pub bytes: Option<u64>,
    /// The fraction at the end of the text that is kept for validation.
    pub val_fraction: f64,
    /// The number of tokens in the training split.
    pub train_tokens: u64,
    /// The number of tokens in the validation split; 0 when there is none.
    pub val_tokens: u64,
}

/// The origin of a run's first weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightsOrigin {
    /// The weights were drawn from the seed.
    Fresh,
    /// The weights were loaded from a checkpoint after `step` updates, and the optimiser starts
    /// fresh.
    Loaded { file: String, step: u64 },
    /// The weights and the optimiser were loaded from a checkpoint after `step` updates, whose run
    /// has another folder or none.
    Resumed { file: String, step: u64 },
}
