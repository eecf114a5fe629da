//! Switches: single changes to a model or its training that remove a part or replace it.
//!
//! Each switch states the part's purpose and a prediction of the outcome before any run, so that a
//! grid tests a hypothesis instead of searching.

mod table;
#[cfg(test)]
mod tests;

use std::fmt;

use gptlab_recipe::{Overrides, Settings, SettingsError};
use serde::Serialize;

pub use table::ALL;

/// One change to a model or its training. `ablate --list --json` prints all of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Switch {
    /// The name that users type.
    pub name: &'static str,
    /// The expected outcome, stated before the run.
    pub prediction: &'static str,
    /// The purpose of the part.
    pub purpose: &'static str,
    /// The paper that introduced the part, or measured its absence.
    pub source: &'static str,
    /// A short description of the change.
    pub title: &'static str,
    #[serde(skip)]
    change: fn(&Settings) -> Overrides,
}

/// The unchanged model, with which all others are compared.
pub const BASELINE: Switch = Switch {
    name: "baseline",
    title: "nothing broken",
    purpose: "what everything else is compared with",
    prediction: "the lowest loss, or close to it",
    source: "Radford et al. 2019",
    change: |_| Overrides::default(),
};

/// The pseudo-switch of a sweep's points.
pub(crate) const POINT: Switch = Switch {
    name: "",
    title: "",
    purpose: "how loss falls with size, and how the best learning rate moves with it",
    prediction: "a power law in the number of parameters; a U over learning rates, its bottom at lower rates for larger \
                 models",
    source: "Kaplan et al. 2020; Hoffmann et al. 2022; Yang et al. 2022",
    change: |_| Overrides::default(),
};

/// The switches of the ancestor's ablation table: no residual, post-LN, no attention.
pub const SEED: [&str; 3] = ["residual", "post-ln", "attention"];

impl Switch {
    /// Finds the switch called `name`.
    ///
    /// # Errors
    /// Returns an error that lists the known names if there is no such switch.
    pub fn find(name: &str) -> Result<Self, UnknownSwitch> {
        let found = ALL.iter().find(|s| s.name == name).copied();
        found.ok_or_else(|| UnknownSwitch(name.to_owned()))
    }

    /// Parses a comma-separated list of switches, and keeps each once. `all` and `seed` stand for
    /// lists of them, and `baseline` for no switch.
    ///
    /// # Errors
    /// Returns an error if a name is unknown.
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

    /// Returns the overrides that apply this switch to `base`.
    pub fn overrides(&self, base: &Settings) -> Overrides {
        (self.change)(base)
    }

    /// Returns `base` with this switch applied. The result equals `base` if the switch changes
    /// nothing.
    ///
    /// # Errors
    /// Returns an error if `base` rejects the settings of this switch.
    pub fn applied(&self, base: &Settings) -> Result<Settings, SettingsError> {
        let mut settings = base.clone();
        self.overrides(base).apply(&mut settings)?;
        Ok(settings)
    }
}

/// The error of a name that no switch has.
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
