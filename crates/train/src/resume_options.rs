//! The settings of a resumed run that may differ from before.

use gptlab_recipe::{Intervals, ObserveLevel, SampleSettings, Settings};
use gptlab_record::Experiment;

use crate::Header;

/// The settings that may change when a run is resumed, because the numbers of earlier steps do not
/// depend on them.
#[derive(Clone, Debug, PartialEq)]
pub struct ResumeOptions {
    pub intervals: Intervals,
    pub observe: ObserveLevel,
    pub sampling: SampleSettings,
    pub engine: String,
    pub isa: Option<String>,
    /// The new number of steps; `None` keeps the run's own.
    pub steps: Option<u64>,
}

impl ResumeOptions {
    /// Takes the options from `settings`, and keeps the run's own number of steps.
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

    /// Takes the options from a run's record, on the given engine and instructions.
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
    /// Returns the settings of the run that wrote this header, resumed with `options`.
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

/// Returns the settings of the run that `experiment` records.
pub fn recorded_settings(experiment: &Experiment) -> Settings {
    let isa = experiment.isa.clone();
    let options = ResumeOptions::of_record(experiment, &experiment.engine, isa);
    of_experiment(experiment, &options)
}

/// Returns the settings of the run that `experiment` records, resumed with `options`.
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
