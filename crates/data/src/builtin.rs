//! The texts that come with the program.

use crate::{names, stories};

/// A text written for this project, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// About a million characters of small stories; see [`stories`].
    Stories,
    /// Eight thousand made-up names, one a line; see [`names`].
    Names,
}

impl Builtin {
    pub const ALL: [Self; 2] = [Self::Stories, Self::Names];

    /// The name users type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stories => "stories",
            Self::Names => "names",
        }
    }

    /// What it is, in a line.
    pub fn summary(self) -> &'static str {
        match self {
            Self::Stories => "small stories with a known entropy, about a million characters",
            Self::Names => "made-up names, one a line, for models of short documents",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.name() == name)
    }

    /// The text itself, always the same.
    pub fn text(self) -> String {
        match self {
            Self::Stories => stories::stories(0, stories::DEFAULT_CHARACTERS),
            Self::Names => names::names(0, names::DEFAULT_COUNT),
        }
    }
}
