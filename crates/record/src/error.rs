//! What can be wrong with a file, as a sentence that names it.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// Why a file could not be read or written.
#[derive(Debug)]
pub enum FileError {
    /// The operating system refused. `doing` is a verb: `read`, `write`.
    Io {
        doing: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    /// The file is there, and not what it has to be.
    Wrong {
        path: PathBuf,
        expected: String,
        found: String,
    },
    /// Another process is writing the run.
    Busy(PathBuf),
    /// A new run was to begin where one is already kept.
    Taken(PathBuf),
}

impl FileError {
    /// The error of an operation on `path`, for `map_err`.
    pub fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |error| Self::Io { doing, path, error }
    }

    /// A file that is not what it has to be.
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
    // Not the project's enum, and open to new kinds: what is not listed speaks for itself.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "io::ErrorKind is non-exhaustive"
    )]
    match error.kind() {
        io::ErrorKind::StorageFull => {
            f.write_str("the disk is full; free some space (what was saved before is unchanged)")
        }
        io::ErrorKind::QuotaExceeded => {
            f.write_str("your share of the disk is full (what was saved before is unchanged)")
        }
        io::ErrorKind::NotFound => f.write_str("there is no such file or folder"),
        io::ErrorKind::PermissionDenied => f.write_str("it is not permitted"),
        io::ErrorKind::IsADirectory => f.write_str("it is a folder, not a file"),
        io::ErrorKind::ReadOnlyFilesystem => f.write_str("its file system is read-only"),
        _ => write!(f, "{error}"),
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
