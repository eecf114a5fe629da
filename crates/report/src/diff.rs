//! Compares two runs: their settings, listings and records.

mod differing;
mod events;

use gptlab_record::{Event, Experiment};
use serde::Serialize;
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use crate::{
    RecordedRun, number,
    plot::{self, Glyphs, PlotAxes, PlotLine, PlotSize},
    settings::{Setting, settings_of},
    study::listing_of,
};

pub use differing::DifferingSetting;
pub(crate) use differing::differing;
pub use events::FirstDifference;

/// A side of a comparison: a run, or a checkpoint, which has settings but no events.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparedRun {
    pub name: String,
    /// The experiment as JSON. A checkpoint omits what it does not contain.
    pub settings: Value,
    /// The model's listing.
    pub listing: String,
    pub events: Vec<Event>,
    pub knows: KnownSettings,
}

/// The extent of a side's known settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownSettings {
    All,
    /// Some settings are unknown. They are not compared.
    Part,
}

impl ComparedRun {
    /// Reads a run for a comparison.
    ///
    /// # Errors
    /// Returns an error if the settings of the run cannot be written as JSON.
    pub fn of_run(name: &str, run: &RecordedRun) -> Result<Self, serde_json::Error> {
        let experiment = &run.experiment;
        Ok(Self {
            name: name.to_owned(),
            settings: settings_json(experiment)?,
            listing: listing_of(&experiment.spec, experiment.vocab_size).0,
            events: run.events.clone(),
            knows: KnownSettings::All,
        })
    }
}

/// A setting that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    pub path: String,
    /// The name of the setting, with the layers that it belongs to.
    pub words: String,
    /// The value on the first side; `None` if it is absent.
    pub a: Option<String>,
    /// The value on the second side; `None` if it is absent.
    pub b: Option<String>,
}

impl SettingChange {
    /// Returns the change as text: `residual connections: add -> none`.
    pub fn text(&self) -> String {
        let value =
            |v: &Option<String>| v.as_deref().map_or_else(|| "absent".to_owned(), shortened);
        format!("{}: {} -> {}", self.words, value(&self.a), value(&self.b))
    }
}

/// Shortens a long value, such as a tokenizer.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    text.chars().take(MOST).collect::<String>() + "…"
}

/// A line of the difference between two listings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ListingLine {
    /// The origin of the line: ` ` for both listings, `-` for the first only, `+` for the second
    /// only.
    pub sign: char,
    pub text: String,
}

/// The result of [`compare`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunComparison {
    pub a: String,
    pub b: String,
    /// Whether no setting, no op and no recorded number differs.
    pub equal: bool,
    pub settings: Vec<SettingChange>,
    /// Empty if the listings are equal.
    pub listing: Vec<ListingLine>,
    /// The first difference between the recorded numbers; `None` if they are equal, or if the sides
    /// have no common step.
    #[serde(rename = "parting")]
    pub first_difference: Option<FirstDifference>,
    /// The number of steps that both sides recorded.
    pub common_steps: usize,
    /// The last known loss of each side, in nats per token: the validation loss if there is one.
    pub losses: (Option<f64>, Option<f64>),
    #[serde(skip)]
    curves: [PlotLine; 2],
}

/// Compares the settings, the listings and everything recorded except times.
pub fn compare(a: &ComparedRun, b: &ComparedRun) -> RunComparison {
    let mut settings = changes(&settings_of(&a.settings), &settings_of(&b.settings));
    if [a.knows, b.knows].contains(&KnownSettings::Part) {
        let known =
            |c: &SettingChange| c.path.starts_with("spec.") || (c.a.is_some() && c.b.is_some());
        settings.retain(known);
    }
    let listing = if a.listing == b.listing {
        Vec::new()
    } else {
        listing(&a.listing, &b.listing)
    };
    let (first_difference, common_steps) = events::part(&a.events, &b.events);
    // A checkpoint has no record that could differ.
    let compared = [a.knows, b.knows] == [KnownSettings::All; 2];
    let same_record = !compared || events::same(&a.events, &b.events);
    let (one, two) = (events::curve(&a.events), events::curve(&b.events));
    let last = |curve: &[(f64, f64)]| curve.last().map(|(_, loss)| *loss);
    RunComparison {
        a: a.name.clone(),
        b: b.name.clone(),
        equal: settings.is_empty()
            && listing.is_empty()
            && first_difference.is_none()
            && same_record,
        settings,
        listing,
        first_difference,
        common_steps,
        losses: (last(&one), last(&two)),
        curves: [
            PlotLine {
                label: a.name.clone(),
                points: one,
            },
            PlotLine {
                label: b.name.clone(),
                points: two,
            },
        ],
    }
}

