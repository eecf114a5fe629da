//! Ordinary runs beside each other: what is told of several runs that no grid planned.
//!
//! Losses are compared only within a [`LossGroup`]. Runs of one group have the same settings or
//! not; a difference between settings means something only beside the difference that another seed
//! makes, so the sentences say whether seeds were repeated.

mod finding;
mod groups;
mod labels;
mod tables;
mod text;

use std::ops::Range;

use gptlab_record::Event;
use serde::Serialize;

use crate::{
    RecordedRun, RunState, RunSummary, Setting,
    diff::{self, DifferingSetting},
    page::WrittenReport,
    settings::{layer_of, settings_of},
    study::listing_of,
};

pub(crate) use labels::shortened;
pub use text::story;

/// Several runs, each of which was started by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The runs, group by group. In a group the finished runs come first, the lowest loss before
    /// the others, then the unfinished ones, then those that diverged.
    pub runs: Vec<LabelledRun>,
    pub groups: Vec<LossGroup>,
    /// The settings in which the runs differ, with a value for each run, in the order of `runs`.
    pub settings: Vec<DifferingSetting>,
}

/// A run with the name by which it is told from the others.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelledRun {
    /// The name of its folder, or the path to it where other folders have the same name.
    pub label: String,
    pub run: RecordedRun,
    pub summary: RunSummary,
    pub status: RunStatus,
    /// Its place among the runs that were handed to [`Comparison::of`].
    pub typed: usize,
    /// A number that runs share if all their settings but the seed are equal.
    recipe: usize,
}

/// A run with its label, its place among the handed runs, and its settings.
struct NamedRun {
    label: String,
    typed: usize,
    run: RecordedRun,
    settings: Vec<Setting>,
}

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    Finished,
    /// It was stopped, and not continued.
    Stopped,
    /// It is running, or was killed.
    Unfinished,
    Diverged,
}

/// Runs whose losses can be compared with each other: they are over the same text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LossGroup {
    /// The name of the text, and what else distinguishes the group from others.
    pub name: String,
    pub unit: LossUnit,
    /// The places of its runs in [`Comparison::runs`].
    pub runs: Range<usize>,
}

/// The unit in which the losses of a group are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LossUnit {
    /// All runs cut the text into the same tokens.
    NatsPerToken,
    /// The runs cut the text into different tokens, and their losses are over the same characters.
    BitsPerCharacter,
}

/// A comparison and the files of its page, as `report RUN RUN --json` prints them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WrittenComparison {
    #[serde(flatten)]
    pub written: WrittenReport,
    /// What was found, a sentence without its full stop.
    pub headline: String,
    /// What was found besides, a sentence each.
    pub answer: Vec<String>,
    pub groups: Vec<LossGroup>,
    pub runs: Vec<ComparedSummary>,
    pub settings: Vec<DifferingSetting>,
}

/// The summary of one of the compared runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedSummary {
    #[serde(flatten)]
    pub summary: RunSummary,
    pub status: RunStatus,
    /// The number of tokens that it has trained on, where every step has the same number.
    pub tokens: Option<u64>,
    /// The step with the lowest validation loss, and that loss in nats per token.
    pub best: Option<(u64, f64)>,
    /// The last validation loss in bits per character, in a group that is compared in them.
    pub bits_per_char: Option<f64>,
}

impl Comparison {
    /// Compares `runs`, each with the path by which it was named.
    ///
    /// # Errors
    /// Returns an error if the settings of a run cannot be written as JSON.
    pub fn of(runs: Vec<(String, RecordedRun)>) -> Result<Self, serde_json::Error> {
        let labels = labels::labels(&runs);
        let runs = labels.into_iter().zip(runs.into_iter().map(|(_, run)| run));
        let mut named = Vec::new();
        for (typed, (label, run)) in runs.enumerate() {
            let settings = settings_of_run(&run)?;
            named.push(NamedRun {
                label,
                typed,
                run,
                settings,
            });
        }
        let (runs, groups) = groups::grouped(named);
        let settings: Vec<Vec<Setting>> = runs.iter().map(|(_, s)| s.clone()).collect();
        Ok(Self {
            settings: differing(&runs, &settings),
            runs: runs.into_iter().map(|(run, _)| run).collect(),
            groups,
        })
    }

    /// Returns the runs of a group.
    pub fn runs_of(&self, group: &LossGroup) -> &[LabelledRun] {
        self.runs.get(group.runs.clone()).unwrap_or_default()
    }

    /// Returns the comparison as JSON, with the files that were `written`.
    pub fn written(&self, written: WrittenReport) -> WrittenComparison {
        let summaries = self.groups.iter().flat_map(|group| {
            let runs = self.runs_of(group).iter();
            runs.map(|run| run.compared(group.unit))
        });
        WrittenComparison {
            written,
            headline: self.headline(),
            answer: self.answer(),
            groups: self.groups.clone(),
            runs: summaries.collect(),
            settings: self.settings.clone(),
        }
    }
}

impl LabelledRun {
    fn of(label: String, typed: usize, run: RecordedRun) -> Self {
        let summary = RunSummary::of(&run);
        let spec = &run.experiment.spec;
        let counted = || listing_of(spec, run.experiment.vocab_size).1;
        Self {
            summary: RunSummary {
                name: label.clone(),
                parameters: summary.parameters.or_else(|| Some(counted())),
                ..summary
            },
            status: status(&run),
            label,
            run,
            typed,
            recipe: 0,
        }
    }

