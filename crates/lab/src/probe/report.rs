//! The results of all probes of one checkpoint.

use gptlab_recipe::Precision;
use serde::Serialize;

use super::{
    Ablations, Attribution, CopiedText, Definition, Flow, HeadMap, LensLayer, Patching, Repeated,
    Surprise,
};

/// The results that `probe --json` prints. A probe that did not run is null.
#[derive(Clone, Debug, Serialize)]
pub struct ProbeReport {
    /// The checkpoint's file name.
    pub checkpoint: String,
    /// The number of updates that the checkpoint was trained for.
    pub step: u64,
    /// The prompt's tokens as text; positions index them from 0.
    pub tokens: Vec<String>,
    /// The name of the text on which ablations are measured.
    pub text: String,
    /// The seed of the repeated random tokens.
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
    /// The definitions of the measures.
    pub measures: Vec<Definition>,
}

/// The longest passage that a text shares with the training text.
#[derive(Clone, Debug, Serialize)]
pub struct CopiedReport {
    /// The text's name.
    pub written: String,
    /// The training text's name.
    pub training: String,
    /// The passage; null if the two share no character.
    pub longest: Option<CopiedText>,
}
