//! Training, from settings to a finished run.
//!
//! [`Settings`] and a text become a [`Resolved`] experiment: a checked model, its corpus and its
//! first weights. A [`Run`] takes it and any [`gptlab_engine::Engine`], writes the experiment
//! before step 0, and trains. One step draws the batch of (seed, step), runs forward and backward,
//! updates the weights at the step's learning rate, and emits events. A [`Checkpoint`] after `s`
//! updates holds everything that step `s` needs, so that a resumed run computes the same bits as an
//! uninterrupted one. A [`Resumable`] is a run that can be resumed.
//!
//! A [`TrainedModel`] is the part of a checkpoint that does not belong to the run's state: an
//! [`EvaluatedText`] measures its loss, and a [`Sampler`] generates text with it.
//!
//! Knows: experiments, learning rates, checkpoints, when to log, sample and save; a stopwatch.
//! Never will: the inside of a model or an engine, terminals, the environment, choosing paths.

mod checkpoint;
mod error;
mod evaluate;
mod first_weights;
mod inspect;
mod observer;
mod outcome;
mod rebuild_batches;
mod resolve;
mod resumable;
mod resume_options;
mod run;
mod run_options;
mod sample;
mod schedule;
mod speed;
#[cfg(test)]
mod testing;
mod trained;

pub use checkpoint::{
    About, Checkpoint, DataMark, Header, NonFinite, SaveError, Stored, is_checkpoint,
};
pub use error::Error;
pub use evaluate::{
    Coverage, Evaluation, EvaluationReport, coverage, evaluate, evaluate_overlapping,
};
pub use first_weights::save_first_weights;
pub use gptlab_recipe::Settings;
pub use gptlab_record::{Event, Experiment, NotFinite, Observation, Series, StepRecord};
pub use inspect::{Inspection, ParameterRow};
pub use observer::{Observer, Progress};
pub use outcome::Outcome;
pub use rebuild_batches::rebuild_batches;
pub use resolve::{Damaged, Newest, Notice, Resolved, same_settings};
pub use resumable::{Resumable, refuse_run_of_grid, run_folder};
pub use resume_options::{ResumeOptions, recorded_settings};
pub use run::Run;
pub use run_options::RunOptions;
pub use sample::{SampleError, SampleEvent, SampleModel, Sampler, sample_documents, texts_at_once};
pub use schedule::{Schedule, step_hyper};
pub use speed::Speed;
pub use trained::{EvaluatedText, TrainedModel};
