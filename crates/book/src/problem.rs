//! What is wrong with the book: where, what was expected and what to do.

use std::{fmt, io, path::Path};

/// Something that is wrong with the book.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, or what else is wrong.
    pub place: String,
    /// The line of the file, from 1.
    pub line: Option<usize>,
    /// A sentence: what was expected, what was found and what to do.
    pub message: String,
}

impl Problem {
    /// Makes a problem of a whole file.
    pub fn of(place: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self {
            place: place.to_string(),
            line: None,
            message: message.to_string(),
        }
    }

    /// Makes a problem of one line of a file.
    pub fn at(place: impl fmt::Display, line: usize, message: impl fmt::Display) -> Self {
        Self {
            line: Some(line),
            ..Self::of(place, message)
        }
    }

    /// Makes the problem that a file or folder could not be read or written.
    pub fn io(path: &Path, doing: &str, error: &io::Error) -> Self {
        Self::of(path.display(), format_args!("cannot {doing} it: {error}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}
