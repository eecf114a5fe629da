//! Published results beside ours: tables, and sentences about what agrees.

use gptlab_record::{PublishedBounds, PublishedComparison, PublishedQuantity, PublishedVerdict};

use crate::{
    Study, Table, number,
    table::{Column, TableCell},
    words,
};

/// What "agrees" means, for whoever reads a table of verdicts.
const MEANING: &str = "Agrees means that the published value lies within our 95 % interval of a single run: mean ± t · \
                       sd · √(1 + 1/n), since a published value is one run, or the mean of an unknown number of runs. \
                       It is taken with its spread, if one was published, and as far as its last digit tells.";

/// Makes a table with a row per published result.
pub fn table(study: &Study) -> Table {
    let columns = vec![
        Column::words("result"),
        Column::words("quantity"),
        Column::numbers("published"),
        Column::numbers("published range"),
        Column::numbers("ours"),
        Column::numbers("sd"),
        Column::numbers("seeds"),
        Column::numbers("95 % of a run"),
        Column::numbers("difference"),
        Column::words("verdict"),
        Column::words("source"),
    ];
    let mut table = Table::new("Published results and ours, in nats per token", columns);
    for row in &study.published {
        let bounds = |bounds: Option<PublishedBounds>| {
            TableCell::text(bounds.map_or_else(String::new, |b| {
                format!("{} to {}", number::loss(b.low), number::loss(b.high))
            }))
        };
        table.push(vec![
            TableCell::text(&row.variant),
            TableCell::text(quantity(row.quantity)),
            numeric(row.published, number::loss),
            bounds(row.published_bounds),
            numeric(row.ours, number::loss),
            numeric(row.deviation, number::loss),
            TableCell::count(runs(study, row) as u64),
            bounds(row.interval),
            numeric(row.difference, number::signed),
            TableCell::text(verdict(row.verdict)),
            TableCell::text(&row.source),
        ]);
    }
    table.without_empty_columns()
}

/// Makes the table that a terminal shows: the columns that decide.
pub fn short_table(study: &Study) -> Table {
    let columns = vec![
        Column::words("result"),
        Column::numbers("published"),
        Column::numbers("ours"),
        Column::numbers("95 % ±"),
        Column::numbers("difference"),
        Column::words("verdict"),
    ];
    let mut table = Table::new("Published results and ours, in nats per token", columns);
    for row in &study.published {
        let half = row.interval.map(|b| (b.high - b.low) / 2.0);
        table.push(vec![
            TableCell::text(&row.variant),
            numeric(row.published, number::loss),
            numeric(row.ours, number::loss),
            numeric(half, number::loss),
            numeric(row.difference, number::signed),
            TableCell::text(verdict(row.verdict)),
        ]);
    }
    table.without_empty_columns()
}

fn numeric(x: Option<f64>, say: impl Fn(f64) -> String) -> TableCell {
    x.map_or_else(TableCell::default, |x| TableCell::number(say(x), x))
}

/// Says what was measured, in a few words.
fn quantity(quantity: PublishedQuantity) -> String {
    match quantity {
        PublishedQuantity::ValidationLoss => "validation loss".to_owned(),
        PublishedQuantity::TrainingLoss => "training loss".to_owned(),
        PublishedQuantity::NgramBaseline(order) => format!("{order}-gram baseline"),
    }
}

/// Returns what a verdict is called.
fn verdict(verdict: PublishedVerdict) -> &'static str {
    match verdict {
        PublishedVerdict::Agrees => "agrees",
        PublishedVerdict::Differs => "differs",
        PublishedVerdict::CannotBeTold => "cannot be told",
    }
}

/// Returns the number of our runs that have ended.
fn runs(study: &Study, row: &PublishedComparison) -> usize {
    let mut arms = study.arms.iter();
    let arm = arms.find(|arm| arm.variant.name == row.variant);
    let row = arm.and_then(|arm| arm.row.as_ref());
    row.map_or(0, |row| row.outcomes.len())
}

