//! Switches: single changes to a model or its training that remove a part or replace it.
//!
//! Each switch states the part's purpose and a prediction of the outcome before any run, so that a
//! grid tests a hypothesis instead of searching.

mod elsewhere;
mod names;
mod optimizers;
mod table;
#[cfg(test)]
mod tests;
mod widths;

use std::fmt;

use gptlab_recipe::{Overrides, Settings, SettingsError, nearest};
use gptlab_record::ExpectedDifference;
use gptlab_report::words::slug;
use serde::Serialize;

pub use table::ALL;

/// One change to a model or its training. `ablate --list --json` prints all of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Switch {
    /// The name in a sentence: `no residual`. Users may type it with hyphens.
    pub name: &'static str,
    /// The names in older versions, which users may type and old grids hold.
    pub aliases: &'static [&'static str],
    /// The expected difference from the baseline of a bare `gptlab ablate`, in nats per token,
    /// stated before the run.
    pub expected: ExpectedDifference,
    /// The expected outcome there in words, stated before the run.
    pub prediction: &'static str,
    /// The purpose of the part.
    pub purpose: &'static str,
    /// The paper that introduced the part, or measured its absence.
    pub source: &'static str,
    /// A short description of the change.
    pub title: &'static str,
    /// What the part replaces in a model, if a name of both reads well.
    #[serde(skip)]
    replaces: fn(&Settings) -> Option<&'static str>,
    #[serde(skip)]
    change: fn(&Settings) -> Overrides,
}

/// Expects nothing in particular.
const ANY: ExpectedDifference = ExpectedDifference {
    low: None,
    high: None,
};

/// The unchanged model, with which all others are compared.
pub const BASELINE: Switch = Switch {
    name: gptlab_record::BASELINE_NAME,
    aliases: &[],
    expected: ANY,
    replaces: |_| None,
    title: "nothing broken",
    purpose: "what everything else is compared with",
    prediction: "the lowest loss, or close to it",
    source: "Radford et al. 2019",
    change: |_| Overrides::default(),
};

/// The pseudo-switch of a sweep's points.
pub(crate) const POINT: Switch = Switch {
    name: "",
    aliases: &[],
    expected: ANY,
    replaces: |_| None,
    title: "",
    purpose: "how loss falls with size, and how the best learning rate moves with it",
    prediction: "a power law in the number of parameters; a U over learning rates, its bottom at lower rates for larger \
                 models",
    source: "Kaplan et al. 2020; Hoffmann et al. 2022; Yang et al. 2022",
    change: |_| Overrides::default(),
};

/// The switches of the ancestor's ablation table.
pub const SEED: [&str; 3] = ["no residual", "post-LN", "no attention"];

/// The switches of the parts that matter most, which `gptlab ablate` tries by default.
pub const MAIN: [&str; 6] = [
    "no residual",
    "no attention",
    "no MLP",
    "no norm",
    "post-LN",
    "no positions",
];

impl Switch {
    /// Finds the switch of this name, as sentences write it (`no residual`), as flags do
    /// (`no-residual`), as older versions did (`residual`), or with what it replaces
    /// (`swiglu-for-gelu`).
    ///
    /// # Errors
    /// Returns an error that lists the known names if there is no such switch.
    pub fn find(name: &str) -> Result<Self, UnknownSwitch> {
        let whole = slug(name);
        let typed = whole.split("-for-").next().unwrap_or_default();
        let called =
            |s: &&Self| slug(s.name) == typed || s.aliases.iter().any(|a| slug(a) == typed);
        let found = ALL.iter().find(called).copied();
        found.ok_or_else(|| UnknownSwitch(name.to_owned()))
    }

    /// Returns the name as flags and folders have it: `no-residual`.
    pub fn slug(&self) -> String {
        slug(self.name)
    }

    /// Returns the name that a sentence about `base` with this switch has: `no residual`, or
    /// `SwiGLU for GELU`.
    pub fn label(&self, base: &Settings) -> String {
        match (self.replaces)(base) {
            Some(other) if other != self.name => format!("{} for {other}", self.name),
            Some(_) | None => self.name.to_owned(),
        }
    }

    /// Parses a comma-separated list of switches, and keeps each once. `main`, `all` and `seed`
    /// stand for lists of them, and `baseline` for no switch.
    ///
    /// # Errors
    /// Returns an error if a name is unknown.
    pub fn named(typed: &str) -> Result<Vec<Self>, UnknownSwitch> {
        let mut found: Vec<Self> = Vec::new();
        let names = typed.split(',').map(str::trim);
        let list = |names: &[&str]| -> Result<Vec<Self>, UnknownSwitch> {
            names.iter().map(|name| Self::find(name)).collect()
        };
        for name in names.filter(|name| !name.is_empty()) {
            let meant: Vec<Self> = match name {
                "all" => ALL.to_vec(),
                "main" => list(&MAIN)?,
                "seed" => list(&SEED)?,
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

    /// Returns the expected difference from `base`, in nats per token, and the expected outcome in
    /// words.
    pub fn expectation(&self, base: &Settings) -> (ExpectedDifference, &'static str) {
        elsewhere::expectation(self.name, base).unwrap_or((self.expected, self.prediction))
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

/// Returns the name that a variant of an older version's grid has now: `no residual lr=0.1` for
/// `residual lr=0.1`. `None` where the name has not changed.
pub fn current_name(old: &str) -> Option<String> {
    let (name, point) = old.split_once(' ').unwrap_or((old, ""));
    let was = |s: &&Switch| s.aliases.contains(&name) || (s.slug() == name && s.name != name);
    let found = ALL.iter().find(was)?;
    Some(format!("{} {point}", found.name).trim_end().to_owned())
}

/// The error of a name that no switch has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSwitch(String);

impl fmt::Display for UnknownSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = ALL.iter().map(Switch::slug).collect();
        write!(f, "there is no switch called {:?}; ", self.0)?;
        let aliases = ALL.iter().flat_map(|switch| switch.aliases);
        let known = names
            .iter()
            .cloned()
            .chain(aliases.map(|&alias| alias.to_owned()));
        let near = nearest(&slug(&self.0), known).and_then(|near| Switch::find(&near).ok());
        if let Some(near) = near {
            write!(f, "is `{}` meant? ", near.slug())?;
        }
        write!(
            f,
            "there are {}, and the lists `main`, `all` and `seed`",
            names.join(", ")
        )
    }
}

impl std::error::Error for UnknownSwitch {}
