//! The HTML page of a report.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Extras, contents,
    output_folder::GENERATOR,
    pictures::{OfArm, Picture, Pictures},
};
use crate::{
    Arm, Chart, Study, StudyKind, Table, ablation, chart, diff,
    table::{Column, TableCell, typeset},
    visible, words,
};

const STYLE: &str = include_str!("style.css");

pub(super) fn page(study: &Study, extras: &Extras, pictures: &Pictures) -> String {
    let title = contents::title(study);
    let body = html! {
        (header(study, extras, &title))
        (results(study, pictures))
        (entries(study, pictures))
        (time(study))
        footer { "Made by gptlab from the record alone." }
    };
    whole(&title, &body)
}

/// Makes a page of charts and tables.
pub(super) fn gallery(
    title: &str,
    facts: &[(&str, String)],
    pictures: &[(String, Chart)],
    tables: &[Table],
) -> String {
    let body = html! {
        header {
            p class="kicker" { "gptlab" }
            h1 { (title) }
            (list(facts))
        }
        @for (_, chart) in pictures { (chart.figure()) }
        @for table in tables { (table.html()) }
        footer { "Made by gptlab." }
    };
    whole(title, &body)
}

fn whole(title: &str, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · gptlab" }
                style { (PreEscaped(STYLE)) (PreEscaped(chart::STYLE)) }
            }
            body { main { (body) } }
        }
    };
    // The page's own markup contains no control characters, so those that are replaced come from a
    // record.
    visible::text(&markup.into_string()).into_owned()
}

fn header(study: &Study, extras: &Extras, title: &str) -> Markup {
    let answer = ablation::answer(study);
    html! {
        header {
            p class="kicker" { "gptlab" }
            h1 { (title) }
            p class="lead" { (ablation::question(study)) }
            @if !answer.is_empty() {
                div class="answer" { @for sentence in &answer { p { (typeset(sentence)) } } }
            }
            (list(&contents::facts(study, extras.date.as_deref())))
            @if let Some(command) = contents::command(study) {
                p { "To repeat it:" }
                pre { code { (command) } }
            }
        }
    }
}

fn list(facts: &[(&str, String)]) -> Markup {
    html! { dl { @for (name, value) in facts { dt { (name) } dd { (coded(value)) } } } }
}

/// Formats the text between backticks as code.
fn coded(text: &str) -> Markup {
    html! {
        @for (i, piece) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (piece) } } @else { (typeset(piece)) }
        }
    }
}

fn results(study: &Study, pictures: &Pictures) -> Markup {
    let predictions = ablation::predictions(study);
    html! {
        h2 { "Results" }
        (ablation::table(study).repeating().html())
        @if let Some(tuned) = ablation::tuned_table(study) { (tuned.html()) }
        @for picture in &pictures.overview { (picture.chart.figure()) }
        @if study.kind == StudyKind::Ablation {
            h2 { "Predictions and outcomes" }
            div class="words" { (predictions.html()) }
        }
        @if let Some(floors) = &study.floors {
            h2 { "What a loss means" }
            p {
                "A loss is the mean surprise at the next token. It means something beside what guesses without a \
                 model lose: an n-gram table counts which token followed the last n − 1 ones in the training text."
            }
            (ablation::guides(floors).html())
        }
    }
}

fn entries(study: &Study, pictures: &Pictures) -> Markup {
    let both = || study.arms.iter().zip(&pictures.arms);
    html! {
        h2 { (if study.arms.len() == 1 { "The run" } else { "The variants" }) }
        @if study.arms.len() > 3 {
            nav aria-label="Variants" { ul {
                @for (arm, drawn) in both() { li { a href={ "#" (drawn.slug) } { (arm.variant.name) } } }
            } }
        }
        @for (arm, drawn) in both() { (entry(study, arm, drawn)) }
    }
}

fn entry(study: &Study, arm: &Arm, drawn: &OfArm) -> Markup {
    html! {
        section class="entry" id=(drawn.slug) {
            h3 { (arm.variant.name) small { (arm.variant.title) } }
            div class="pair" {
                (list(&contents::entry(study, arm)))
                @if let Some(picture) = &drawn.curves { (picture.chart.figure()) }
            }
            (listing(study, arm))
            (samples(arm))
            (observations(&drawn.observations))
            (inside(&drawn.inside))
        }
    }
}

/// Shows the charts of the finished model's internals.
fn inside(pictures: &[Picture]) -> Markup {
    html! {
        @if !pictures.is_empty() {
            details {
                summary { "Inside the finished model" }
                div class="maps" { @for picture in pictures { (picture.chart.figure()) } }
            }
        }
    }
}

/// Shows the difference of the listing from the baseline's. The baseline's own entry shows its
/// whole listing.
fn listing(study: &Study, arm: &Arm) -> Markup {
    let own = &arm.variant.listing;
    let baseline = study
        .baseline()
        .map_or("", |arm| arm.variant.listing.as_str());
    let is_baseline = study
        .baseline()
        .is_none_or(|first| first.variant.name == arm.variant.name);
    html! {
        @if own.is_empty() {
        } @else if is_baseline {
            details { summary { "The model's listing" } pre { code { (own) } } }
        } @else if own == baseline {
            p { "The listing is the baseline's." }
        } @else {
            details open[study.kind == StudyKind::Ablation] {
                summary { "The listing, against the baseline's" }
                pre class="diff" { code { @for line in diff::listing(baseline, own) {
                    @match line.sign {
                        '-' => i { "- " (line.text) },
                        '+' => b { "+ " (line.text) },
                        _ => span { "  " (line.text) },
                    }
                } } }
            }
        }
    }
}

fn samples(arm: &Arm) -> Markup {
    let samples = arm.runs.first().map_or_else(Vec::new, |run| run.samples());
    html! {
        @if !samples.is_empty() {
            details {
                summary { "Samples written during training" }
                @for (step, text) in samples {
                    p { "After " (words::count(step)) " steps:" }
                    pre class="text" { (text) }
                }
            }
        }
    }
}

fn observations(pictures: &[Picture]) -> Markup {
    html! {
        @if !pictures.is_empty() {
            details {
                summary { "Observations inside the model" }
                div class="pair" { @for picture in pictures { (picture.chart.figure()) } }
            }
        }
    }
}

/// Shows the times, in the only section that differs when a study is repeated.
fn time(study: &Study) -> Markup {
    let columns = vec![
        Column::words("variant"),
        Column::numbers("runs"),
        Column::numbers("time"),
        Column::numbers("tokens/s"),
    ];
    let mut table = Table::new(
        "On the machine that ran them; these numbers alone differ from one repetition to the next",
        columns,
    );
    for arm in &study.arms {
        let seconds: f64 = arm
            .runs
            .iter()
            .filter_map(crate::RecordedRun::seconds)
            .sum();
        let speeds: Vec<f64> = arm
            .runs
            .iter()
            .filter_map(crate::RecordedRun::tokens_per_second)
            .collect();
        let speed = crate::study::mean(&speeds);
        table.push(vec![
            TableCell::text(&arm.variant.name),
            TableCell::text(arm.runs.len().to_string()),
            TableCell::text(words::duration(seconds)),
            TableCell::text(speed.map_or_else(String::new, |x| words::count(x.round() as u64))),
        ]);
    }
    html! { h2 { "Time" } (table.html()) }
}
