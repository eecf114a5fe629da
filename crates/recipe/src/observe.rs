//! What is looked at while a model trains, and how often.

use std::num::NonZeroU64;

use gptlab_model::choices;
use serde::{Deserialize, Serialize};

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

choices! { ObserveLevel, "level of observing":
    Off = "off", "Nothing beside losses";
    Basic = "basic", "Gradients, updates and clipping, by parameter";
    Full = "full", "The same, and activations, attention, logits and losses by position";
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
