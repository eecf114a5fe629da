//! The reasons why a measurement failed. Each is a sentence.

use std::{fmt, io};

use gptlab_data::{BatchesError, CorpusError};
use gptlab_engine::{GenerationError, ImportError, sample::SamplingError};
use gptlab_model::{BatchError, SpecError};
use gptlab_recipe::{SettingsError, words::reason};

/// An error of a benchmark; most variants hold the error of the crate that found the problem.
#[derive(Debug)]
pub enum Error {
    /// There is no workload with this name; the known names are listed.
    UnknownWorkload {
        name: String,
        known: Vec<&'static str>,
    },
    /// The number of rounds is not between 1 and [`crate::MOST_ROUNDS`].
    Rounds(usize),
    /// The seconds of a turn are not between 0 and [`crate::MOST_SECONDS`].
    Seconds(f64),
    /// The loss to reach is not a positive number.
    Target(f64),
    /// The settings of a model are out of range.
    Settings(SettingsError),
    /// The settings do not describe a valid model.
    Spec(SpecError),
    /// The text cannot be trained on.
    Corpus(CorpusError),
    /// The corpus cannot be cut into batches of the requested size.
    Batches(BatchesError),
    /// A batch does not fit the model, which is a bug in the program.
    Batch(BatchError),
    /// An engine runs a different model, which is a bug in the program.
    Import(ImportError),
    /// The model cannot continue the prompt, or its device has stopped computing.
    Generation(GenerationError),
    /// The sampling settings are out of range.
    Sampling(SamplingError),
    /// The logits are not numbers, so that no token can be chosen.
    Diverged,
    /// The process of gptlab did not run, for this reason.
    WorkerProcess(String),
    /// A whole training of gptlab failed, for this reason.
    Training(String),
    /// The process of gptlab could not write an answer.
    Answer(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownWorkload { name, known } => write!(
                f,
                "there is no workload `{name}`; there are {}",
                known.join(", ")
            ),
            Self::Rounds(found) => write!(
                f,
                "rounds must be from 1 to {}, found {found}",
                crate::MOST_ROUNDS
            ),
            Self::Seconds(found) => write!(
                f,
                "seconds must be from 0 to {}, found {found}",
                crate::MOST_SECONDS
            ),
            Self::Target(found) => write!(
                f,
                "the loss to reach must be a number of nats above 0, found {found}"
            ),
            Self::Settings(e) => e.fmt(f),
            Self::Spec(e) => e.fmt(f),
            Self::Corpus(e) => e.fmt(f),
            Self::Batches(e) => e.fmt(f),
            Self::Batch(e) => e.fmt(f),
            Self::Import(e) => e.fmt(f),
            Self::Generation(e) => e.fmt(f),
            Self::Sampling(e) => e.fmt(f),
            Self::Diverged => f.write_str("the model has diverged"),
            Self::WorkerProcess(why) => write!(f, "a workload did not run: {why}"),
            Self::Training(why) => write!(f, "a training did not end well: {why}"),
            Self::Answer(e) => write!(f, "cannot write an answer: {}", reason(e)),
        }
    }
}

impl std::error::Error for Error {}

macro_rules! from {
    ($($kind:ident($error:ty)),* $(,)?) => {$(
        impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::$kind(error)
            }
        }
    )*};
}

from!(
    Settings(SettingsError),
    Spec(SpecError),
    Corpus(CorpusError),
    Batches(BatchesError),
    Batch(BatchError),
    Import(ImportError),
    Generation(GenerationError),
    Sampling(SamplingError),
);
