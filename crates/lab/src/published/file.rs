//! The reader of files of published results.

use std::{collections::BTreeMap, ops::RangeInclusive};

use gptlab_model::{Choice, Preset};
use gptlab_recipe::Overrides;
use gptlab_record::PublishedQuantity;
use gptlab_report::words::slug;
use serde::Deserialize;
use toml::Spanned;

use super::{PublishedError, PublishedResult, PublishedSource, PublishedText, SEEDS};
use crate::{grid::MOST_SEEDS, ngram};

/// The file that is part of the program.
const OURS: &str = include_str!("results.toml");
/// The most characters of a name, so that a terminal has room for the table.
const MOST_NAME: usize = 22;
/// The names that stand for lists.
const LISTS: [&str; 2] = ["main", "all"];
/// The losses that a result may have, in nats per token.
const LOSSES: RangeInclusive<f64> = 0.0..=100.0;

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    texts: BTreeMap<String, PublishedText>,
    sources: BTreeMap<String, PublishedSource>,
    results: Vec<Spanned<Written>>,
}

/// A result as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    source: String,
    text: String,
    preset: String,
    #[serde(default)]
    settings: Overrides,
    quantity: PublishedQuantity,
    value: Option<f64>,
    spread: Option<f64>,
    within: Option<f64>,
    seeds: Option<u64>,
    #[serde(default)]
    long: bool,
    #[serde(default)]
    remark: String,
}

/// Reads the results that are part of the program.
///
/// # Errors
/// Returns an error if the file has a mistake, which a test rules out.
pub fn results() -> Result<Vec<PublishedResult>, PublishedError> {
    read("the program's own results", OURS)
}

/// Reads the results in `text`, the content of a file called `file`.
///
/// # Errors
/// Returns a sentence about the first mistake.
pub fn read(file: &str, text: &str) -> Result<Vec<PublishedResult>, PublishedError> {
    let mistake = |at: Option<usize>, what: String| PublishedError::File {
        file: file.to_owned(),
        line: at.map(|at| 1 + text[..at].matches('\n').count()),
        what,
    };
    let parsed: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map(|span| span.start);
        mistake(at, error.message().to_owned())
    })?;
    for (name, source) in &parsed.sources {
        if source.sentence().trim().is_empty() {
            let what = format!("the source `{name}` needs an author, or what is `known` of it");
            return Err(mistake(None, what));
        }
    }
    let mut found: Vec<PublishedResult> = Vec::new();
    for written in &parsed.results {
        let at = Some(written.span().start);
        let row = row(&parsed, written.get_ref()).map_err(|what| mistake(at, what))?;
        if found.iter().any(|other| other.slug() == row.slug()) {
            let what = format!("a second result is called `{}`", row.name);
            return Err(mistake(at, what));
        }
        found.push(row);
    }
    Ok(found)
}

/// Checks a result, and looks up what it names.
fn row(file: &File, written: &Written) -> Result<PublishedResult, String> {
    let name = written.name.clone();
    check_name(&name)?;
    let of = |what: String| format!("the result `{name}`: {what}");
    let text = file
        .texts
        .get(&written.text)
        .ok_or_else(|| of(absent("text", &written.text, file.texts.keys())))?;
    let source = file
        .sources
        .get(&written.source)
        .ok_or_else(|| of(absent("source", &written.source, file.sources.keys())))?;
    let seeds = written.seeds.unwrap_or(SEEDS);
    if !(1..=MOST_SEEDS).contains(&seeds) {
        let what = format!("seeds must be from 1 to {MOST_SEEDS}, found {seeds}");
        return Err(of(what));
    }
    check_value(written).map_err(of)?;
    let row = PublishedResult {
        preset: Preset::parse(&written.preset).map_err(|e| of(e.to_string()))?,
        source: source.clone(),
        text: text.clone(),
        settings: written.settings.clone(),
        quantity: written.quantity,
        value: written.value,
        spread: written.spread,
        within: written.within,
        seeds,
        long: written.long,
        remark: written.remark.clone(),
        name: written.name.clone(),
    };
    check_settings(&row).map_err(of)?;
    Ok(row)
}

fn check_name(name: &str) -> Result<(), String> {
    let odd = |c: char| c.is_control() || ",=`".contains(c);
    let characters = name.chars().count();
    if slug(name).is_empty() || characters > MOST_NAME || name.contains(odd) {
        return Err(format!(
            "the name of a result must have 1 to {MOST_NAME} characters, a letter or digit among them and no comma, \
             equals sign or backtick; found {name:?}"
        ));
    }
    if LISTS.contains(&slug(name).as_str()) {
        return Err(format!(
            "no result may be called `{name}`, which names a list"
        ));
    }
    Ok(())
}

fn absent<'a>(what: &str, typed: &str, known: impl Iterator<Item = &'a String>) -> String {
    let known: Vec<&str> = known.map(String::as_str).collect();
    match known.as_slice() {
        [] => format!("there is no {what} called `{typed}`; the file names none"),
        known => format!(
            "there is no {what} called `{typed}`; the file names {}",
            known.join(", ")
        ),
    }
}

/// Checks that the numbers of a result are those that its quantity needs.
fn check_value(written: &Written) -> Result<(), String> {
    for (name, number) in [
        ("value", written.value),
        ("spread", written.spread),
        ("within", written.within),
    ] {
        if let Some(number) = number.filter(|number| !LOSSES.contains(number)) {
            let (low, high) = (LOSSES.start(), LOSSES.end());
            return Err(format!(
                "`{name}` must be from {low} to {high}, found {number}"
            ));
        }
    }
    match written.quantity {
        PublishedQuantity::ValidationLoss | PublishedQuantity::TrainingLoss => {
            if written.value.is_none() {
                return Err("a loss needs the published `value`".to_owned());
            }
            if written.within.is_some() {
                return Err(
                    "`within` belongs to an n-gram baseline; a loss has a `spread`".to_owned(),
                );
            }
        }
        PublishedQuantity::NgramBaseline(order) => {
            if !(1..=ngram::MOST).contains(&order) {
                let most = ngram::MOST;
                return Err(format!(
                    "the order of an n-gram baseline must be from 1 to {most}, found {order}"
                ));
            }
            if written.value.is_some() || written.spread.is_some() {
                return Err(
                    "the program measures an n-gram baseline; leave out `value` and `spread`"
                        .to_owned(),
                );
            }
        }
    }
    Ok(())
}

/// Checks that the settings of a recipe fit its preset, and leave the seeds to the grid.
fn check_settings(row: &PublishedResult) -> Result<(), String> {
    if row.settings.preset.is_some() {
        return Err("the preset stands in `preset`, not among the settings".to_owned());
    }
    if row.settings.seed.is_some() {
        return Err("a recipe has no seed of its own; `seeds` is their number".to_owned());
    }
    let settings = row.settings(&Overrides::default());
    settings.map(|_| ()).map_err(|e| e.to_string())
}
