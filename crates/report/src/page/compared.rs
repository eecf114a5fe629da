//! The page of several runs that no grid planned, and the files beside it.
//!
//! Unlike the page of a study, its table holds the times of the runs, which are part of the
//! comparison. Tables in CSV and Markdown hold none.

mod html;
mod markdown;
mod pictures;

use super::{File, PAGE};
use crate::{
    Comparison, Table, ablation,
    comparison::{LabelledRun, LossGroup},
    words,
};

/// Makes the files of the page of `comparison`. `date` is the date as the caller formats it.
pub fn files(comparison: &Comparison, date: Option<&str>) -> Vec<File> {
    let figures = pictures::figures(comparison);
    let mut files = vec![
        File::new(PAGE, html::page(comparison, &figures, date)),
        File::new("report.md", markdown::page(comparison, &figures, date)),
        File::new("runs.csv", comparison.csv().csv()),
        File::new("settings.csv", comparison.settings_by_run().csv()),
        File::new("curves.csv", comparison.curves().csv()),
    ];
    let baselines = baselines(comparison);
    let numbered = baselines.len() > 1;
    for (i, table) in (1..).zip(&baselines) {
        let number = if numbered {
            format!("-{i}")
        } else {
            String::new()
        };
        files.push(File::new(format!("baselines{number}.csv"), table.csv()));
    }
    files.extend(figures.iter().flat_map(super::Figure::files));
    files
}

/// Says what the page is about.
fn kicker(comparison: &Comparison) -> String {
    let runs = words::plural(comparison.runs.len(), "run");
    match comparison.groups.as_slice() {
        [group] => format!("gptlab comparison of {runs} on {}", group.name),
        groups => format!("gptlab comparison of {runs} in {} groups", groups.len()),
    }
}

/// Returns the tables of the runs, one for each group.
fn tables(comparison: &Comparison) -> Vec<Table> {
    let groups = comparison.groups.iter();
    groups.map(|group| comparison.table(group)).collect()
}

/// Returns the tables of n-gram baselines, each with the runs that it belongs to in its caption.
fn baselines(comparison: &Comparison) -> Vec<Table> {
    let all = comparison.baselines();
    let several = all.len() > 1;
    let table = |(runs, floors): (Vec<&LabelledRun>, &_)| {
        let names: Vec<&str> = runs.iter().map(|run| run.label.as_str()).collect();
        let of = if several {
            format!(", of the predictions of {}", names.join(", "))
        } else {
            String::new()
        };
        Table {
            caption: format!("The losses of n-gram baselines in nats per token{of}"),
            ..ablation::guides(floors)
        }
    };
    all.into_iter().map(table).collect()
}

/// Returns the last sample of each run, after its name and the number of updates.
fn samples(comparison: &Comparison) -> Vec<(&str, String, &str)> {
    let sample = |run: &'_ LabelledRun| {
        let (step, _) = run.run.samples().pop()?;
        Some(format!("after {}", words::plural(step as usize, "step")))
    };
    let runs = comparison.runs.iter();
    runs.filter_map(|run| {
        let (_, text) = run.run.samples().pop()?;
        Some((run.label.as_str(), sample(run)?, text))
    })
    .collect()
}

/// Returns the facts about how the runs were made, as names and values.
fn facts(comparison: &Comparison, date: Option<&str>) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    facts.extend(date.map(|date| ("Date", date.to_owned())));
    let programs = comparison.runs.iter();
    let mut programs: Vec<&str> = programs
        .map(|run| run.run.experiment.program.as_str())
        .collect();
    programs.sort_unstable();
    programs.dedup();
    facts.push(("Program", programs.join(", ")));
    facts.extend(comparison.groups.iter().filter_map(|group| {
        let first = comparison.runs_of(group).first()?;
        Some(("Text", text(group, first)))
    }));
    facts
}

fn text(group: &LossGroup, run: &LabelledRun) -> String {
    let data = &run.run.experiment.data;
    let fingerprint: String = data.fingerprint.chars().take(16).collect();
    format!(
        "{}: {} to train on, {} for validation, fingerprint {fingerprint}",
        group.name,
        words::plural(data.train_tokens as usize, "token"),
        words::count(data.val_tokens)
    )
}
