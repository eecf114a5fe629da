//! The origins of texts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a text came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TextOrigin {
    /// A file, by the path it was read from.
    File(String),
    /// A built-in text, by name.
    Builtin(String),
    /// Anything else, in the caller's words (for example `standard input`).
    Other(String),
}

impl fmt::Display for TextOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Builtin(name) => write!(f, "the built-in text `{name}`"),
            Self::Other(what) => f.write_str(what),
        }
    }
}
