//! Why there is no such grid.

use std::fmt;

use gptlab_recipe::SettingsError;

use super::{MOST_SEEDS, SIZES};

/// What keeps a grid from being planned: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GridError {
    /// This is no setting with its values.
    Axis(String),
    /// An axis whose setting there is not, or has not such a value, or cannot have it here.
    Setting { axis: String, error: SettingsError },
    /// Two points of an axis that are one.
    SameRun {
        axis: String,
        first: String,
        second: String,
    },
    /// Settings that cannot be, whatever the axes are.
    Base(SettingsError),
    /// No size is called so.
    UnknownSize(String),
    /// A list of sizes without any.
    NoSize,
    /// As many seeds as there cannot be.
    Seeds(u64),
    /// A first seed after which there are not so many more.
    FirstSeed { first: u64, count: u64 },
}

impl fmt::Display for GridError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Axis(typed) => write!(
                f,
                "an axis is a setting and its values, as in lr=1e-4,3e-4; found {typed:?}"
            ),
            Self::Setting { axis, error } => write!(f, "{axis}: {error}"),
            Self::SameRun {
                axis,
                first,
                second,
            } => write!(f, "{axis}: {first} and {second} are the same run"),
            Self::Base(error) => error.fmt(f),
            Self::UnknownSize(name) => {
                let all = SIZES.map(|size| size.name).join(", ");
                write!(
                    f,
                    "there is no size called {name:?}; there are {all}, and `all`"
                )
            }
            Self::NoSize => f.write_str("the list of sizes names no size"),
            Self::Seeds(count) => {
                write!(f, "seeds must be from 1 to {MOST_SEEDS}, found {count}")
            }
            Self::FirstSeed { first, count } => write!(
                f,
                "seed must be at most {} with {count} seeds, found {first}",
                u64::MAX - (count - 1)
            ),
        }
    }
}

impl std::error::Error for GridError {}