/// Says in a few words how many results agree, for the page's title.
pub fn headline(study: &Study) -> Option<String> {
    let told = |wanted: PublishedVerdict| {
        let rows = study.published.iter();
        rows.filter(|row| row.verdict == wanted).count()
    };
    let (agree, differ) = (
        told(PublishedVerdict::Agrees),
        told(PublishedVerdict::Differs),
    );
    let untold = told(PublishedVerdict::CannotBeTold);
    match (agree + differ, untold) {
        (0, 0) => None,
        (0, _) => Some("Whether the published results agree with ours cannot be told".to_owned()),
        (told, untold) => {
            let rest = match untold {
                0 => String::new(),
                untold => format!(", and {untold} more cannot be told"),
            };
            let results = words::plural(told, "published result");
            let verb = if told == 1 { "agrees" } else { "agree" };
            Some(format!("{agree} of {results} {verb} with ours{rest}"))
        }
    }
}

/// Says which results agree, what that means, what limits it, and where the values come from.
pub fn answer(study: &Study) -> Vec<String> {
    let rows = &study.published;
    let mut said: Vec<String> = [
        PublishedVerdict::Agrees,
        PublishedVerdict::Differs,
        PublishedVerdict::CannotBeTold,
    ]
    .into_iter()
    .filter_map(|wanted| {
        let own: Vec<String> = rows
            .iter()
            .filter(|row| row.verdict == wanted)
            .map(named)
            .collect();
        (!own.is_empty()).then(|| format!("{}: {}.", capital(verdict(wanted)), own.join(", ")))
    })
    .collect();
    said.push(MEANING.to_owned());
    said.extend(too_few(study));
    let without = |row: &&PublishedComparison| !row.has_spread && !is_ngram(row);
    said.extend(list(rows.iter().filter(without)).map(|names| {
        format!("No spread was published of {names}; these are compared by our own spread alone.")
    }));
    said.extend(list(rows.iter().filter(|row| is_ngram(row))).map(|names| {
        format!(
            "N-gram baselines, which are measured here in the windows of the model: {names}. Our validation loss is \
             on a baseline if it agrees within the distance that the result names."
        )
    }));
    let training = |row: &&PublishedComparison| row.quantity == PublishedQuantity::TrainingLoss;
    said.extend(list(rows.iter().filter(training)).map(|names| {
        format!("Training losses, of the last step's batch, not validation losses: {names}.")
    }));
    said.extend(sources(rows));
    said
}

fn is_ngram(row: &PublishedComparison) -> bool {
    match row.quantity {
        PublishedQuantity::NgramBaseline(_) => true,
        PublishedQuantity::ValidationLoss | PublishedQuantity::TrainingLoss => false,
    }
}

fn named(row: &PublishedComparison) -> String {
    match row.difference {
        Some(difference) => format!("{} ({})", row.variant, number::signed(difference)),
        None => row.variant.clone(),
    }
}

/// Joins the names of rows; `None` for no rows.
fn list<'a>(rows: impl Iterator<Item = &'a PublishedComparison>) -> Option<String> {
    let names: Vec<&str> = rows.map(|row| row.variant.as_str()).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Says why something cannot be told.
fn too_few(study: &Study) -> Option<String> {
    let untold = |row: &&PublishedComparison| row.verdict == PublishedVerdict::CannotBeTold;
    let rows: Vec<&PublishedComparison> = study.published.iter().filter(untold).collect();
    let lone = |row: &PublishedComparison| runs(study, row) < 2;
    if rows.iter().any(|row| lone(row)) {
        return Some(
            "One run has no spread, and cannot tell an agreement from chance: `--seeds 3` can."
                .to_owned(),
        );
    }
    let (apart, others): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| row.interval.is_some_and(PublishedComparison::is_too_wide));
    if let Some(names) = list(apart.into_iter()) {
        return Some(format!(
            "The runs of {names} are so few, or lie so far apart, that nearly any value would be in the interval of a \
             single run; more seeds (`--seeds 10`) narrow it."
        ));
    }
    let names = list(others.into_iter())?;
    Some(format!(
        "Not all runs of {names} ended with a finite loss, or there is nothing to compare them with."
    ))
}

/// Names each source once, and the results that come from it.
fn sources(rows: &[PublishedComparison]) -> Vec<String> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        let own = found.iter_mut().find(|(source, _)| *source == row.source);
        match own {
            Some((_, names)) => names.push(&row.variant),
            None => found.push((&row.source, vec![&row.variant])),
        }
    }
    let sentence =
        |(source, names): (&str, Vec<&str>)| format!("Source of {}: {source}.", names.join(", "));
    found.into_iter().map(sentence).collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests;
