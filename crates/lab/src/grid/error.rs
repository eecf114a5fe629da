//! The error of a grid that cannot be planned.

use std::fmt;

use gptlab_recipe::SettingsError;

/// The reason that a grid cannot be planned.
#[derive(Clone, Debug, PartialEq)]
pub enum GridError {
    /// The text is not a setting and its values.
    Axis(String),
    /// The axis names an unknown setting, or a value that the setting rejects.
    Setting { axis: String, error: SettingsError },
    /// The axis is the seed, of which every point of a grid has the same ones.
    SeedAxis,
    /// An ablation does not tune this setting.
    NotTuned(String),
    /// Two points of an axis have the same settings.
    SameRun {
        axis: String,
        first: String,
        second: String,
    },
    /// The settings are invalid at every point.
    Base(SettingsError),
    /// No size has this name.
    UnknownSize {
        name: String,
        known: Vec<&'static str>,
    },
    /// The list of sizes is empty.
    NoSize,
    /// The number of seeds is out of range.
    Seeds { count: u64, most: u64 },
    /// The last seed would overflow.
    FirstSeed { first: u64, count: u64 },
    /// A variant keeps nothing of the text for validation, and a grid compares validation losses.
    NoValidation { val_fraction: f64 },
}

impl fmt::Display for GridError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Axis(typed) => write!(
                f,
                "{typed}: an axis is a setting and its values, as in lr=1e-4,3e-4"
            ),
            Self::Setting { axis, error } => write!(f, "{axis}: {error}"),
            Self::SeedAxis => f.write_str(
                "every point of a grid has the same seeds, and the seed is no axis; `--seeds N` sets how many there are",
            ),
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
            Self::NoValidation { val_fraction } => {
                f.write_str("a grid compares validation losses, and nothing is kept for validation")?;
                if *val_fraction > 0.0 {
                    write!(
                        f,
                        ": the text is too short for a validation fraction of {val_fraction}; give a longer one"
                    )
                } else {
                    f.write_str("; `--val-fraction 0.1` keeps the last tenth of the text")
                }
            }
        }
    }
}

impl std::error::Error for GridError {}
