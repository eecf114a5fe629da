//! Training speed along one axis of size at a time, starting from gpt2-mini.

use gptlab_engine::cpu::{CpuOptions, Isa, OperandType};
use gptlab_report::{Table, table::TableCell};
use serde::{Deserialize, Serialize};

use crate::{
    BenchProgress, Error, FORMAT, MachineDescription, Task, TimingPlan, WorkloadShape,
    job::Job,
    median,
    report::first_format,
    step::{Prepared, prepare},
    table::{self, Layout, ResultPage},
    worker::timed,
    workloads,
};

const WIDTHS: [usize; 5] = [64, 128, 256, 512, 768];
const CONTEXTS: [usize; 5] = [64, 128, 256, 512, 1024];
const BATCHES: [usize; 4] = [1, 4, 16, 64];
/// The width of an attention head at every width of the model.
const HEAD: usize = 32;
const VOCAB: usize = 65;
const BATCH: usize = 32;

const LEGEND: &str = "\
Training, f32, without dropout. One axis moves at a time; the others stay at width 128, context 256, batch 32 and \
all threads.";

/// The speed of training at many sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scaling {
    pub machine: MachineDescription,
    /// The [`FORMAT`] of the program that wrote the results.
    #[serde(default = "first_format")]
    pub format: u32,
    pub plan: TimingPlan,
    pub points: Vec<ScalingPoint>,
}

/// The size that varies while all others stay fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScalingAxis {
    Width,
    Context,
    Batch,
    Threads,
}

impl ScalingAxis {
    /// Returns the axis's name in tables and in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Width => "width",
            Self::Context => "context",
            Self::Batch => "batch",
            Self::Threads => "threads",
        }
    }
}

/// The measurement of one model and batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScalingPoint {
    /// The axis that the point lies on.
    pub axis: ScalingAxis,
    /// The width of the model's residual stream.
    pub width: usize,
    /// The length of the context, in tokens.
    pub context: usize,
    /// The number of sequences in a batch.
    pub batch: usize,
    /// The number of threads.
    pub threads: usize,
    /// The number of the model's parameters.
    pub parameters: usize,
    /// The floating-point operations of a step's matrix products; a multiply-add counts as two.
    pub flops: f64,
    /// The time of each step.
    pub seconds: Vec<f64>,
    pub median_seconds: f64,
    pub tokens_per_second: f64,
}

impl Scaling {
    /// Trains at every point for `plan.rounds` times `plan.seconds`, and calls `progress` after
    /// each point.
    ///
    /// # Errors
    /// Returns an error if a point cannot be trained.
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

    /// Returns a table with a row for each point.
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
}

impl ResultPage for Scaling {
    fn page(&self, layout: Layout) -> String {
        let parts = [
            layout.paragraph(&table::machine(&self.machine)),
            layout.paragraph(LEGEND),
            layout.table(&self.table()),
        ];
        parts.join("\n\n") + "\n"
    }
}

/// Returns the points of every axis, in order.
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

    fn row(&self) -> Vec<TableCell> {
        let number = |n: usize| TableCell::text(n.to_string());
        vec![
            TableCell::text(self.axis.name()),
            number(self.width),
            number(self.context),
            number(self.batch),
            number(self.threads),
            TableCell::count(self.parameters as u64),
            table::time(self.median_seconds),
            table::rounded(self.tokens_per_second),
            table::rounded(self.flops / self.median_seconds / 1e9),
        ]
    }
}
