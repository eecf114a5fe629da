//! `gptlab bench --scaling`: tokens/s along one axis at a time, from gpt2-mini outwards.

use gptlab_engine::cpu::{Isa, Options, Precision};
use serde::Serialize;

use super::{
    machine::Machine,
    rounds::{Plan, median},
    steps::prepare,
    table,
    turns::timed,
    work::Work,
    workloads::{self, Shape, Task},
};
use crate::{
    exit::Outcome,
    printer::{Printer, count},
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

#[derive(Debug, Serialize)]
pub(super) struct Scaling {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) points: Vec<Point>,
}

/// One model and batch.
#[derive(Debug, Serialize)]
pub(super) struct Point {
    axis: &'static str,
    width: usize,
    context: usize,
    batch: usize,
    threads: usize,
    parameters: usize,
    flops: f64,
    /// Of each step.
    seconds: Vec<f64>,
    median_seconds: f64,
    tokens_per_second: f64,
}

impl Scaling {
    pub(super) fn measure(
        machine: Machine,
        plan: Plan,
        isa: Isa,
        printer: Printer,
    ) -> Outcome<Self> {
        let points = works(machine.threads, isa)
            .into_iter()
            .map(|(axis, work)| {
                let point = Point::measure(axis, &work, plan)?;
                let rate = count(point.tokens_per_second.round() as u64);
                printer.note(format_args!("{}: {rate} tokens/s", point.place()));
                Ok(point)
            })
            .collect::<Outcome<_>>()?;
        Ok(Self {
            machine,
            plan,
            points,
        })
    }

    pub(super) fn text(&self) -> String {
        let header = [
            "axis",
            "width",
            "context",
            "batch",
            "threads",
            "parameters",
            "step",
            "tokens/s",
            "GFLOP/s",
        ];
        let rows: Vec<Vec<String>> = self.points.iter().map(Point::row).collect();
        let parts = [
            table::head(&self.machine),
            LEGEND.to_owned(),
            table::markdown(&header, 1, &rows),
        ];
        parts.join("\n\n") + "\n"
    }
}

/// The points of every axis, in order.
fn works(threads: usize, isa: Isa) -> Vec<(&'static str, Work)> {
    let mini = workloads::MINI;
    let work = |shape: Shape, batch: usize, threads: usize| Work {
        shape,
        task: Task::Windows {
            vocab_size: VOCAB,
            batch,
        },
        options: Options {
            threads,
            isa,
            precision: Precision::F32,
        },
    };
    let wide = |n_embd: usize| Shape {
        n_embd,
        n_head: n_embd / HEAD,
        ..mini
    };
    let long = |block_size: usize| Shape { block_size, ..mini };
    let one_and_all = if threads == 1 {
        vec![1]
    } else {
        vec![1, threads]
    };
    let mut all = Vec::new();
    all.extend(WIDTHS.map(|w| ("width", work(wide(w), BATCH, threads))));
    all.extend(CONTEXTS.map(|t| ("context", work(long(t), BATCH, threads))));
    all.extend(BATCHES.map(|b| ("batch", work(mini, b, threads))));
    all.extend(
        one_and_all
            .into_iter()
            .map(|n| ("threads", work(mini, BATCH, n))),
    );
    all
}

impl Point {
    fn measure(axis: &'static str, work: &Work, plan: Plan) -> Outcome<Self> {
        let cost = work.cost()?;
        let (mut step, parameters) = prepare(work)?;
        let warm = median(&timed(&mut step, 2)?);
        let steps = (plan.seconds * plan.rounds as f64 / warm).clamp(2.0, 1_000.0);
        let seconds = timed(&mut step, steps as usize)?;
        let median_seconds = median(&seconds);
        let batch = (cost.tokens / work.shape.block_size as f64) as usize;
        Ok(Self {
            axis,
            width: work.shape.n_embd,
            context: work.shape.block_size,
            batch,
            threads: work.options.threads,
            parameters,
            flops: cost.flops,
            seconds,
            median_seconds,
            tokens_per_second: cost.tokens / median_seconds,
        })
    }

    fn place(&self) -> String {
        format!(
            "width {}, context {}, batch {}, {} threads",
            self.width, self.context, self.batch, self.threads
        )
    }

    fn row(&self) -> Vec<String> {
        let whole = |x: f64| count(x.round() as u64);
        vec![
            self.axis.to_owned(),
            self.width.to_string(),
            self.context.to_string(),
            self.batch.to_string(),
            self.threads.to_string(),
            count(self.parameters as u64),
            table::time(self.median_seconds),
            whole(self.tokens_per_second),
            whole(self.flops / self.median_seconds / 1e9),
        ]
    }
}
