//! What a run is, resolved: every choice made, every name looked up.

use std::num::NonZeroU64;

use gptlab_model::ModelSpec;
use serde::{Deserialize, Serialize};

use crate::Hyper;

/// What is written before step 0, and enough to do the run again given the data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Of this file; always [`Experiment::FORMAT`].
    pub format: u32,
    /// The program and its version.
    pub program: String,
    /// What runs the model, in the caller's words.
    pub engine: String,
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
}

impl Experiment {
    pub const FORMAT: u32 = 1;
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

/// How often things are done, in steps; they change no other number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    pub log: NonZeroU64,
    /// `None`: never.
    pub sample: Option<NonZeroU64>,
    /// Besides the one at the end. `None`: only that.
    pub checkpoint: Option<NonZeroU64>,
    /// At most about so many tokens are evaluated at a log.
    pub val_tokens: u64,
}