    /// Returns the last validation loss in `unit`, if it is finite. That of a run that diverged
    /// says nothing.
    pub fn loss(&self, unit: LossUnit) -> Option<f64> {
        let last = match unit {
            LossUnit::NatsPerToken => self.summary.val_loss,
            LossUnit::BitsPerCharacter => self.curve(unit).last().map(|(_, loss)| *loss),
        };
        last.filter(|loss| loss.is_finite() && self.status != RunStatus::Diverged)
    }

    /// Returns the lowest validation loss in `unit`, after its step. If the last loss is over the
    /// whole validation split and the others are over a part of it, none is the lowest.
    pub fn best(&self, unit: LossUnit) -> Option<(u64, f64)> {
        if self.run.whole_loss.is_some() && !groups::logs_whole(&self.run) {
            return None;
        }
        let losses = self.curve(unit).into_iter();
        let finite = losses.filter(|(_, loss)| loss.is_finite());
        finite.min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// Returns the validation losses by step.
    pub fn curve(&self, unit: LossUnit) -> Vec<(u64, f64)> {
        match unit {
            LossUnit::NatsPerToken => self.run.validation(),
            LossUnit::BitsPerCharacter => self.run.events.iter().filter_map(bits).collect(),
        }
    }

    /// Returns the number of tokens that the run has trained on, where every step has the same
    /// number.
    pub fn tokens(&self) -> Option<u64> {
        let tokens = self.run.tokens_per_step()? * self.summary.steps as f64;
        Some(tokens as u64)
    }

    fn compared(&self, unit: LossUnit) -> ComparedSummary {
        let bits = match unit {
            LossUnit::NatsPerToken => None,
            LossUnit::BitsPerCharacter => self.loss(unit),
        };
        ComparedSummary {
            summary: self.summary.clone(),
            status: self.status,
            tokens: self.tokens(),
            best: self.best(LossUnit::NatsPerToken),
            bits_per_char: bits,
        }
    }
}

impl LossUnit {
    /// Returns the title of an axis.
    pub fn title(self) -> &'static str {
        match self {
            Self::NatsPerToken => "nats per token",
            Self::BitsPerCharacter => "bits per character",
        }
    }
}

/// Returns the validation loss of an event in bits per character, after the number of updates.
fn bits(event: &Event) -> Option<(u64, f64)> {
    match event {
        Event::Step(record) => Some((record.step, record.val_bits_per_char?)),
        Event::Done {
            step,
            val_bits_per_char,
            ..
        } => Some((*step, (*val_bits_per_char)?)),
        Event::Start { .. }
        | Event::Notice { .. }
        | Event::Observation(_)
        | Event::Sample { .. }
        | Event::Checkpoint { .. }
        | Event::Resume { .. }
        | Event::Stop { .. }
        | Event::Diverged { .. } => None,
    }
}

fn status(run: &RecordedRun) -> RunStatus {
    // What a run wrote when it stopped follows the stop; a step that it makes afterwards does not.
    let stopped = run.events.iter().rev().find_map(|event| match event {
        Event::Stop { .. } => Some(true),
        Event::Step(_) | Event::Resume { .. } => Some(false),
        Event::Start { .. }
        | Event::Notice { .. }
        | Event::Observation(_)
        | Event::Sample { .. }
        | Event::Checkpoint { .. }
        | Event::Diverged { .. }
        | Event::Done { .. } => None,
    });
    match RunSummary::of(run).state {
        RunState::Finished => RunStatus::Finished,
        RunState::Diverged => RunStatus::Diverged,
        RunState::Unfinished if stopped == Some(true) => RunStatus::Stopped,
        RunState::Unfinished => RunStatus::Unfinished,
    }
}

/// Where a text lies, how a record is written, and what follows from a text and its tokenizer.
const NOT_COMPARED: &[&str] = &[
    "data.bytes",
    "data.origin",
    "data.train_tokens",
    "data.val_tokens",
    "format",
];
/// The number of characters of a fingerprint that distinguish texts.
const FINGERPRINT: usize = 12;

/// Returns the settings of a run, in words that are short enough for a table.
fn settings_of_run(run: &RecordedRun) -> Result<Vec<Setting>, serde_json::Error> {
    let json = diff::settings_json(&run.experiment)?;
    let short = |setting: Setting| {
        let value = match setting.path.as_str() {
            "tokenizer" => run.experiment.tokenizer.tokenization().to_string(),
            "data.fingerprint" => setting.value.chars().take(FINGERPRINT).collect(),
            _ => diff::shortened(&setting.value),
        };
        Setting { value, ..setting }
    };
    let compared = |setting: &Setting| !NOT_COMPARED.contains(&setting.path.as_str());
    let all = settings_of(&json).into_iter();
    Ok(all.filter(compared).map(short).collect())
}

/// Returns the settings in which runs differ. A layer that only the deeper models have is no
/// difference of its own.
fn differing(
    runs: &[(LabelledRun, Vec<Setting>)],
    settings: &[Vec<Setting>],
) -> Vec<DifferingSetting> {
    let depths: Vec<usize> = runs
        .iter()
        .map(|(run, _)| run.run.experiment.spec.layers.len())
        .collect();
    diff::differing(settings, |setting| {
        let Some((layer, _)) = layer_of(&setting.path) else {
            return true;
        };
        let values = setting.values.iter().zip(&depths);
        let mut deep = values.filter(|(_, depth)| layer < **depth);
        let first = deep.next().map(|(value, _)| value);
        deep.any(|(value, _)| Some(value) != first)
    })
}

#[cfg(test)]
mod tests;
