//! The reasons why training cannot begin or continue. Each is a sentence.

use std::{fmt, path::PathBuf};

use gptlab_data::{BatchesError, CorpusError};
use gptlab_engine::{Engine, ImportError, ReduceError};
use gptlab_model::{BatchError, SpecError};
use gptlab_recipe::{HyperError, words::plural_s};
use gptlab_record::FileError;

/// An error of training; most variants hold the error of the crate that found the problem.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read or written, or is not what it was expected to be.
    File(FileError),
    /// The settings do not describe a valid model.
    Spec(SpecError),
    /// A hyper-parameter is out of range.
    Hyper(HyperError),
    /// The text cannot be trained on.
    Corpus(CorpusError),
    /// The documents of this text hold no characters. The string is the text's name.
    NoCharacters(String),
    /// The corpus cannot be cut into batches of the requested size.
    Batches(BatchesError),
    /// A batch does not fit the model, which is a bug in the program.
    Batch(BatchError),
    /// An engine runs a different model, which is a bug in the program.
    Import(ImportError),
    /// The gradients of several engines could not be added.
    Reduce(ReduceError),
    /// The device has stopped computing, for the reason that the sentence gives.
    Device(String),
    /// The requested number of steps is smaller than the number already made.
    StepsMade { requested: u64, made: u64 },
    /// The run belongs to a grid, and only the grid can resume it.
    RunOfGrid { folder: PathBuf, grid: PathBuf },
    /// The run in this folder was begun with other settings and has saved no checkpoint.
    OtherSettings(PathBuf),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(e) => e.fmt(f),
            Self::Spec(e) => e.fmt(f),
            Self::Hyper(e) => e.fmt(f),
            Self::Corpus(e) => e.fmt(f),
            Self::NoCharacters(source) => write!(
                f,
                "{source} holds no characters besides white space; give a text to learn from"
            ),
            Self::Batches(e) => e.fmt(f),
            Self::Batch(e) => e.fmt(f),
            Self::Import(e) => e.fmt(f),
            Self::Reduce(e) => e.fmt(f),
            Self::Device(reason) => f.write_str(reason),
            Self::StepsMade { requested, made } => write!(
                f,
                "the run has made {made} step{}, and {requested} are fewer; request more than {made}, \
                 or resume from an older checkpoint",
                plural_s(*made)
            ),
            Self::RunOfGrid { folder, grid } => write!(
                f,
                "{} is a run of the grid in {}; resume it with the grid's own command",
                folder.display(),
                grid.display()
            ),
            Self::OtherSettings(folder) => {
                write!(f, "{} was begun with other settings", folder.display())
            }
        }
    }
}

impl Error {
    /// Returns the reason why the device of `engine` has stopped computing, if it has: its numbers
    /// are then no results.
    pub(crate) fn unless_stopped(engine: &dyn Engine) -> Result<(), Self> {
        engine
            .failure()
            .map_or(Ok(()), |reason| Err(Self::Device(reason)))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(e) => e.source(),
            Self::Spec(_)
            | Self::Hyper(_)
            | Self::Corpus(_)
            | Self::NoCharacters(_)
            | Self::Batches(_)
            | Self::Batch(_)
            | Self::Import(_)
            | Self::Reduce(_)
            | Self::Device(_)
            | Self::StepsMade { .. }
            | Self::RunOfGrid { .. }
            | Self::OtherSettings(_) => None,
        }
    }
}

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
    File(FileError),
    Spec(SpecError),
    Hyper(HyperError),
    Corpus(CorpusError),
    Batches(BatchesError),
    Batch(BatchError),
    Import(ImportError),
    Reduce(ReduceError),
);
