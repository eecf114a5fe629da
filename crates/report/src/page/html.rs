//! The HTML page of a report.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    Extras, Figure, Gallery, ShadedToken, contents, output_folder::GENERATOR, pictures::Pictures,
};
use crate::{
    Arm, RecordedRun, Study, StudyKind, Table, ablation, chart, diff, doctor, published,
    table::{Column, TableCell, typeset},
    visible, words,
};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Characters of a sample that a card shows.
pub(super) const SAMPLE: usize = 600;
pub(super) const MEANING: &str = "A loss is the mean surprise at the next token. It means something beside n-gram \
    baselines: a table that counts which token followed the last n − 1 ones in the training text.";

pub(super) fn page(study: &Study, extras: &Extras, pictures: &Pictures) -> String {
    let title = contents::title(study);
    let body = html! {
        (header(study, &title))
        (hero(study, pictures))
        (results(study))
        (predictions(study))
        (section("Side by side", "", &pictures.beside))
        (symptoms(study))
        (written(study))
        (section("Observations inside the model", INSIDE, &pictures.observed))
        (section("What the finished models attend to", "", &pictures.inside))
        (meaning(study))
        (entries(study))
        (made(study, extras))
        (time(study))
        footer { "Made by gptlab from the record alone. Point at a picture for exact numbers, or focus it and \
            use the arrow keys; a click on the name of a curve hides it." }
    };
    whole(&title, &body)
}

const INSIDE: &str =
    "What was measured inside the model at logged steps, in the first run of each variant.";

/// Makes the page of a gallery, with its pictures and tables.
pub(super) fn gallery(gallery: &Gallery) -> String {
    let body = html! {
        header {
            p class="kicker" { (gallery.about) }
            h1 { (typeset(&gallery.title)) }
            @if !gallery.answer.is_empty() {
                div class="answer" { @for sentence in &gallery.answer { p { (typeset(sentence)) } } }
            }
        }
        @if !gallery.tokens.is_empty() { (tokens(&gallery.tokens)) }
        @for section in &gallery.sections { (section.html()) }
        section { h2 { "How it was made" } (list(&gallery.facts)) }
        footer { "Made by gptlab. Point at a picture for exact numbers, or focus it and use the arrow keys." }
    };
    whole(&gallery.title, &body)
}

/// Shows a text token by token. A token is shaded the more strongly, the larger its number.
fn tokens(tokens: &[ShadedToken]) -> Markup {
    html! {
        p class="prompt" {
            @for token in tokens {
                @let share = token.share.unwrap_or(0.0).clamp(0.0, 1.0);
                span class="tok" title=(token.says)
                    style={ "background:rgba(213,94,0," (format!("{:.2}", share * 0.55)) ")" } {
                    (visible::one_line(&token.text))
                }
            }
        }
    }
}

pub(super) fn whole(title: &str, body: &Markup) -> String {
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
            body { main { (body) } script { (PreEscaped(SCRIPT)) } }
        }
    };
    // The page's own markup contains no control characters, so those that are replaced come from a
    // record.
    visible::text(&markup.into_string()).into_owned()
}

fn header(study: &Study, title: &str) -> Markup {
    let answer = ablation::answer(study);
    html! {
        header {
            p class="kicker" { (contents::kicker(study)) }
            h1 { (title) }
            p class="lead" { (ablation::question(study)) }
            @if !answer.is_empty() {
                div class="answer" { @for sentence in &answer { p { (typeset(sentence)) } } }
            }
        }
    }
}

/// Shows the main pictures and, for a single run, what it wrote.
fn hero(study: &Study, pictures: &Pictures) -> Markup {
    let sample = match study.kind {
        StudyKind::Run => study.arms.first().and_then(contents::last_sample),
        StudyKind::Ablation | StudyKind::Sweep | StudyKind::Published => None,
    };
    let class = if sample.is_some() {
        "hero"
    } else {
        "hero even"
    };
    html! {
        @if !pictures.main.is_empty() || sample.is_some() {
            div class=(class) {
                @for figure in &pictures.main { (figure.html()) }
                @if let Some((step, text)) = sample {
                    div {
                        h2 { "What it wrote after " (words::count(step)) " steps" }
                        pre class="text" tabindex="0" { (text) }
                    }
                }
            }
        }
    }
}

fn section(title: &str, text: &str, figures: &[Figure]) -> Markup {
    html! {
        @if !figures.is_empty() {
            section {
                h2 { (title) }
                @if !text.is_empty() { p { (text) } }
                div class="figures" { @for figure in figures { (figure.html()) } }
            }
        }
    }
}

pub(super) fn list(facts: &[(&str, String)]) -> Markup {
    html! { dl { @for (name, value) in facts { dt { (name) } dd { (coded(value)) } } } }
}

/// Formats the text between backticks as code.
pub(super) fn coded(text: &str) -> Markup {
    html! {
        @for (i, piece) in text.split('`').enumerate() {
            @if i % 2 == 1 { code { (piece) } } @else { (typeset(piece)) }
        }
    }
}

fn results(study: &Study) -> Markup {
    html! {
        section {
            h2 { "Results" }
            @if study.kind == StudyKind::Published { (published::table(study).html()) }
            (ablation::table(study).repeating().html())
            @if let Some(tuned) = ablation::tuned_table(study) { (tuned.html()) }
        }
    }
}

