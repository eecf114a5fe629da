//! Why nothing could be measured: always a sentence.

use std::{fmt, io};

use gptlab_data::{BatchesError, CorpusError};
use gptlab_engine::{ImportError, PromptError, sample::SamplingError};
use gptlab_model::{BatchError, SpecError};
use gptlab_recipe::SettingsError;

/// What is in the way, as the crate that found it says it.
#[derive(Debug)]
pub enum Error {
    /// A workload's name that there is not, and the names that there are.
    UnknownWorkload {
        name: String,
        known: Vec<&'static str>,
    },
    /// A number of rounds that is not from 1 to [`crate::MOST_ROUNDS`].
    Rounds(usize),
    /// Seconds of a turn that are not from 0 to [`crate::MOST_SECONDS`].
    Seconds(f64),
    /// Settings of a model that cannot be.
    Settings(SettingsError),
    /// A model that makes no sense.
    Spec(SpecError),
    /// A text that cannot be learnt from.
    Corpus(CorpusError),
    Batches(BatchesError),
    Batch(BatchError),
    /// An engine that runs another model: a mistake of the program.
    Import(ImportError),
    Prompt(PromptError),
    Sampling(SamplingError),
    /// No token can be chosen from what the model says.
    Diverged,
    /// Our own program did not run; the reason.
    WorkerProcess(String),
    /// An answer that could not be written.
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
            Self::Settings(e) => e.fmt(f),
            Self::Spec(e) => e.fmt(f),
            Self::Corpus(e) => e.fmt(f),
            Self::Batches(e) => e.fmt(f),
            Self::Batch(e) => e.fmt(f),
            Self::Import(e) => e.fmt(f),
            Self::Prompt(e) => e.fmt(f),
            Self::Sampling(e) => e.fmt(f),
            Self::Diverged => f.write_str("the model has diverged"),
            Self::WorkerProcess(why) => write!(f, "a workload did not run: {why}"),
            Self::Answer(e) => write!(f, "cannot write an answer: {e}"),
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
    Prompt(PromptError),
    Sampling(SamplingError),
);
