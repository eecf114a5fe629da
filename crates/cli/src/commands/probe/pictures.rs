//! The pictures of a probe: a page, and each picture beside it.

use gptlab_lab::probe::{Ablations, LensLayer, Patching, ProbeReport, Tables};
use gptlab_report::{
    Chart,
    chart::{self, MapText},
    page::{self, File},
};

use crate::commands::inside;

/// The largest number of tokens that a map can label.
const MOST: usize = 64;

/// The name of the page.
pub(super) const PAGE: &str = "probe.html";

/// Returns the page and its pictures.
pub(super) fn files(report: &ProbeReport) -> Vec<File> {
    let facts = [
        ("checkpoint", report.checkpoint.clone()),
        ("step", report.step.to_string()),
        ("prompt", format!("{:?}", report.tokens.concat())),
        ("text", report.text.clone()),
    ];
    let tables: Vec<_> = Tables::short(report)
        .0
        .into_iter()
        .map(|(_, table)| table)
        .collect();
    page::gallery(PAGE, "Inside a model", &facts, pictures(report), &tables)
}

fn pictures(report: &ProbeReport) -> Vec<(String, Chart)> {
    let mut found = Vec::new();
    let mut add = |name: &str, chart: Option<Chart>| {
        found.extend(chart.map(|chart| (name.to_owned(), chart)));
    };
    add("surprise", surprise(report));
    if let Some(lens) = &report.lens {
        add("lens", lens_map(lens, &report.tokens));
    }
    if let Some(ablation) = &report.ablation {
        add("zero-ablation", heads(ablation));
        add("ablation", parts(ablation));
    }
    if let Some(patching) = &report.patching {
        add("patching", patched(patching));
    }
    for head in report
        .attention
        .iter()
        .flatten()
        .filter(|_| report.tokens.len() <= MOST)
    {
        add(
            &format!("{}-head{}", head.part, head.head),
            inside::of_head(head, &report.tokens),
        );
    }
    found
}

fn words(title: &str, description: &str, beneath: &str) -> MapText {
    MapText {
        title: title.into(),
        description: description.into(),
        beneath: beneath.into(),
    }
}

fn surprise(report: &ProbeReport) -> Option<Chart> {
    let came = report.surprise.iter().flatten();
    let pairs = came.filter_map(|s| Some((s.token.clone()?, s.surprise?)));
    let (tokens, nats): (Vec<String>, Vec<f64>) = pairs.unzip();
    let words = words(
        "Surprise",
        "How much news each token was to the model, in nats.",
        "token",
    );
    chart::map(&words, &["nats".into()], &tokens, &[nats])
}

fn lens_map(lens: &[LensLayer], tokens: &[String]) -> Option<Chart> {
    let names: Vec<String> = lens.iter().map(|layer| layer.name.clone()).collect();
    let row = |layer: &LensLayer| -> Vec<f64> {
        let cells = layer.positions.iter();
        cells
            .map(|cell| cell.target_probability.unwrap_or(f64::NAN))
            .collect()
    };
    let cells: Vec<Vec<f64>> = lens.iter().map(row).collect();
    let words = words(
        "Logit lens",
        "The probability of the token that came next, if the head read the stream after each block.",
        "token read",
    );
    chart::map(&words, &names, tokens, &cells)
}

/// Draws the increase of the loss without each head: attentions by heads.
fn heads(ablation: &Ablations) -> Option<Chart> {
    let heads: Vec<_> = ablation
        .parts
        .iter()
        .filter(|part| part.head.is_some())
        .collect();
    let rows: Vec<_> = heads.chunk_by(|a, b| a.part == b.part).collect();
    let width = rows.iter().map(|row| row.len()).max()?;
    let names: Vec<String> = rows.iter().map(|row| row[0].part.clone()).collect();
    let columns: Vec<String> = (0..width).map(|i| i.to_string()).collect();
    let cell = |row: &[&gptlab_lab::probe::Ablation], i: usize| {
        row.get(i).map_or(f64::NAN, |part| part.zero_ablation)
    };
    let cells: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| (0..width).map(|i| cell(row, i)).collect())
        .collect();
    let words = words(
        "Loss without each head",
        "Nats a token that the loss gains when a head's output is zero.",
        "head",
    );
    chart::map(&words, &names, &columns, &cells)
}

/// Draws the increase of the loss without each attention and MLP, replaced by zero and by its mean.
fn parts(ablation: &Ablations) -> Option<Chart> {
    let whole = || ablation.parts.iter().filter(|part| part.head.is_none());
    let names: Vec<String> = whole().map(|part| part.part.clone()).collect();
    let cells: Vec<Vec<f64>> = whole()
        .map(|part| vec![part.zero_ablation, part.mean_ablation])
        .collect();
    let words = words(
        "Loss without each part",
        "Nats a token that the loss gains when a part's output is zero, or its mean over the text.",
        "what stands in its place",
    );
    chart::map(&words, &names, &["zero".into(), "mean".into()], &cells)
}

fn patched(patching: &Patching) -> Option<Chart> {
    let names: Vec<String> = patching
        .stream
        .iter()
        .map(|stage| stage.name.clone())
        .collect();
    let cells: Vec<Vec<f64>> = patching
        .stream
        .iter()
        .map(|stage| stage.recovery.clone())
        .collect();
    let words = words(
        "Activation patching",
        "How much of the answer's lead comes back when the stream at a depth and place is the clean prompt's: 0 \
         nothing, 1 all of it.",
        "token of the corrupted prompt",
    );
    chart::map(&words, &names, &patching.corrupted, &cells)
}
