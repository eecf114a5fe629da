//! What is recorded of a model while it trains, and how often.

use std::num::NonZeroU64;

use gptlab_model::choices;
use serde::{Deserialize, Serialize};

/// How much is recorded of a model while it trains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObserveLevel {
    #[default]
    Off,
    /// Gradients, updates and clipping are recorded by parameter.
    Basic,
    /// Activations, attention, logits and losses by position are recorded as well.
    Full,
}

choices! { ObserveLevel, "level of observing":
    Off = "off", "Nothing beside losses";
    Basic = "basic", "Gradients, updates and clipping, by parameter";
    Full = "full", "The same, and activations, attention, logits and losses by position";
}

/// How often things are done, in steps unless a field names another unit. They change no other
/// number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervals {
    /// The steps between logs.
    pub log: NonZeroU64,
    /// The steps between samples; `None` makes no samples.
    pub sample: Option<NonZeroU64>,
    /// The steps between checkpoints, besides the one at the end; `None` makes none by steps.
    pub checkpoint: Option<NonZeroU64>,
    /// The seconds between checkpoints, besides those made by steps; `None` makes none by time.
    #[serde(default)]
    pub checkpoint_seconds: Option<NonZeroU64>,
    /// The approximate upper limit of tokens evaluated at each log.
    pub val_tokens: u64,
}
