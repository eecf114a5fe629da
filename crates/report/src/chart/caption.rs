//! What a picture says of itself.

use gptlab_record::{Definition, Measure};
use maud::{Markup, html};

use super::shown;

/// The sentences under a picture. Each may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caption {
    /// What is drawn.
    pub drawn: String,
    /// What is normal, and what to worry about.
    pub normal: String,
    /// What to notice in this very picture.
    pub notice: String,
}

impl Caption {
    pub fn new(drawn: impl Into<String>) -> Self {
        Self {
            drawn: drawn.into(),
            ..Self::default()
        }
    }

    /// Says of a measure what its entry in the table of measures says, after `drawn`.
    pub fn of(measure: Measure, drawn: &str) -> Self {
        let Definition {
            formula,
            unit,
            source,
            range,
            ..
        } = measure.definition();
        let unit = match unit {
            "1" => String::new(),
            unit => format!(", in {unit}"),
        };
        let formula = sentence(formula.strip_suffix('.').unwrap_or(formula));
        Self {
            drawn: format!("{formula}{unit} ({source}). {drawn}")
                .trim()
                .to_owned(),
            normal: sentence(range) + ".",
            notice: String::new(),
        }
    }

    #[must_use]
    pub fn noticing(self, notice: impl Into<String>) -> Self {
        Self {
            notice: notice.into(),
            ..self
        }
    }

    /// Returns all sentences as one text.
    pub fn text(&self) -> String {
        let mut said = vec![self.drawn.clone()];
        if !self.normal.is_empty() {
            said.push(format!("Normal: {}", self.normal));
        }
        if !self.notice.is_empty() {
            said.push(format!("Here: {}", self.notice));
        }
        said.retain(|s| !s.is_empty());
        said.join(" ")
    }

    /// Returns what stands above the picture.
    pub(super) fn first(&self) -> Markup {
        html! { @if !self.drawn.is_empty() { " " span { (shown(&self.drawn)) } } }
    }

    /// Returns what stands below the picture.
    pub(super) fn rest(&self) -> Markup {
        html! {
            @if !self.normal.is_empty() {
                p class="note" { b { "Normal: " } (shown(&self.normal)) }
            }
            @if !self.notice.is_empty() {
                p class="note" { b { "Here: " } (shown(&self.notice)) }
            }
        }
    }
}

/// Returns `text` with its first letter as a capital, unless it is a formula.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let word = text.split(' ').next().unwrap_or_default();
    match letters.next() {
        Some(first) if word != "ln" => first.to_uppercase().chain(letters).collect(),
        Some(_) | None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caption_is_made_of_the_measure_s_entry() {
        for &measure in Measure::ALL {
            let caption = Caption::of(measure, "Rows are places.");
            let entry = measure.definition();
            let lower = caption.text().to_lowercase();
            assert!(lower.contains(&entry.formula.to_lowercase()), "{caption:?}");
            assert!(lower.contains(&entry.range.to_lowercase()), "{caption:?}");
            assert!(caption.drawn.contains(entry.source), "{caption:?}");
        }
        assert_eq!(sentence("ln of a sum"), "ln of a sum");
        assert_eq!(sentence("mean loss"), "Mean loss");
    }
}