/// Returns the JSON of `settings` by way of its text: numbers of 32 bits keep the few digits that
/// they have as text, and would get more as numbers of 64 bits.
///
/// # Errors
/// Returns an error if they cannot be written as JSON.
pub fn settings_json(settings: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&serde_json::to_string(settings)?)
}

/// Returns the settings in which two experiments differ.
///
/// # Errors
/// Returns an error if the settings of one of them cannot be written as JSON.
pub fn settings(a: &Experiment, b: &Experiment) -> Result<Vec<SettingChange>, serde_json::Error> {
    let of = |e: &Experiment| settings_json(e).map(|json| settings_of(&json));
    Ok(changes(&of(a)?, &of(b)?))
}

/// Returns the settings that differ. An equal difference in several layers is one change.
fn changes(a: &[Setting], b: &[Setting]) -> Vec<SettingChange> {
    let change = |found: DifferingSetting| {
        let mut values = found.values.into_iter();
        SettingChange {
            path: found.path,
            words: found.words,
            a: values.next().flatten(),
            b: values.next().flatten(),
        }
    };
    let found = differing(&[a.to_vec(), b.to_vec()], |_| true).into_iter();
    found.map(change).collect()
}

/// Returns the changed ops of two listings with the lines around them. The indentation of a listing
/// depends on its longest name and is not compared.
pub fn listing(a: &str, b: &str) -> Vec<ListingLine> {
    const AROUND: usize = 2;
    let (a, b) = (squeezed(a), squeezed(b));
    let diff = TextDiff::from_lines(&a, &b);
    let mut lines = Vec::new();
    for group in diff.grouped_ops(AROUND) {
        if !lines.is_empty() {
            lines.push(ListingLine {
                sign: ' ',
                text: "…".to_owned(),
            });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Equal => ' ',
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
            };
            lines.push(ListingLine {
                sign,
                text: change.value().trim_end().to_owned(),
            });
        }
    }
    aligned(lines)
}

/// Replaces runs of white space by one space.
fn squeezed(listing: &str) -> String {
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
    listing.lines().map(line).collect()
}

/// Pads the names before `=` to equal width.
fn aligned(lines: Vec<ListingLine>) -> Vec<ListingLine> {
    let name = |line: &ListingLine| {
        line.text
            .split_once(" = ")
            .map_or(0, |(name, _)| name.len())
    };
    let width = lines.iter().map(name).max().unwrap_or(0);
    let align = |line: ListingLine| match line.text.split_once(" = ") {
        Some((name, op)) => ListingLine {
            text: format!("{name:<width$} = {op}"),
            ..line
        },
        None => line,
    };
    lines.into_iter().map(align).collect()
}

impl RunComparison {
    /// Formats the comparison for a terminal that is `width` characters wide.
    pub fn text(&self, width: usize, glyphs: Glyphs) -> String {
        let mut out = format!("a  {}\nb  {}\n\n", self.a, self.b);
        if self.equal && self.common_steps == 0 {
            out.push_str(
                "Settings and listing are equal. The sides share no recorded step, and weights are not compared.\n",
            );
            return out;
        }
        if self.equal {
            out.push_str(
                "The runs are equal: settings, listing and every recorded number but times.\n",
            );
            return out;
        }
        section(
            &mut out,
            "Settings",
            self.settings.iter().map(SettingChange::text).collect(),
            "no setting differs",
        );
        let listing = self
            .listing
            .iter()
            .map(|l| format!("{} {}", l.sign, l.text))
            .collect();
        section(&mut out, "Listing", listing, "the same ops");
        section(
            &mut out,
            "Record",
            self.record(),
            "nothing is recorded by both",
        );
        let size = PlotSize {
            width: width.saturating_sub(12).min(72),
            height: 12,
        };
        let axes = PlotAxes {
            x: "step".to_owned(),
            y: "loss, nats per token".to_owned(),
            level: None,
        };
        out.push_str(&plot::plot(&self.curves, &axes, size, glyphs));
        out
    }

    fn record(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match &self.first_difference {
            Some(first_difference) => lines.push(first_difference.text()),
            None if self.common_steps > 0 => lines.push(format!(
                "the same numbers at all {} common steps",
                self.common_steps
            )),
            None => {}
        }
        if let (Some(a), Some(b)) = self.losses {
            let by = number::signed(b - a);
            lines.push(format!(
                "last recorded losses: a {}, b {} ({by})",
                number::loss(a),
                number::loss(b)
            ));
        }
        lines
    }
}

fn section(out: &mut String, title: &str, lines: Vec<String>, none: &str) {
    out.push_str(title);
    out.push('\n');
    let lines = if lines.is_empty() {
        vec![none.to_owned()]
    } else {
        lines
    };
    for line in lines {
        *out += &["  ", &line, "\n"].concat();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests;
