//! Why training cannot begin or go on: always a sentence.

use std::{fmt, path::PathBuf};

use gptlab_data::{BatchesError, CorpusError};
use gptlab_engine::{ImportError, ReduceError};
use gptlab_model::{BatchError, SpecError};
use gptlab_recipe::HyperError;
use gptlab_record::FileError;

/// Whatever is in the way, as the crate that found it says it.
#[derive(Debug)]
pub enum Error {
    /// A file that cannot be read or written, or is not what it has to be.
    File(FileError),
    /// A model that makes no sense.
    Spec(SpecError),
    /// Hyper-parameters that cannot be.
    Hyper(HyperError),
    /// A text that cannot be learnt from.
    Corpus(CorpusError),
    /// A text without a single character in its documents; what it is called.
    NoCharacters(String),
    Batches(BatchesError),
    /// A batch that is none of the model's: a mistake of the program.
    Batch(BatchError),
    /// An engine that runs another model: a mistake of the program.
    Import(ImportError),
    /// Gradients of several engines that were not added up.
    Reduce(ReduceError),
    /// A run was to end before where it is.
    StepsMade {
        requested: u64,
        made: u64,
    },
    /// A run of a grid, which does not go on alone.
    RunOfGrid {
        folder: PathBuf,
        grid: PathBuf,
    },
    /// The run in this folder, which has saved nothing, was begun with other settings.
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
            Self::StepsMade { requested, made } => write!(
                f,
                "the run has made {made} steps, and {requested} are fewer; ask for more than {made}, or \
                 go on from an older checkpoint"
            ),
            Self::RunOfGrid { folder, grid } => write!(
                f,
                "{} is a run of the grid in {}, whose own command goes on with it",
                folder.display(),
                grid.display()
            ),
            Self::OtherSettings(folder) => {
                write!(f, "{} was begun with other settings", folder.display())
            }
        }
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
