//! Everything that probes found of one checkpoint, as data.

use gptlab_recipe::Precision;
use serde::Serialize;

use super::{
    Ablations, Attribution, CopiedText, Definition, Flow, HeadMap, LensLayer, Patching, Repeated,
    Surprise,
};

/// What `probe --json` prints. A probe that was not made is null.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// The checkpoint's file.
    pub checkpoint: String,
    /// Updates that the checkpoint was trained for.
    pub step: u64,
    /// The prompt's tokens as text; positions count them from 0.
    pub tokens: Vec<String>,
    /// What ablations are measured on.
    pub text: String,
    /// Of the random tokens that repeat.
    pub seed: u64,
    /// What operands of matrix products are rounded to here.
    pub precision: Precision,
    /// The same while the model was trained.
    pub trained_in: Precision,
    pub attention: Option<Vec<HeadMap>>,
    pub repeated: Option<Repeated>,
    pub activations: Option<Flow>,
    pub ablation: Option<Ablations>,
    pub lens: Option<Vec<LensLayer>>,
    pub attribution: Option<Attribution>,
    pub surprise: Option<Vec<Surprise>>,
    pub patching: Option<Patching>,
    pub copied: Option<CopiedReport>,
    /// What the numbers mean.
    pub measures: Vec<Definition>,
}

/// The longest piece of a text that stands in another one.
#[derive(Clone, Debug, Serialize)]
pub struct CopiedReport {
    /// What the text is called.
    pub written: String,
    /// What the text is called that was searched.
    pub training: String,
    /// Null where the two share no character.
    pub longest: Option<CopiedText>,
}
