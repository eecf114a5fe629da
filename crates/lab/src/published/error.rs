//! The errors of published results: sentences.

use std::fmt;

use gptlab_data::Fingerprint;
use gptlab_recipe::nearest;
use gptlab_report::words::count;

use super::{PublishedResult, PublishedText};

/// Why published results cannot be read, or cannot be repeated.
#[derive(Clone, Debug, PartialEq)]
pub enum PublishedError {
    /// The file has a mistake.
    File {
        file: String,
        /// The line, if it is known.
        line: Option<usize>,
        /// What is wrong, as a part of a sentence.
        what: String,
    },
    /// No result has this name.
    Unknown {
        typed: String,
        nearest: Option<String>,
        known: Vec<String>,
    },
    /// No result is named; these are known.
    Nothing(Vec<PublishedResult>),
    /// The results were measured on other texts.
    OtherText {
        expected: Vec<PublishedText>,
        found: String,
        bytes: u64,
        sha256: Fingerprint,
    },
}

impl PublishedError {
    pub(super) fn unknown(typed: &str, all: &[PublishedResult]) -> Self {
        let known: Vec<String> = all.iter().map(PublishedResult::slug).collect();
        Self::Unknown {
            typed: typed.to_owned(),
            nearest: nearest(typed, known.iter().cloned()),
            known,
        }
    }
}

impl fmt::Display for PublishedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = count(self.bytes);
        write!(f, "{} ({bytes} bytes, SHA-256 {})", self.title, self.sha256)
    }
}

impl fmt::Display for PublishedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line, what } => match line {
                Some(line) => write!(f, "{file}, line {line}: {what}"),
                None => write!(f, "{file}: {what}"),
            },
            Self::Unknown {
                typed,
                nearest,
                known,
            } => {
                write!(f, "there is no published result called {typed:?}; ")?;
                match nearest {
                    Some(near) => write!(f, "did you mean `{near}`?"),
                    None => write!(f, "there are {}, main and all", known.join(", ")),
                }
            }
            Self::Nothing(all) => {
                let names: Vec<String> = all.iter().map(PublishedResult::slug).collect();
                f.write_str("no published result is named; ")?;
                match names.as_slice() {
                    [] => f.write_str("the file has none"),
                    names => write!(f, "there are {}", names.join(", ")),
                }
            }
            Self::OtherText {
                expected,
                found,
                bytes,
                sha256,
            } => {
                let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "the results were measured on {}; found {found} ({} bytes, SHA-256 {sha256})",
                    expected.join(" or "),
                    count(*bytes)
                )
            }
        }
    }
}

impl std::error::Error for PublishedError {}