fn predictions(study: &Study) -> Markup {
    html! {
        @if study.kind == StudyKind::Ablation {
            section {
                h2 { "Predictions and outcomes" }
                div class="words" { (ablation::predictions(study).html()) }
            }
        }
    }
}

/// Shows what the doctor finds in a single run.
fn symptoms(study: &Study) -> Markup {
    let run = match study.kind {
        StudyKind::Run => study.arms.first().and_then(|arm| arm.runs.first()),
        StudyKind::Ablation | StudyKind::Sweep | StudyKind::Published => None,
    };
    let Some(run) = run else { return html! {} };
    let diagnosis = doctor::examine(run, study.floors_of(run));
    html! {
        section {
            h2 { "Symptoms" }
            @if diagnosis.findings.is_empty() {
                p { (coded(&diagnosis.summary())) }
            } @else {
                div class="columns" { @for finding in &diagnosis.findings {
                    div {
                        h3 { (typeset(&finding.evidence)) }
                        dl {
                            dt { "Likely cause" } dd { (coded(&finding.cause)) }
                            dt { "To find out" } dd { (coded(&finding.experiment)) }
                        }
                    }
                } }
            }
            @for line in &diagnosis.unjudged { p { (coded(line)) } }
        }
    }
}

/// Shows what a run wrote as it learned, or what each variant wrote at last, side by side.
fn written(study: &Study) -> Markup {
    let samples: Vec<(String, String, &str)> = match study.kind {
        StudyKind::Run => {
            let run = study.arms.first().and_then(|arm| arm.runs.first());
            let samples = run.map_or_else(Vec::new, RecordedRun::samples);
            let after = |step: u64| format!("After {}", words::plural(step as usize, "step"));
            let card = |(step, text)| (after(step), String::new(), text);
            samples.into_iter().map(card).collect()
        }
        StudyKind::Ablation | StudyKind::Sweep | StudyKind::Published => {
            study.arms.iter().filter_map(last_card).collect()
        }
    };
    html! {
        @if samples.len() > 1 {
            section {
                h2 { (if study.kind == StudyKind::Run { "Samples written during training" } else { "What each variant wrote" }) }
                div class="cards" { @for (name, meta, text) in &samples {
                    div {
                        h3 { (name) }
                        @if !meta.is_empty() { p class="meta" { (meta) } }
                        pre class="text" tabindex="0" { (text.chars().take(SAMPLE).collect::<String>()) }
                    }
                } }
            }
        }
    }
}

/// Returns the name of a variant, after how many steps it wrote its last text, and the text.
fn last_card(arm: &Arm) -> Option<(String, String, &str)> {
    let (step, text) = contents::last_sample(arm)?;
    let after = format!("after {}", words::plural(step as usize, "step"));
    Some((arm.variant.name.clone(), after, text))
}

fn meaning(study: &Study) -> Markup {
    html! {
        @if let Some(floors) = &study.floors {
            section {
                h2 { "What a loss means" }
                p { (MEANING) }
                (ablation::guides(floors).html())
            }
        }
    }
}

fn entries(study: &Study) -> Markup {
    html! {
        section {
            h2 { (if study.arms.len() == 1 { "The run" } else { "The variants" }) }
            @if study.arms.len() > 3 {
                nav aria-label="Variants" { ul {
                    @for (i, arm) in study.arms.iter().enumerate() {
                        li { a href={ "#" (slug(i, arm)) } { (arm.variant.name) } }
                    }
                } }
            }
            @for (i, arm) in study.arms.iter().enumerate() { (entry(study, i, arm)) }
        }
    }
}

/// Returns the anchor of a variant. Two names may have one slug; a number keeps them apart.
fn slug(i: usize, arm: &Arm) -> String {
    format!("{i:02}-{}", words::slug(&arm.variant.name))
}

fn entry(study: &Study, i: usize, arm: &Arm) -> Markup {
    html! {
        section id=(slug(i, arm)) {
            h3 { (arm.variant.name) small { (arm.variant.title) } }
            div class="columns" {
                (list(&contents::entry(study, arm)))
                (listing(study, arm))
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
        @if own.is_empty() || arm.concealed {
        } @else if is_baseline {
            details { summary { "The model's listing" } pre tabindex="0" { code { (own) } } }
        } @else if own == baseline {
            p { "The listing is the baseline's." }
        } @else {
            details open[study.kind == StudyKind::Ablation] {
                summary { "The listing, against the baseline's" }
                pre class="diff" tabindex="0" { code { @for line in diff::listing(baseline, own) {
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

/// Shows what all runs share, and the command to repeat them.
fn made(study: &Study, extras: &Extras) -> Markup {
    html! {
        section {
            h2 { "How it was made" }
            (list(&contents::facts(study, extras.date.as_deref())))
            @if let Some(command) = contents::command(study) {
                p { "To repeat it:" }
                pre tabindex="0" { code { (command) } }
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
        let seconds: f64 = arm.runs.iter().filter_map(RecordedRun::seconds).sum();
        let speeds: Vec<f64> = arm
            .runs
            .iter()
            .filter_map(RecordedRun::tokens_per_second)
            .collect();
        let speed = crate::study::mean(&speeds);
        table.push(vec![
            TableCell::text(&arm.variant.name),
            TableCell::text(arm.runs.len().to_string()),
            TableCell::text(words::duration(seconds)),
            TableCell::text(speed.map_or_else(String::new, |x| words::count(x.round() as u64))),
        ]);
    }
    html! { section { h2 { "Time" } (table.html()) } }
}
