//! The results of a benchmark as plain data: the JSON of `bench --json` and of `raw.json`.

use gptlab_kernels::OperandType;
use serde::{Deserialize, Serialize};

use crate::{
    Baselines, MachineDescription, Peak, Peer, TimingPlan, Timings, Workload,
    job::{Cost, Job},
    median,
};

/// The version of the JSON of [`BenchReport`] and of [`crate::Scaling`]. A reader of version `n`
/// reads all versions up to `n`. A file without a version has version 1.
pub const FORMAT: u32 = 1;

pub(crate) fn first_format() -> u32 {
    1
}

/// The beginning of the JSON of a [`BenchReport`] and of a [`crate::Scaling`], which identifies
/// such a file.
pub const BEGINNING: &str = r#"{"machine":{"date":"#;

/// The results of several workloads on one machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BenchReport {
    pub machine: MachineDescription,
    /// The [`FORMAT`] of the program that wrote the report.
    #[serde(default = "first_format")]
    pub format: u32,
    pub plan: TimingPlan,
    #[serde(rename = "ceiling")]
    pub peak: Peak,
    pub workloads: Vec<WorkloadResult>,
    /// The reasons why requested peers did not run, as sentences.
    pub left_out: Vec<String>,
}

/// The result of one workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkloadResult {
    pub name: String,
    pub summary: String,
    #[serde(with = "precision_by_name")]
    pub precision: OperandType,
    /// The number of threads that gptlab used.
    pub threads: usize,
    /// The number of the model's parameters.
    pub parameters: usize,
    /// The number of tokens of a step.
    pub tokens: f64,
    /// The floating-point operations of a step's matrix products; a multiply-add counts as two.
    pub flops: f64,
    /// The least number of bytes that a step moves.
    pub bytes: f64,
    /// The times of gptlab.
    pub ours: TimingSummary,
    pub peers: Vec<PeerResult>,
    #[serde(rename = "quoted")]
    pub published: Option<PublishedResult>,
}

/// The times of a program's steps, with their statistics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingSummary {
    /// The median time of a step.
    pub median_seconds: f64,
    /// The time of the shortest step.
    pub best_seconds: f64,
    /// The interquartile range of the steps' times, as a fraction of the median.
    pub spread: f64,
    #[serde(flatten)]
    pub timings: Timings,
}

/// The times of a peer, compared with gptlab's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeerResult {
    pub name: String,
    /// The arguments that select the peer's variant.
    pub switches: Vec<String>,
    /// Whether the C library's allocator was tuned to keep freed memory.
    pub tuned_allocator: bool,
    /// The peer's time divided by gptlab's: the median of `ratios`.
    pub ratio: f64,
    /// The ratio of the median times in each round.
    pub ratios: Vec<f64>,
    /// The ratio that gptlab aims for.
    pub goal: Option<f64>,
    /// The peer's peak memory divided by gptlab's.
    pub memory_ratio: Option<f64>,
    pub times: TimingSummary,
}

/// A published time, compared with gptlab's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PublishedResult {
    /// The program that the time is of.
    pub of: String,
    /// The published time of one step.
    pub seconds: f64,
    /// The published time divided by gptlab's median.
    pub ratio: f64,
    /// The ratio that gptlab aims for.
    pub goal: f64,
}

impl From<Timings> for TimingSummary {
    fn from(timings: Timings) -> Self {
        Self {
            median_seconds: timings.median(),
            best_seconds: timings.best(),
            spread: timings.spread(),
            timings,
        }
    }
}

impl PeerResult {
    pub(crate) fn of(peer: &Peer, timings: Timings, ours: &Timings) -> Self {
        let ratios = timings.ratios(ours);
        let memory = timings.peak_bytes.zip(ours.peak_bytes);
        Self {
            name: peer.name.to_owned(),
            switches: peer.switches.iter().map(|s| (*s).to_owned()).collect(),
            tuned_allocator: peer.tuned_allocator,
            ratio: median(&ratios),
            ratios,
            goal: peer.goal,
            memory_ratio: memory.map(|(its, ours)| its as f64 / ours as f64),
            times: timings.into(),
        }
    }
}

impl WorkloadResult {
    pub(crate) fn of(
        workload: &Workload,
        job: &Job,
        cost: &Cost,
        mut peers: Vec<PeerResult>,
        ours: Timings,
    ) -> Self {
        let ours = TimingSummary::from(ours);
        let published = match workload.baselines {
            Baselines::Each(_) => None,
            Baselines::Best { goal, .. } => {
                let fastest = peers.iter_mut().min_by(|a, b| a.ratio.total_cmp(&b.ratio));
                if let Some(fastest) = fastest {
                    fastest.goal = goal;
                }
                None
            }
            Baselines::Published(time) => Some(PublishedResult {
                of: time.of.to_owned(),
                seconds: time.seconds,
                ratio: time.seconds / ours.median_seconds,
                goal: time.goal,
            }),
        };
        Self {
            name: workload.name.to_owned(),
            summary: workload.summary.to_owned(),
            precision: job.options.precision,
            threads: job.options.threads,
            parameters: cost.parameters,
            tokens: cost.tokens,
            flops: cost.flops,
            bytes: cost.bytes,
            ours,
            peers,
            published,
        }
    }
}

/// The module for `#[serde(with)]` that writes a precision as its name.
mod precision_by_name {
    use gptlab_kernels::OperandType;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(
        precision: &OperandType,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.serialize_str(precision.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OperandType, D::Error> {
        let name = String::deserialize(from)?;
        OperandType::from_name(&name)
            .ok_or_else(|| D::Error::custom(format!("there is no precision `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Scaling;

    /// Every number of a committed file is read, and written again unchanged. The file is older
    /// than the format's version number.
    #[test]
    fn kept_results_are_read_and_written_again() {
        let kept = include_str!("../../../bench/runs/2026-11-21-epyc/raw.json");
        let report: BenchReport = serde_json::from_str(kept).unwrap();
        assert_eq!(report.format, 1);
        let written = serde_json::to_string(&report).unwrap();
        assert!(written.starts_with(BEGINNING), "{}", &written[..40]);
        assert_eq!(without_format(&written), without_format(kept));
        let kept = include_str!("../../../bench/runs/2026-11-21-epyc/scaling.json");
        let scaling: Scaling = serde_json::from_str(kept).unwrap();
        let written = serde_json::to_string(&scaling).unwrap();
        assert!(written.starts_with(BEGINNING), "{}", &written[..40]);
        assert_eq!(without_format(&written), without_format(kept));
    }

    fn without_format(json: &str) -> Value {
        let mut json: Value = serde_json::from_str(json).unwrap();
        json.as_object_mut().unwrap().remove("format");
        json
    }
}
