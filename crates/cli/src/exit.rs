//! The end of the program: an exit code, a sentence, and hints.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    process,
};

use gptlab_bench::Error as BenchError;
use gptlab_data::{CorpusError, TextError};
use gptlab_lab::grid::GridError;
use gptlab_recipe::words::reason;
use gptlab_record::{FileError, checkpoints};
use gptlab_train::Error as TrainError;

/// The exit codes that `gptlab --help` documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitCode {
    Success,
    /// A file cannot be read or written, a disk is full, or a model diverged.
    Failure,
    /// The two sides of `diff` differ; only `diff` uses this code.
    Different,
    /// Flags or settings make no sense.
    Usage,
    /// A text or a checkpoint is invalid.
    Data,
    /// Ctrl-C, SIGTERM or SIGHUP ended the work, which was saved first.
    Interrupted,
}

impl ExitCode {
    pub(crate) const HELP: &str = "\
Exit codes:
    0  success
    1  failure: a file that cannot be read or written, a full disk, a model that diverged; of `diff`: a difference
    2  usage: flags or settings that make no sense
    3  data: a text or checkpoint that is not what it has to be
  130  interrupted by Ctrl-C, SIGTERM or SIGHUP, after saving";

    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure | Self::Different => 1,
            Self::Usage => 2,
            Self::Data => 3,
            Self::Interrupted => 130,
        }
    }
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

/// The reason why a command stopped: a sentence, and hints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub(crate) code: ExitCode,
    pub(crate) message: String,
    pub(crate) hints: Vec<String>,
}

impl Stop {
    fn new(code: ExitCode, message: impl fmt::Display) -> Self {
        Self {
            code,
            message: message.to_string(),
            hints: Vec::new(),
        }
    }

    pub(crate) fn failure(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Failure, message)
    }

    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Usage, message)
    }

    pub(crate) fn data(message: impl fmt::Display) -> Self {
        Self::new(ExitCode::Data, message)
    }

    /// Reports a file that could not be read or written.
    pub(crate) fn file(doing: &str, path: &Path, error: &io::Error) -> Self {
        Self::failure(format_args!(
            "cannot {doing} {}: {}",
            path.display(),
            reason(error)
        ))
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

pub(crate) type CommandResult<T = ExitCode> = Result<T, Stop>;

impl From<FileError> for Stop {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Io { .. } | FileError::Busy(_) | FileError::Taken(_) => Self::failure(error),
            FileError::Wrong { ref path, .. } => {
                let saved = saved_beside(path);
                let stop = Self::data(error);
                match saved {
                    Some(checkpoint) => stop.hint(format!(
                        "the model that this run saved last can still be used: {}",
                        checkpoint.display()
                    )),
                    None => stop,
                }
            }
        }
    }
}

/// Returns the newest checkpoint of the run whose record or events are in the file at `path`.
fn saved_beside(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_str()?;
    let of_run = ["experiment.json", "events.jsonl"].contains(&name);
    let saved = checkpoints(path.parent().filter(|_| of_run)?).ok()?;
    saved.into_iter().last().map(|(_, file)| file)
}

impl From<TextError> for Stop {
    fn from(error: TextError) -> Self {
        match error {
            TextError::StandardInput => Self::usage(error),
            TextError::Missing(_)
            | TextError::Directory(_)
            | TextError::Special(_)
            | TextError::Unreadable(..) => Self::failure(error),
            TextError::Size { .. }
            | TextError::NotUtf8 { .. }
            | TextError::Foreign { .. }
            | TextError::Nul { .. }
            | TextError::TooShort { .. } => Self::data(error),
        }
    }
}

impl From<CorpusError> for Stop {
    fn from(error: CorpusError) -> Self {
        match error {
            CorpusError::Fraction(_) => Self::usage(error),
            CorpusError::Unknown(..) | CorpusError::TooShort { .. } | CorpusError::Blank(..) => {
                Self::data(error)
            }
        }
    }
}

impl From<TrainError> for Stop {
    fn from(error: TrainError) -> Self {
        match error {
            TrainError::File(e) => e.into(),
            TrainError::Corpus(e) => e.into(),
            TrainError::Spec(_) | TrainError::Hyper(_) | TrainError::StepsMade { .. } => {
                Self::usage(error)
            }
            TrainError::RunOfGrid { .. } => Self::usage(error).hint(
                "`gptlab train --load CHECKPOINT --data TEXT` continues training its model, in another folder",
            ),
            TrainError::OtherSettings(_) => {
                Self::data(error).hint("leave out all flags but --resume")
            }
            TrainError::NoCharacters(_) | TrainError::Batches(_) => Self::data(error),
            TrainError::Batch(_)
            | TrainError::Import(_)
            | TrainError::Reduce(_)
            | TrainError::Device(_) => Self::failure(error),
        }
    }
}

impl From<GridError> for Stop {
    fn from(error: GridError) -> Self {
        match error {
            GridError::Axis(_) | GridError::Setting { .. } | GridError::SameRun { .. } => {
                Self::usage(format_args!("--grid {error}"))
            }
            GridError::SeedAxis => Self::usage(format_args!("--grid: {error}")),
            GridError::NotTuned(_) => Self::usage(format_args!("--tune: {error}")),
            // The messages start with the name of the flag.
            GridError::Seeds { .. } | GridError::FirstSeed { .. } => {
                Self::usage(format_args!("--{error}"))
            }
            GridError::NoSize => Self::usage("--sizes names no size"),
            GridError::Base(_) | GridError::UnknownSize { .. } | GridError::NoValidation { .. } => {
                Self::usage(error)
            }
        }
    }
}

impl From<BenchError> for Stop {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Corpus(e) => e.into(),
            // The messages start with the name of the flag.
            BenchError::Rounds(_) | BenchError::Seconds(_) => {
                Self::usage(format_args!("--{error}"))
            }
            BenchError::Target(_) => Self::usage(format_args!("--time-to-loss: {error}")),
            BenchError::UnknownWorkload { .. } | BenchError::Settings(_) | BenchError::Spec(_) => {
                Self::usage(error)
            }
            BenchError::Batches(_)
            | BenchError::Batch(_)
            | BenchError::Import(_)
            | BenchError::Generation(_)
            | BenchError::Sampling(_)
            | BenchError::Diverged
            | BenchError::WorkerProcess(_)
            | BenchError::Training(_)
            | BenchError::Answer(_) => Self::failure(error),
        }
    }
}
