//! Finds symptoms in a run's record, with their likely causes and experiments that would confirm
//! them.

mod facts;
mod remedies;
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

/// What all that was seen comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There are findings.
    Symptoms,
    /// There are none, in a run long enough to have some.
    NoSymptoms,
    /// There are none, and too few steps were logged for that to mean anything.
    TooLittle,
}

/// What [`examine`] comes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    pub verdict: Verdict,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// What could not be judged and why, a sentence each.
    pub unjudged: Vec<String>,
    /// How much there was to look at.
    pub seen: String,
}

/// Looks for every symptom in `run`. Comparisons with n-gram baselines require `floors`.
pub fn examine(run: &RecordedRun, floors: Option<&Floors>) -> Diagnosis {
    let facts = Facts::of(run, floors);
    let findings: Vec<Finding> = signs::ALL.iter().filter_map(|sign| sign(&facts)).collect();
    Diagnosis {
        verdict: match (findings.is_empty(), facts.has_course()) {
            (false, _) => Verdict::Symptoms,
            (true, true) => Verdict::NoSymptoms,
            (true, false) => Verdict::TooLittle,
        },
        findings,
        unjudged: facts.unjudged(),
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
    /// Returns the evidence of every finding, or a sentence that says why there is none.
    pub fn summary(&self) -> String {
        match self.verdict {
            Verdict::Symptoms => {
                let all: Vec<&str> = self.findings.iter().map(|f| f.evidence.as_str()).collect();
                all.join(" ")
            }
            Verdict::NoSymptoms => "No symptom was found.".to_owned(),
            Verdict::TooLittle => "There is too little to judge.".to_owned(),
        }
    }

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
            lines.push(self.summary());
        }
        lines.extend(self.unjudged.iter().cloned());
        lines.push(format!("The doctor looked at {}.", self.seen));
        lines
    }
}

#[cfg(test)]
mod tests;
