//! Everything that decides a run, as plain data.

use gptlab_model::ModelSpec;

use crate::{Hyper, Intervals, ObserveLevel, SampleSettings, Tokenization};

/// Everything that decides a run, besides its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The model.
    pub spec: ModelSpec,
    /// The rules by which the text becomes tokens.
    pub tokenizer: Tokenization,
    pub hyper: Hyper,
    /// The seed of the run's random draws.
    pub seed: u64,
    /// The fraction of the text, at its end, that is kept for validation: at least 0 and below 1.
    pub val_fraction: f64,
    pub intervals: Intervals,
    pub observe: ObserveLevel,
    pub sampling: SampleSettings,
    /// The name of the engine that runs the model, for the record.
    pub engine: String,
    /// The name of the vector instructions that the engine uses; `None` lets the engine choose.
    pub isa: Option<String>,
}
