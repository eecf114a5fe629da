//! Errors about files: each is a sentence that names the file.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use gptlab_recipe::words;

/// The reason why a file could not be read or written.
#[derive(Debug)]
pub enum FileError {
    /// The operating system refused. `doing` completes "cannot …": `read`, `write`.
    Io {
        doing: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    /// The file exists, but its contents or its kind are not what was expected.
    Wrong {
        path: PathBuf,
        expected: String,
        found: String,
    },
    /// Another process is writing to the run in this folder.
    Busy(PathBuf),
    /// A new run cannot begin in this folder, because it already holds a run.
    Taken(PathBuf),
}

impl FileError {
    /// Returns a function for `map_err` that makes the error of an operation on `path`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, error }
    }

    /// Makes the error about a file that is not what it was expected to be.
    pub fn wrong(path: &Path, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Wrong {
            path: path.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { doing, path, error } => {
                write!(f, "cannot {doing} {}: ", path.display())?;
                reason(f, error)
            }
            Self::Wrong {
                path,
                expected,
                found,
            } => write!(f, "{}: expected {expected}, found {found}", path.display()),
            Self::Busy(path) => write!(
                f,
                "{} is being written by another process; wait for it to end or choose another folder",
                path.display()
            ),
            Self::Taken(path) => write!(
                f,
                "{} already holds a run; resume it or choose another folder",
                path.display()
            ),
        }
    }
}

fn reason(f: &mut fmt::Formatter<'_>, error: &io::Error) -> fmt::Result {
    f.write_str(&words::reason(error))?;
    // `io::ErrorKind` is non-exhaustive.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind is non-exhaustive"
    )]
    match error.kind() {
        io::ErrorKind::StorageFull => {
            f.write_str("; free some space (what was saved before is unchanged)")
        }
        io::ErrorKind::QuotaExceeded => f.write_str(" (what was saved before is unchanged)"),
        _ => Ok(()),
    }
}

impl std::error::Error for FileError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::Wrong { .. } | Self::Busy(_) | Self::Taken(_) => None,
        }
    }
}
