//! What was measured, as plain data: the JSON of `--json` and of `raw.json`.

use std::path::Path;

use gptlab_kernels::Precision;
use gptlab_report::page::{File, Place, Sign};
use serde::{Serialize, Serializer};

use super::{
    ceiling::Ceiling,
    machine::Machine,
    rounds::{Plan, Series, median},
    work::{Cost, Work},
    workloads::{Peer, Rivals, Workload},
};
use crate::exit::{Outcome, Stop};

#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) ceiling: Ceiling,
    pub(super) workloads: Vec<Measured>,
    /// Who was to run and did not, and why.
    pub(super) left_out: Vec<String>,
}

/// One workload.
#[derive(Debug, Serialize)]
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    #[serde(serialize_with = "by_name")]
    pub(super) precision: Precision,
    pub(super) threads: usize,
    pub(super) parameters: usize,
    /// Of a step, as the two below.
    pub(super) tokens: f64,
    pub(super) flops: f64,
    pub(super) bytes: f64,
    pub(super) ours: Times,
    pub(super) peers: Vec<Beside>,
    pub(super) quoted: Option<Quoted>,
}

/// A program's steps, and what they come to.
#[derive(Debug, Serialize)]
pub(super) struct Times {
    pub(super) median_seconds: f64,
    pub(super) best_seconds: f64,
    pub(super) spread: f64,
    #[serde(flatten)]
    pub(super) series: Series,
}

/// A peer beside us.
#[derive(Debug, Serialize)]
pub(super) struct Beside {
    pub(super) name: &'static str,
    pub(super) switches: &'static [&'static str],
    pub(super) tuned_allocator: bool,
    /// Its time over ours: the median of the rounds'.
    pub(super) ratio: f64,
    pub(super) ratios: Vec<f64>,
    pub(super) goal: Option<f64>,
    /// Its peak memory over ours.
    pub(super) memory_ratio: Option<f64>,
    pub(super) times: Times,
}

/// A published time beside ours.
#[derive(Debug, Serialize)]
pub(super) struct Quoted {
    pub(super) of: &'static str,
    pub(super) seconds: f64,
    pub(super) ratio: f64,
    pub(super) goal: f64,
}

impl From<Series> for Times {
    fn from(series: Series) -> Self {
        Self {
            median_seconds: series.median(),
            best_seconds: series.best(),
            spread: series.spread(),
            series,
        }
    }
}

impl Beside {
    pub(super) fn of(peer: &Peer, series: Series, ours: &Series) -> Self {
        let ratios = series.ratios(ours);
        let memory = series.peak_bytes.zip(ours.peak_bytes);
        Self {
            name: peer.name,
            switches: peer.switches,
            tuned_allocator: peer.tuned,
            ratio: median(&ratios),
            ratios,
            goal: peer.goal,
            memory_ratio: memory.map(|(its, ours)| its as f64 / ours as f64),
            times: series.into(),
        }
    }
}

impl Measured {
    pub(super) fn of(
        workload: &Workload,
        work: &Work,
        cost: &Cost,
        mut peers: Vec<Beside>,
        ours: Series,
    ) -> Self {
        let ours = Times::from(ours);
        let quoted = match workload.rivals {
            Rivals::Each(_) => None,
            Rivals::Best { goal, .. } => {
                let fastest = peers.iter_mut().min_by(|a, b| a.ratio.total_cmp(&b.ratio));
                if let Some(fastest) = fastest {
                    fastest.goal = goal;
                }
                None
            }
            Rivals::Quoted(quote) => Some(Quoted {
                of: quote.of,
                seconds: quote.seconds,
                ratio: quote.seconds / ours.median_seconds,
                goal: quote.goal,
            }),
        };
        Self {
            name: workload.name,
            summary: workload.summary,
            precision: work.options.precision,
            threads: work.options.threads,
            parameters: cost.parameters,
            tokens: cost.tokens,
            flops: cost.flops,
            bytes: cost.bytes,
            ours,
            peers,
            quoted,
        }
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference over"
)]
fn by_name<S: Serializer>(precision: &Precision, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(precision.name())
}

/// A raw file of ours is told by how it begins.
const BEGINNING: &str = r#"{"machine":{"date":"#;

/// The folder of `--out`, where it may take our files.
pub(super) fn place(folder: &Path) -> Outcome<Place> {
    let signs = ["raw.json"].map(|name| Sign::text(name, BEGINNING));
    super::super::report::place(folder, &signs, "--out DIR")
}

/// Writes `raw` and `table` into the folder `place`, which is made where it is not there.
pub(super) fn write(place: &Place, raw: &impl Serialize, table: &str) -> Outcome<()> {
    let raw = serde_json::to_string(raw).map_err(Stop::failure)?;
    let file = |name: &str, text: String| File {
        name: name.to_owned(),
        text,
    };
    place.write(&[
        file("raw.json", raw + "\n"),
        file("table.md", table.to_owned()),
    ])?;
    Ok(())
}
