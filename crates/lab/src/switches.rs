//! What can be broken: a switch takes one part out of a model or its training, or puts another in
//! its place.
//!
//! Each says beforehand what the part is for and what to expect without it, so that a grid is an
//! experiment and not a search: predict, run, compare.

mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use gptlab_recipe::{Overrides, Settings, SettingsError};
use serde::Serialize;

pub use table::ALL;

/// One thing broken. `ablate --list --json` prints all of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Switch {
    /// As users type it.
    pub name: &'static str,
    /// What is expected, said before the run.
    pub prediction: &'static str,
    /// What the part is for.
    pub purpose: &'static str,
    /// The paper that established the part, or measured its absence.
    pub source: &'static str,
    /// A few words.
    pub title: &'static str,
    #[serde(skip)]
    change: fn(&Settings) -> Overrides,
}

/// Nothing broken: what all others are compared with.
pub const BASELINE: Switch = Switch {
    name: "baseline",
    title: "nothing broken",
    purpose: "what everything else is compared with",
    prediction: "the lowest loss, or close to it",
    source: "Radford et al. 2019",
    change: |_| Overrides::default(),
};

/// A point of a sweep.
pub(crate) const POINT: Switch = Switch {
    name: "",
    title: "",
    purpose: "how loss falls with size, and how the best learning rate moves with it",
    prediction: "a power law in the number of parameters; a U over learning rates, its bottom at lower rates for larger \
                 models",
    source: "Kaplan et al. 2020; Hoffmann et al. 2022; Yang et al. 2022",
    change: |_| Overrides::default(),
};

/// The table of the ancestor's own experiment: no residual, post-LN, no attention.
pub const SEED: [&str; 3] = ["residual", "post-ln", "attention"];

impl Switch {
    /// The switch of this name.
    ///
    /// # Errors
    /// When there is none, with the names there are.
    pub fn find(name: &str) -> Result<Self, UnknownSwitch> {
        let found = ALL.iter().find(|s| s.name == name).copied();
        found.ok_or_else(|| UnknownSwitch(name.to_owned()))
    }

    /// Finds the switches that `typed` names, separated by commas, each once; `all` and `seed` are
    /// lists of them, and `baseline` is none.
    ///
    /// # Errors
    /// When a name is none of theirs.
    pub fn named(typed: &str) -> Result<Vec<Self>, UnknownSwitch> {
        let mut found: Vec<Self> = Vec::new();
        let names = typed.split(',').map(str::trim);
        for name in names.filter(|name| !name.is_empty()) {
            let meant: Vec<Self> = match name {
                "all" => ALL.to_vec(),
                "seed" => SEED
                    .iter()
                    .map(|name| Self::find(name))
                    .collect::<Result<_, _>>()?,
                "baseline" => Vec::new(),
                name => vec![Self::find(name)?],
            };
            for switch in meant {
                if found.iter().all(|other| other.name != switch.name) {
                    found.push(switch);
                }
            }
        }
        Ok(found)
    }

    /// Returns the settings that throw this switch in `base`.
    pub fn overrides(&self, base: &Settings) -> Overrides {
        (self.change)(base)
    }

    /// Returns `base` with this switch thrown: equal to `base` where that is how it was.
    ///
    /// # Errors
    /// When `base` cannot have the settings of this switch.
    pub fn applied(&self, base: &Settings) -> Result<Settings, SettingsError> {
        let mut settings = base.clone();
        self.overrides(base).apply(&mut settings)?;
        Ok(settings)
    }
}

/// A name that no switch has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSwitch(String);

impl fmt::Display for UnknownSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = ALL.iter().map(|s| s.name).collect();
        write!(
            f,
            "there is no switch called {:?}; there are {}, and the lists `all` and `seed`",
            self.0,
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownSwitch {}
