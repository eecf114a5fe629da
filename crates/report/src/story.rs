//! A study for a terminal: what its page says, in text.

use gptlab_record::Floors;

use crate::{
    Arm, RecordedRun, Study, StudyKind, ablation, doctor,
    page::headline,
    phrases::{best_ngram, ngram_line},
    plot::{self, Glyphs, PlotAxes, PlotLevel, PlotLine, PlotSize},
    published,
    table::wrap,
    visible,
    words::{broken, plural},
};

/// The largest number of curves that letters can distinguish.
pub(crate) const MOST_CURVES: usize = 6;
/// The largest number of lines of a sample.
const MOST_LINES: usize = 8;
/// The number of lines of a plot.
const PLOT_HEIGHT: usize = 12;
/// The number of characters to the left of a plot's plane.
const PLOT_MARGIN: usize = 12;

/// Tells what was found, shows the curves, and then, of a run, what it wrote last and its symptoms,
/// and of a grid, its table and its conclusions. `law` is a sentence about a sweep's scaling law.
/// Lines have at most `width` characters, unless a word or a column is wider.
pub fn story(study: &Study, law: Option<&str>, width: usize) -> String {
    let mut out = String::new();
    paragraph(&mut out, &headline(study), width);
    out.push('\n');
    let baselines = study.floors.as_ref();
    match study.kind {
        StudyKind::Run => {
            let arm = study.arms.first();
            let run = arm.and_then(|arm| arm.runs.first());
            if let Some(line) = baselines.and_then(ngram_line) {
                paragraph(&mut out, &line, width);
                out.push('\n');
            }
            let lines: Vec<PlotLine> = run.into_iter().map(|run| line(&study.name, run)).collect();
            // One point is no curve.
            if lines.iter().any(|line| line.points.len() > 1) {
                let axes = axes(run.into_iter(), "nats per token", baselines);
                out += &plot::plot(&lines, &axes, plot_size(width), Glyphs::Unicode);
            }
            out.extend(run.map(|run| wrote(run, width)));
            out.extend(run.map(|run| symptoms(study, run, width)));
        }
        StudyKind::Ablation | StudyKind::Sweep | StudyKind::Published => {
            out += &tables(study, width);
            out.push('\n');
            for sentence in ablation::answer(study)
                .iter()
                .map(String::as_str)
                .chain(law)
            {
                paragraph(&mut out, sentence, width);
            }
            if let Some(line) = baselines.and_then(ngram_line) {
                paragraph(&mut out, &line, width);
            }
            out.push('\n');
            let shown = shown(study);
            let lines: Vec<PlotLine> = shown.iter().map(|(name, run)| line(name, run)).collect();
            let runs = shown.into_iter().map(|(_, run)| run);
            let axes = axes(runs, "nats per token", baselines);
            out += &plot::plot(&lines, &axes, plot_size(width), Glyphs::Unicode);
        }
    }
    out
}

/// Formats the table of a grid and, if a setting was tuned, that of each variant at its best value.
fn tables(study: &Study, width: usize) -> String {
    let table = match study.kind {
        StudyKind::Ablation => ablation::short_table(study),
        StudyKind::Published => published::short_table(study),
        StudyKind::Run | StudyKind::Sweep => ablation::table(study),
    };
    let tuned = ablation::tuned_table(study).map_or_else(String::new, |table| {
        // The sentences say the verdicts; a terminal has no room for both.
        let short = table.without_column("verdict").fitting(width);
        format!("\n{}:\n{}", short.caption, short.text(width))
    });
    table.fitting(width).text(width) + &tuned
}

/// Returns the size of a plot on a terminal.
pub(crate) fn plot_size(width: usize) -> PlotSize {
    PlotSize {
        width: width.saturating_sub(PLOT_MARGIN).min(100),
        height: PLOT_HEIGHT,
    }
}

/// Adds `text`, wrapped; its later lines are as far from the left as its first one.
pub(crate) fn paragraph(out: &mut String, text: &str, width: usize) {
    let indent = " ".repeat(text.len() - text.trim_start().len());
    for line in wrap(text, width.saturating_sub(indent.len())) {
        out.push_str(&indent);
        out.push_str(&line);
        out.push('\n');
    }
}

/// Returns the first seeds of the first variants, with their names.
fn shown<'a>(study: &'a Study) -> Vec<(&'a str, &'a RecordedRun)> {
    let arms = study.arms.iter().filter(|arm| study.is_shared(arm));
    let named = |arm: &'a Arm| Some((study.shared_name(&arm.variant.name), arm.runs.first()?));
    arms.take(MOST_CURVES).filter_map(named).collect()
}

/// Returns the axes of the curves of `runs`, whose losses are in `unit`, with the best n-gram
/// baseline.
pub(crate) fn axes<'a>(
    mut runs: impl Iterator<Item = &'a RecordedRun>,
    unit: &str,
    baselines: Option<&Floors>,
) -> PlotAxes {
    let what = if runs.all(|run| !run.validation().is_empty()) {
        "validation loss"
    } else {
        "loss"
    };
    let level = baselines.and_then(best_ngram).map(|best| PlotLevel {
        label: format!("{} {}", best.name, crate::number::loss(best.loss)),
        height: best.loss,
    });
    PlotAxes {
        x: "step".to_owned(),
        y: format!("{what}, {unit}"),
        level,
    }
}

fn line(label: &str, run: &RecordedRun) -> PlotLine {
    let points = run.curve().into_iter();
    PlotLine {
        label: label.to_owned(),
        points: points.map(|(step, loss)| (step as f64, loss)).collect(),
    }
}

/// Formats the beginning of what a run wrote last.
fn wrote(run: &RecordedRun, width: usize) -> String {
    let Some((step, text)) = run.samples().pop() else {
        return String::new();
    };
    format!(
        "\nAfter {} it wrote:\n{}",
        plural(step as usize, "step"),
        first_lines(text, MOST_LINES, width)
    )
}

/// Returns the first lines of a sample, indented and broken to `width` columns.
pub(crate) fn first_lines(text: &str, most: usize, width: usize) -> String {
    let shown = broken(&visible::text(text), width.saturating_sub(2));
    let lines = shown.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<String> = lines.take(most).map(|line| format!("  {line}\n")).collect();
    lines.concat()
}

/// Formats the doctor's findings.
fn symptoms(study: &Study, run: &RecordedRun, width: usize) -> String {
    let mut out = "\nSymptoms:\n".to_owned();
    let diagnosis = doctor::examine(run, study.floors_of(run));
    for finding in &diagnosis.findings {
        paragraph(&mut out, &format!("  {}", finding.evidence), width);
        paragraph(
            &mut out,
            &format!("    Likely cause: {}.", finding.cause),
            width,
        );
        paragraph(
            &mut out,
            &format!("    To find out: {}.", finding.experiment),
            width,
        );
    }
    if diagnosis.findings.is_empty() {
        paragraph(&mut out, &format!("  {}", diagnosis.summary()), width);
    }
    for line in diagnosis.unjudged {
        paragraph(&mut out, &format!("  {line}"), width);
    }
    out
}
