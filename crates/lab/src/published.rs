//! Results that others have published, and recipes that repeat them.
//!
//! [`results`] reads those that are part of the program, and [`read`] a user's file of the same
//! form. [`chosen`] takes some of them by name, [`on_text`] those that were measured on a text,
//! [`crate::grid::published`] plans their runs, and [`compare`] says whether a published value
//! agrees with ours.

mod compare;
mod error;
mod file;
#[cfg(test)]
mod tests;

use gptlab_data::{Fingerprint, Text};
use gptlab_model::Preset;
use gptlab_recipe::{Overrides, SettingGroup, Settings, SettingsError};
use gptlab_record::{PublishedClaim, PublishedQuantity};
use gptlab_report::words::slug;
use serde::Serialize;

pub use compare::compare;
pub use error::PublishedError;
pub use file::{read, results};

use crate::grid::Skipped;

/// The number of seeds of a result that names none.
pub const SEEDS: u64 = 3;

/// A result that somebody published, and the recipe that repeats it. `ablate --against published
/// --list --json` prints all of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PublishedResult {
    /// The name in a sentence, which users may type with hyphens.
    pub name: String,
    pub source: PublishedSource,
    pub text: PublishedText,
    /// The name of the preset that the recipe is over.
    #[serde(serialize_with = "preset_name")]
    pub preset: Preset,
    /// The settings in which the recipe differs from the preset.
    pub settings: Overrides,
    pub quantity: PublishedQuantity,
    /// In nats per token; `None` for an n-gram baseline, which is measured.
    pub value: Option<f64>,
    /// The published spread, on both sides of the value; `None` if none was published.
    pub spread: Option<f64>,
    /// How far from the n-gram baseline a loss may be and still be called at it.
    pub within: Option<f64>,
    /// The number of seeds of our runs.
    pub seeds: u64,
    /// Whether a run takes more than about ten minutes on two cores.
    pub long: bool,
    /// What else is known, or what the recipe assumes; may be empty.
    pub remark: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn preset_name<S: serde::Serializer>(preset: &Preset, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(gptlab_model::Choice::name(*preset))
}

/// Who published a result, as far as that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSource {
    pub author: Option<String>,
    pub year: Option<u16>,
    pub address: Option<String>,
    /// What is known besides, or instead, and what is not.
    pub known: Option<String>,
}

impl PublishedSource {
    /// Returns what is known of the source, as a part of a sentence.
    pub fn sentence(&self) -> String {
        let name = match (&self.author, self.year) {
            (Some(author), Some(year)) => Some(format!("{author} ({year})")),
            (Some(author), None) => Some(author.clone()),
            (None, Some(year)) => Some(year.to_string()),
            (None, None) => None,
        };
        let parts = [name, self.address.clone(), self.known.clone()];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        parts.join(", ")
    }
}

/// A text that results were measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedText {
    /// The text's name, for people.
    pub title: String,
    pub bytes: u64,
    pub sha256: Fingerprint,
    /// Where the text is to be had.
    pub found: String,
}

impl PublishedText {
    fn is(&self, text: &Text) -> bool {
        self.bytes == text.bytes() && self.sha256 == text.fingerprint()
    }
}

impl PublishedResult {
    /// Returns the name as users type it: `no-position`.
    pub fn slug(&self) -> String {
        slug(&self.name)
    }

    /// Returns the settings of the recipe, with logging and checkpoints that suit its number of
    /// steps, and those of `typed` that change no result.
    ///
    /// # Errors
    /// Returns an error if an override has an invalid value.
    pub fn settings(&self, typed: &Overrides) -> Result<Settings, SettingsError> {
        let mut settings = Settings::of(self.preset, self.settings.steps);
        crate::grid::set_intervals(&mut settings, VAL_TOKENS);
        self.settings.apply(&mut settings)?;
        typed.apply(&mut settings)?;
        Ok(settings)
    }

    /// Returns what a plan holds of this result.
    pub fn claim(&self) -> PublishedClaim {
        PublishedClaim {
            quantity: self.quantity,
            value: self.value,
            spread: self.spread,
            within: self.within,
            seeds: self.seeds,
        }
    }
}

/// An evaluation during training uses at most about this many tokens; the finished model is
/// evaluated on all.
const VAL_TOKENS: u64 = 1 << 13;

/// Returns the name of a setting of `typed` that changes what a recipe measures, if there is one.
pub fn changing(typed: &Overrides) -> Option<String> {
    let harmless = ["seed", "observe", "log_interval", "val_tokens"];
    let mut values = typed.values().map(|(key, _)| key);
    let changing = values.find(|key| match key.group {
        SettingGroup::Writing => false,
        SettingGroup::Run => !harmless.contains(&key.field),
        SettingGroup::Data | SettingGroup::Optimiser | SettingGroup::Model => true,
    });
    changing.map(gptlab_recipe::SettingKey::name)
}

/// Takes the results that `typed` names, separated by commas. `all` is every one, and `main` is
/// those that are not long, unless nothing else is left; the long ones are returned beside them.
///
/// # Errors
/// Returns an error if no result has one of the names, or if nothing is named.
pub fn chosen(
    all: &[PublishedResult],
    typed: &str,
) -> Result<(Vec<PublishedResult>, Vec<Skipped>), PublishedError> {
    let (mut found, mut skipped) = (Vec::<PublishedResult>::new(), Vec::new());
    let names = typed.split(',').map(str::trim);
    for name in names.filter(|name| !name.is_empty()) {
        let meant: Vec<&PublishedResult> = match name {
            "all" => all.iter().collect(),
            "main" => {
                let (long, short): (Vec<_>, Vec<_>) = all.iter().partition(|row| row.long);
                skipped.extend(long.into_iter().map(too_long));
                short
            }
            name => {
                let called = |row: &&PublishedResult| row.name == name || row.slug() == slug(name);
                let row = all.iter().find(called);
                vec![row.ok_or_else(|| PublishedError::unknown(name, all))?]
            }
        };
        for row in meant {
            if found.iter().all(|other| other.name != row.name) {
                found.push(row.clone());
            }
        }
    }
    skipped.retain(|skipped: &Skipped| found.iter().all(|row| row.slug() != skipped.name));
    if found.is_empty() {
        return Err(PublishedError::Nothing(all.to_vec()));
    }
    Ok((found, skipped))
}

fn too_long(row: &PublishedResult) -> Skipped {
    Skipped {
        name: row.slug(),
        why: format!("it is long; `--switches {}` runs it", row.slug()),
    }
}

/// Takes the results that were measured on `text`; the others are returned beside them.
///
/// # Errors
/// Returns an error if none of them was.
pub fn on_text(
    results: Vec<PublishedResult>,
    text: &Text,
) -> Result<(Vec<PublishedResult>, Vec<Skipped>), PublishedError> {
    let (own, others): (Vec<_>, Vec<_>) = results.into_iter().partition(|row| row.text.is(text));
    if own.is_empty() {
        return Err(PublishedError::OtherText {
            expected: texts(&others),
            found: text.origin().to_string(),
            bytes: text.bytes(),
            sha256: text.fingerprint(),
        });
    }
    let skipped = others.iter().map(|row| Skipped {
        name: row.slug(),
        why: format!("it was measured on another text, {}", row.text.title),
    });
    Ok((own, skipped.collect()))
}

/// Returns the texts that `results` were measured on, each once.
pub fn texts(results: &[PublishedResult]) -> Vec<PublishedText> {
    let mut found: Vec<PublishedText> = Vec::new();
    for row in results {
        if !found.contains(&row.text) {
            found.push(row.text.clone());
        }
    }
    found
}
