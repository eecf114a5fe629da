//! Several runs for a terminal: what their page says, in text.

use gptlab_record::Floors;

use super::{Comparison, LabelledRun, LossGroup, LossUnit, tables::BASELINES};
use crate::{
    phrases::ngram_line,
    plot::{self, Glyphs, PlotLine},
    story::{MOST_CURVES, axes, first_lines, paragraph, plot_size},
    words::plural,
};

/// The most runs that are compared with n-gram baselines in words, which take several lines.
const MOST_ROWS: usize = 6;
/// The most runs whose last texts are shown.
const MOST_SAMPLES: usize = 4;
/// The most runs whose names are beside the n-gram baselines that they share.
const MOST_NAMED: usize = 3;
/// The largest number of lines of a sample.
const MOST_LINES: usize = 4;

/// Tells what was found, and shows the tables, the curves and what the runs wrote last. Lines have
/// at most `width` characters, unless a word or a column is wider.
pub fn story(comparison: &Comparison, width: usize) -> String {
    let mut out = String::new();
    paragraph(&mut out, &comparison.headline(), width);
    for group in &comparison.groups {
        let table = comparison.table(group);
        let table = if table.rows.len() > MOST_ROWS {
            table.without_column(BASELINES)
        } else {
            table
        };
        out.push('\n');
        paragraph(&mut out, &table.caption, width);
        out += &table.text(width);
    }
    out.push('\n');
    for sentence in comparison.answer() {
        paragraph(&mut out, &sentence, width);
    }
    baselines(&mut out, comparison, width);
    for group in &comparison.groups {
        curves(&mut out, comparison, group, width);
    }
    if !comparison.settings.is_empty() {
        let table = comparison.settings_table();
        out.push('\n');
        paragraph(&mut out, &table.caption, width);
        out += &table.text(width);
    }
    samples(&mut out, comparison, width);
    out
}

/// Adds a line with n-gram baselines for each set of runs that share them.
fn baselines(out: &mut String, comparison: &Comparison, width: usize) {
    let all = comparison.baselines();
    let several = all.len() > 1;
    for (runs, floors) in all {
        let Some(line) = ngram_line(floors) else {
            continue;
        };
        let named = runs.iter().take(MOST_NAMED).map(|run| run.label.as_str());
        let mut names = named.collect::<Vec<_>>().join(", ");
        if runs.len() > MOST_NAMED {
            let more = (runs.len() - MOST_NAMED).to_string();
            names += &[" and ", &more, " more"].concat();
        }
        let of = if several {
            format!(" ({names})")
        } else {
            String::new()
        };
        paragraph(out, &format!("{line}{of}"), width);
    }
}

/// Returns the n-gram baselines of the predictions of all runs of a group; `None` if runs have
/// different ones, or the losses are in another unit.
fn baselines_of<'a>(comparison: &'a Comparison, group: &LossGroup) -> Option<&'a Floors> {
    let mut known = comparison
        .runs_of(group)
        .iter()
        .map(|run| run.run.floors.as_ref());
    let first = known.next().flatten()?;
    let shared = group.unit == LossUnit::NatsPerToken && known.all(|floors| floors == Some(first));
    shared.then_some(first)
}

/// Adds the curves of a group's first runs.
fn curves(out: &mut String, comparison: &Comparison, group: &LossGroup, width: usize) {
    let all: Vec<PlotLine> = comparison
        .runs_of(group)
        .iter()
        .map(|run| line(run, group))
        .filter(|line| line.points.len() > 1)
        .collect();
    let shown = &all[..all.len().min(MOST_CURVES)];
    let runs = comparison.runs_of(group);
    let axes = axes(
        runs.iter().map(|run| &run.run),
        group.unit.title(),
        baselines_of(comparison, group),
    );
    let drawn = plot::plot(shown, &axes, plot_size(width), Glyphs::Unicode);
    if drawn.is_empty() {
        return;
    }
    out.push('\n');
    if comparison.groups.len() > 1 {
        paragraph(out, &group.name, width);
    }
    *out += &drawn;
    if all.len() > shown.len() {
        let more = plural(all.len() - shown.len(), "more curve");
        paragraph(out, &format!("The page draws {more}."), width);
    }
}

fn line(run: &LabelledRun, group: &LossGroup) -> PlotLine {
    let points = run.curve(group.unit).into_iter();
    PlotLine {
        label: run.label.clone(),
        points: points.map(|(step, loss)| (step as f64, loss)).collect(),
    }
}

/// Adds the beginnings of what the first runs wrote last.
fn samples(out: &mut String, comparison: &Comparison, width: usize) {
    let written = comparison
        .runs
        .iter()
        .filter_map(|run| Some((run, run.run.samples().pop()?)));
    for (run, (step, text)) in written.take(MOST_SAMPLES) {
        let after = plural(step as usize, "step");
        let lines = first_lines(text, MOST_LINES, width);
        out.push('\n');
        paragraph(out, &format!("After {after} {} wrote:", run.label), width);
        *out += &lines;
    }
}
