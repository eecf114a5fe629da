//! Training speed along one axis of size at a time, from gpt2-mini outwards.

use gptlab_engine::cpu::{CpuOptions, Isa, OperandType};
use gptlab_report::{Table, table::Cell};
use serde::{Deserialize, Serialize};

use crate::{
    BenchProgress, Error, FORMAT, MachineDescription, Task, TimingPlan, WorkloadShape,
    job::Job,
    median,
    report::first_format,
    step::{Prepared, prepare},
    table,
    worker::timed,
    workloads,
};

const WIDTHS: [usize; 5] = [64, 128, 256, 512, 768];
const CONTEXTS: [usize; 5] = [64, 128, 256, 512, 1024];
const BATCHES: [usize; 4] = [1, 4, 16, 64];
/// A head's width, whatever the model's.
const HEAD: usize = 32;
const VOCAB: usize = 65;
const BATCH: usize = 32;

const LEGEND: &str = "\
Training, f32, without dropout. One axis moves at a time; the others stay at width 128, context 256, batch 32 and \
all threads.";

/// Training measured at many sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    pub machine: MachineDescription,
    /// [`FORMAT`] of the program that wrote it.
    #[serde(default = "first_format")]
    pub format: u32,
    pub plan: TimingPlan,
    pub points: Vec<ScalingPoint>,
}

/// What moves while all else stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScalingAxis {
    Width,
    Context,
    Batch,
    Threads,
}

impl ScalingAxis {
    /// Returns its name in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Context => "context",
            Self::Batch => "batch",
            Self::Threads => "threads",
        }
    }
}

/// One model and batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingPoint {
    pub axis: ScalingAxis,
    pub width: usize,
    /// In tokens.
    pub context: usize,
    /// In sequences.
    pub batch: usize,
    pub threads: usize,
    pub parameters: usize,
    /// Operations of a step's matrix products, two a multiply-add.
    pub flops: f64,
    /// Of each step.
    pub seconds: Vec<f64>,
    pub median_seconds: f64,
    pub tokens_per_second: f64,
}

impl Scaling {
    /// Trains at every point for `plan.rounds` times `plan.seconds`, and tells `progress` of each.
    ///
    /// # Errors
    /// When a point cannot be trained.
    pub fn measure(
        plan: TimingPlan,
        threads: usize,
        isa: Isa,
        progress: &mut dyn FnMut(BenchProgress<'_>),
    ) -> Result<Self, Error> {
        let machine = MachineDescription::describe(isa, threads);
        let mut points = Vec::new();
        for (axis, job) in jobs(threads, isa) {
            let point = ScalingPoint::measure(axis, &job, plan)?;
            progress(BenchProgress::Point(&point));
            points.push(point);
        }
        Ok(Self {
            machine,
            format: FORMAT,
            plan,
            points,
        })
    }

    /// Returns a row for each point.
    pub fn table(&self) -> Table {
        let numbers = [
            "width",
            "context",
            "batch",
            "threads",
            "parameters",
            "step",
            "tokens/s",
            "GFLOP/s",
        ];
        let mut table = table::table("scaling", &["axis"], &numbers);
        for point in &self.points {
            table.push(point.row());
        }
        table
    }

    /// Returns the machine, the table and what it means, for people.
    pub fn markdown(&self) -> String {
        let parts = [
            table::machine(&self.machine),
            LEGEND.to_owned(),
            self.table().aligned_markdown(),
        ];
        parts.join("\n\n") + "\n"
    }
}

/// The points of every axis, in order.
fn jobs(threads: usize, isa: Isa) -> Vec<(ScalingAxis, Job)> {
    let mini = workloads::MINI;
    let job = |shape: WorkloadShape, batch: usize, threads: usize| Job {
        shape,
        task: Task::Windows {
            vocab_size: VOCAB,
            batch,
        },
        options: CpuOptions {
            threads,
            isa,
            precision: OperandType::F32,
        },
    };
    let wide = |n_embd: usize| WorkloadShape {
        n_embd,
        n_head: n_embd / HEAD,
        ..mini
    };
    let long = |block_size: usize| WorkloadShape { block_size, ..mini };
    let one_and_all = if threads == 1 {
        vec![1]
    } else {
        vec![1, threads]
    };
    let mut all = Vec::new();
    all.extend(WIDTHS.map(|w| (ScalingAxis::Width, job(wide(w), BATCH, threads))));
    all.extend(CONTEXTS.map(|t| (ScalingAxis::Context, job(long(t), BATCH, threads))));
    all.extend(BATCHES.map(|b| (ScalingAxis::Batch, job(mini, b, threads))));
    all.extend(
        one_and_all
            .into_iter()
            .map(|n| (ScalingAxis::Threads, job(mini, BATCH, n))),
    );
    all
}

impl ScalingPoint {
    fn measure(axis: ScalingAxis, job: &Job, plan: TimingPlan) -> Result<Self, Error> {
        let cost = job.cost()?;
        let Prepared {
            mut step,
            parameters,
        } = prepare(job)?;
        let warm = median(&timed(&mut step, 2)?);
        let steps = (plan.seconds * plan.rounds as f64 / warm).clamp(2.0, 1_000.0);
        let seconds = timed(&mut step, steps as usize)?;
        let median_seconds = median(&seconds);
        let batch = (cost.tokens / job.shape.block_size as f64) as usize;
        Ok(Self {
            axis,
            width: job.shape.n_embd,
            context: job.shape.block_size,
            batch,
            threads: job.options.threads,
            parameters,
            flops: cost.flops,
            seconds,
            median_seconds,
            tokens_per_second: cost.tokens / median_seconds,
        })
    }

    fn row(&self) -> Vec<Cell> {
        let number = |n: usize| Cell::text(n.to_string());
        vec![
            Cell::text(self.axis.name()),
            number(self.width),
            number(self.context),
            number(self.batch),
            number(self.threads),
            Cell::count(self.parameters as u64),
            table::time(self.median_seconds),
            table::rounded(self.tokens_per_second),
            table::rounded(self.flops / self.median_seconds / 1e9),
        ]
    }
}
