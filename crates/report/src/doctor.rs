//! Finds symptoms in a run's record, with their likely causes and experiments that would confirm
//! them.

mod facts;
mod signs;
mod thresholds;

use gptlab_record::Floors;
use serde::Serialize;

use crate::RecordedRun;
use facts::Facts;

pub use thresholds::{THRESHOLDS, Threshold};

/// A symptom that a record can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Symptom {
    Diverged,
    Rising,
    Exploding,
    AlwaysClipped,
    Stuck,
    NoGradient,
    DeadUnits,
    TokensAlike,
    AttentionSink,
    AttentionCollapsed,
    LargeLogits,
    SeesTheAnswer,
    Memorising,
    WorseThanNgram,
    StillFalling,
}

/// A symptom with its evidence, cause and experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub symptom: Symptom,
    /// The observation, with its numbers.
    pub evidence: String,
    /// The most likely cause.
    pub cause: String,
    /// The experiment that would confirm the cause.
    pub experiment: String,
}

/// The result of [`examine`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The findings, the most serious first.
    pub findings: Vec<Finding>,
    /// A summary of the data that was examined.
    pub seen: String,
}

/// Looks for every symptom in `run`. Comparisons with n-gram tables require `floors`.
pub fn examine(run: &RecordedRun, floors: Option<&Floors>) -> Diagnosis {
    let facts = Facts::of(run, floors);
    let findings = signs::ALL.iter().filter_map(|sign| sign(&facts)).collect();
    Diagnosis {
        findings,
        seen: facts.seen(),
    }
}

/// The diagnosis of one run, as `doctor RUN --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunDiagnosis {
    /// The variant of the grid, or the run's name.
    pub variant: String,
    pub seed: u64,
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
}

impl Diagnosis {
    /// Formats the diagnosis as lines for a terminal.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for finding in &self.findings {
            lines.push(finding.evidence.clone());
            lines.push(format!("  likely cause  {}", finding.cause));
            lines.push(format!("  to find out   {}", finding.experiment));
            lines.push(String::new());
        }
        if self.findings.is_empty() {
            lines.push("Nothing wrong was found.".to_owned());
        }
        lines.push(format!("Looked at {}.", self.seen));
        lines
    }
}

#[cfg(test)]
mod tests;
