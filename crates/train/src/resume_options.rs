//! The settings of a run that goes on: its own, and what may change.

use gptlab_recipe::{Intervals, ObserveLevel, SampleSettings, Settings};
use gptlab_record::Experiment;

use crate::Header;

/// What of a run may change when it is gone on with: no number before the change depends on it.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumeOptions {
    pub intervals: Intervals,
    pub observe: ObserveLevel,
    pub sampling: SampleSettings,
    pub engine: String,
    pub isa: Option<String>,
    /// Another number of steps than the run was to make; `None`: the same.
    pub steps: Option<u64>,
}

impl ResumeOptions {
    /// As `settings` say, with the run's own number of steps.
    pub fn of(settings: &Settings) -> Self {
        Self {
            intervals: settings.intervals,
            observe: settings.observe,
            sampling: settings.sampling.clone(),
            engine: settings.engine.clone(),
            isa: settings.isa.clone(),
            steps: None,
        }
    }

    /// As a run's record says, on this engine.
    pub fn of_record(experiment: &Experiment, engine: &str, isa: Option<String>) -> Self {
        Self {
            intervals: experiment.intervals,
            observe: experiment.observe,
            sampling: experiment.sampling.clone(),
            engine: engine.to_owned(),
            isa,
            steps: None,
        }
    }
}

impl Header {
    /// Returns the settings of the run that wrote this, which goes on as `options` say.
    pub fn settings(&self, options: &ResumeOptions) -> Settings {
        Settings {
            spec: self.spec.clone(),
            tokenizer: self.tokenizer.tokenization(),
            hyper: self.hyper,
            seed: self.seed,
            val_fraction: self.data.val_fraction,
            intervals: options.intervals,
            observe: options.observe,
            sampling: options.sampling.clone(),
            engine: options.engine.clone(),
            isa: options.isa.clone(),
        }
    }
}

/// The settings of the run that `experiment` tells of.
pub(crate) fn of_experiment(experiment: &Experiment, options: &ResumeOptions) -> Settings {
    Settings {
        spec: experiment.spec.clone(),
        tokenizer: experiment.tokenizer.tokenization(),
        hyper: experiment.hyper,
        seed: experiment.seed,
        val_fraction: experiment.data.val_fraction,
        intervals: options.intervals,
        observe: options.observe,
        sampling: options.sampling.clone(),
        engine: options.engine.clone(),
        isa: options.isa.clone(),
    }
}
