//! The HTML page of several runs.

use maud::{Markup, html};

use crate::{
    Comparison,
    page::{
        Figure,
        html::{MEANING, SAMPLE, coded, list, whole},
    },
    table::typeset,
};

pub(super) fn page(comparison: &Comparison, figures: &[Figure], date: Option<&str>) -> String {
    let headline = comparison.headline();
    let body = html! {
        (header(comparison, &headline))
        @if !figures.is_empty() {
            div class="figures" { @for figure in figures { (figure.html()) } }
        }
        section {
            h2 { "Results" }
            @for table in super::tables(comparison) { (table.html()) }
        }
        (settings(comparison))
        (written(comparison))
        (meaning(comparison))
        section { h2 { "How it was made" } (list(&super::facts(comparison, date))) }
        footer { "Made by gptlab from the records alone. Point at a picture for exact numbers, or focus it and use \
            the arrow keys; a click on the name of a curve hides it." }
    };
    whole(&headline.replace('`', ""), &body)
}

fn header(comparison: &Comparison, headline: &str) -> Markup {
    let answer = comparison.answer();
    html! {
        header {
            p class="kicker" { (super::kicker(comparison)) }
            h1 { (heading(headline)) }
            @if !answer.is_empty() {
                div class="answer" { @for sentence in &answer { p { (coded(sentence)) } } }
            }
        }
    }
}

/// Formats a heading, in which the names of runs are as large as the words around them.
fn heading(text: &str) -> Markup {
    html! {
        @for (i, piece) in text.split('`').enumerate() {
            @if i % 2 == 1 { code style="font-size:.88em" { (piece) } } @else { (typeset(piece)) }
        }
    }
}

fn settings(comparison: &Comparison) -> Markup {
    html! {
        section {
            h2 { "Settings that differ" }
            @if comparison.settings.is_empty() {
                p { "No setting differs." }
            } @else {
                (comparison.settings_table().html())
            }
        }
    }
}

/// Shows what each run wrote last, side by side.
fn written(comparison: &Comparison) -> Markup {
    let samples = super::samples(comparison);
    html! {
        @if !samples.is_empty() {
            section {
                h2 { "What each run wrote last" }
                div class="cards" { @for (name, after, text) in &samples {
                    div {
                        h3 { (name) }
                        p class="meta" { (after) }
                        pre class="text" tabindex="0" { (text.chars().take(SAMPLE).collect::<String>()) }
                    }
                } }
            }
        }
    }
}

fn meaning(comparison: &Comparison) -> Markup {
    let tables = super::baselines(comparison);
    html! {
        @if !tables.is_empty() {
            section {
                h2 { "What a loss means" }
                p { (MEANING) }
                @for table in &tables { (table.html()) }
            }
        }
    }
}
