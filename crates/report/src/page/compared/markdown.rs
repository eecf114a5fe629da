//! The page of several runs in Markdown, with its charts in files beside it.

use crate::{
    Comparison,
    page::{Figure, markdown::MarkdownText},
    table::escape_markdown,
    visible,
};

pub(super) fn page(comparison: &Comparison, figures: &[Figure], date: Option<&str>) -> String {
    let mut out = MarkdownText::default();
    out.line(&format!("# {}", coded(&comparison.headline())));
    out.line(&escape_markdown(&super::kicker(comparison)));
    for sentence in comparison.answer() {
        out.line(&coded(&sentence));
    }
    out.figures(figures);
    out.line("## Results");
    for table in super::tables(comparison) {
        out.line(&escape_markdown(&table.caption));
        out.line(table.markdown().trim_end());
    }
    out.line("## Settings that differ");
    if comparison.settings.is_empty() {
        out.line("No setting differs.");
    } else {
        out.line(comparison.settings_table().markdown().trim_end());
    }
    let samples = super::samples(comparison);
    if !samples.is_empty() {
        out.line("## What each run wrote last");
    }
    for (name, after, text) in samples {
        out.line(&format!("{}, {after}:", escape_markdown(name)));
        out.fenced("text", text);
    }
    let baselines = super::baselines(comparison);
    if !baselines.is_empty() {
        out.line("## What a loss means");
    }
    for table in baselines {
        out.line(&escape_markdown(&table.caption));
        out.line(table.markdown().trim_end());
    }
    out.line("## How it was made");
    out.list(&super::facts(comparison, date));
    out.0
}

/// Escapes a sentence, and keeps the text between backticks as code.
fn coded(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    let piece = |(i, piece): (usize, &str)| {
        if i % 2 == 1 {
            format!("`{}`", visible::one_line(piece))
        } else {
            escape_markdown(piece)
        }
    };
    pieces.map(piece).collect()
}
