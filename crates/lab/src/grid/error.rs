//! Why there is no such grid.

use std::fmt;

use gptlab_recipe::SettingsError;

/// What keeps a grid from being planned: a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GridError {
    /// This is no setting with its values.
    Axis(String),
    /// An axis whose setting there is not, or has not such a value, or cannot have it here.
    Setting { axis: String, error: SettingsError },
    /// A setting that an ablation does not tune.
    NotTuned(String),
    /// Two points of an axis that are one.
    SameRun {
        axis: String,
        first: String,
        second: String,
    },
    /// Settings that cannot be, whatever the axes are.
    Base(SettingsError),
    /// No size is called so.
    UnknownSize {
        name: String,
        known: Vec<&'static str>,
    },
    /// A list of sizes without any.
    NoSize,
    /// As many seeds as there cannot be.
    Seeds { count: u64, most: u64 },
    /// A first seed after which there are not so many more.
    FirstSeed { first: u64, count: u64 },
}

impl fmt::Display for GridError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Axis(typed) => write!(
                f,
                "{typed}: an axis is a setting and its values, as in lr=1e-4,3e-4"
            ),
            Self::Setting { axis, error } => write!(f, "{axis}: {error}"),
            Self::NotTuned(found) => write!(
                f,
                "an ablation can tune the learning rate, `lr`, found `{found}`; `--grid {found}=A,B` repeats it at \
                 several values"
            ),
            Self::SameRun {
                axis,
                first,
                second,
            } => write!(f, "{axis}: {first} and {second} are the same run"),
            Self::Base(error) => error.fmt(f),
            Self::UnknownSize { name, known } => write!(
                f,
                "there is no size called {name:?}; there are {}, and `all`",
                known.join(", ")
            ),
            Self::NoSize => f.write_str("the list of sizes names no size"),
            Self::Seeds { count, most } => {
                write!(f, "seeds must be from 1 to {most}, found {count}")
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
