//! What ails a run: symptoms in its record, their likely cause, and the experiment that would tell.

mod facts;
mod signs;
mod thresholds;

use gptlab_record::Floors;
use serde::Serialize;

use crate::RecordedRun;
use facts::Facts;

pub use thresholds::{THRESHOLDS, Threshold};

/// What a record shows.
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

/// A symptom, in sentences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub symptom: Symptom,
    /// What was seen, with its numbers.
    pub evidence: String,
    /// What it most likely comes from.
    pub cause: String,
    /// What to run to know.
    pub experiment: String,
}

/// What [`examine`] comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// How much there was to look at.
    pub seen: String,
}

/// Looks for every symptom in `run`. Which n-gram tables a loss is worse than is known only with
/// `floors`.
pub fn examine(run: &RecordedRun, floors: Option<&Floors>) -> Diagnosis {
    let facts = Facts::of(run, floors);
    let findings = signs::ALL.iter().filter_map(|sign| sign(&facts)).collect();
    Diagnosis {
        findings,
        seen: facts.seen(),
    }
}

/// What `doctor RUN --json` prints, one a run: the run, and the diagnosis of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunDiagnosis {
    /// The variant of the grid, or the run's name.
    pub variant: String,
    pub seed: u64,
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
}

impl Diagnosis {
    /// For a terminal.
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
