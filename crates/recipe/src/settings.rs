//! Everything that decides a run, as plain data.

use gptlab_model::ModelSpec;

use crate::{Hyper, Intervals, ObserveLevel, SampleSettings, Tokenization};

/// Everything that decides a run, besides its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub spec: ModelSpec,
    /// How the text is cut.
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
