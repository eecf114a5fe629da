//! The fast engine: explicit adjoints, one planned arena a core, all cores, the same bits for any
//! number of threads.
//!
//! `plan` decides where values live, `shards` how a batch is split, `chunk`, `forward`, `head` and
//! `backward` take a chunk through the model, `update` is the optimiser, and `generate` decodes. What a
//! step needs is allocated when the first batch of its shape arrives and kept.

mod backward;
mod chunk;
mod forward;
mod generate;
mod head;
mod plan;
mod program;
mod shards;
mod update;

use std::{ops::Range, sync::Mutex};

use gptlab_kernels::{attention, elementwise, linear};
use gptlab_model::{Batch, Graph};
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

use self::{
    chunk::{Chunk, Workspace},
    plan::{Plan, Purpose},
    program::Program,
    shards::ChunkRows,
};
use crate::{Engine, ImportError, Matrix, Noise, Slot, StepHyper, StepStats};

pub use generate::{Generator, PromptError};
pub use gptlab_kernels::{Isa, Kind, Precision};

/// How to run a graph.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many threads, at least one. The numbers do not depend on it.
    pub threads: usize,
    /// The vector instructions. Sums may round differently on another set.
    pub isa: Isa,
    /// What operands of matrix products are rounded to.
    pub precision: Precision,
}

impl Options {
    /// f32 on `threads` threads with the best instructions of this processor.
    pub fn of_threads(threads: usize) -> Self {
        Self {
            threads,
            isa: Isa::detect(),
            precision: Precision::F32,
        }
    }
}

/// Runs a graph on the cores it is given.
#[derive(Debug)]
pub struct CpuEngine {
    program: Program,
    threads: ThreadPool,
    weights: Vec<f32>,
    gradients: Vec<f32>,
    exp_avg: Vec<f32>,
    exp_avg_sq: Vec<f32>,
    train: Option<Plan>,
    evaluate: Option<Plan>,
    /// Gradients by shard.
    shards: Vec<Vec<f32>>,
    /// One for each thread that has worked.
    workspaces: Mutex<Vec<Workspace>>,
}

impl CpuEngine {
    /// An engine for `graph` that begins with `weights`, in table order.
    ///
    /// # Errors
    /// When the number of weights is not the graph's, or threads cannot be started.
    pub fn new(graph: Graph, weights: &[f32], options: Options) -> Result<Self, ImportError> {
        let total = graph.params().total();
        check_len(total, weights.len())?;
        Ok(Self {
            program: Program::new(graph, options),
            threads: pool(options.threads)?,
            weights: weights.to_vec(),
            gradients: vec![0.0; total],
            exp_avg: vec![0.0; total],
            exp_avg_sq: vec![0.0; total],
            train: None,
            evaluate: None,
            shards: Vec::new(),
            workspaces: Mutex::default(),
        })
    }

    fn slot(&self, slot: Slot) -> &Vec<f32> {
        match slot {
            Slot::Weights => &self.weights,
            Slot::Gradients => &self.gradients,
            Slot::ExpAvg => &self.exp_avg,
            Slot::ExpAvgSq => &self.exp_avg_sq,
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> &mut Vec<f32> {
        match slot {
            Slot::Weights => &mut self.weights,
            Slot::Gradients => &mut self.gradients,
            Slot::ExpAvg => &mut self.exp_avg,
            Slot::ExpAvgSq => &mut self.exp_avg_sq,
        }
    }
}

fn check_len(expected: usize, found: usize) -> Result<(), ImportError> {
    if expected == found {
        return Ok(());
    }
    Err(ImportError::Count { expected, found })
}

fn pool(threads: usize) -> Result<ThreadPool, ImportError> {
    ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(|i| format!("gptlab-{i}"))
        .build()
        .map_err(|e| ImportError::Threads(e.to_string()))
}

impl Engine for CpuEngine {
    fn graph(&self) -> &Graph {
        &self.program.graph
    }

    fn forward_backward(&mut self, batch: &Batch, noise: Noise) -> f64 {
        renew(&mut self.train, &self.program, batch, Purpose::Train);
        let chunks = shards::chunks(batch);
        let shards = shards::shards(chunks.len(), self.gradients.len());
        let total = self.gradients.len();
        self.shards
            .resize_with(shards.len().max(self.shards.len()), || vec![0.0; total]);
        let Some(plan) = &self.train else { return 0.0 };
        let run = BatchRun {
            program: &self.program,
            plan,
            weights: &self.weights,
            workspaces: &self.workspaces,
            batch,
            noise: Some(noise),
        };
        let mut losses = vec![0.0; batch.tokens()];
        let scale = (1.0 / batch.tokens() as f64) as f32;
        let gradients = &mut self.gradients;
        let buffers = &mut self.shards[..shards.len()];
        self.threads.install(|| {
            let work = split_by_shard(&mut losses, &chunks, &shards);
            work.into_par_iter()
                .zip(&shards)
                .zip(&mut *buffers)
                .for_each(|((losses, shard), dw)| {
                    dw.fill(0.0);
                    run.train_shard(&chunks[shard.clone()], losses, scale, dw);
                });
            add_in_order(run.program.isa, gradients, buffers);
        });
        losses.iter().map(|l| f64::from(*l)).sum::<f64>() / batch.tokens() as f64
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        renew(&mut self.evaluate, &self.program, batch, Purpose::Evaluate);
        let Some(plan) = &self.evaluate else {
            return Vec::new();
        };
        let run = BatchRun {
            program: &self.program,
            plan,
            weights: &self.weights,
            workspaces: &self.workspaces,
            batch,
            noise: None,
        };
        let chunks = shards::chunks(batch);
        let each: Vec<Range<usize>> = (0..chunks.len()).map(|i| i..i + 1).collect();
        let mut losses = vec![0.0; batch.tokens()];
        self.threads.install(|| {
            let work = split_by_shard(&mut losses, &chunks, &each);
            work.into_par_iter()
                .zip(&chunks)
                .for_each(|(losses, chunk)| {
                    run.evaluate_chunk(chunk, losses);
                });
        });
        losses.into_iter().map(f64::from).collect()
    }

    fn update(&mut self, hyper: &StepHyper) -> StepStats {
        self.threads.install(|| {
            update::update(
                self.program.isa,
                self.program.graph.params(),
                update::State {
                    weights: &mut self.weights,
                    gradients: &mut self.gradients,
                    exp_avg: &mut self.exp_avg,
                    exp_avg_sq: &mut self.exp_avg_sq,
                },
                hyper,
            )
        })
    }

    fn export(&self, slot: Slot) -> Vec<f32> {
        self.slot(slot).clone()
    }

    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError> {
        check_len(self.weights.len(), values.len())?;
        self.slot_mut(slot).copy_from_slice(values);
        Ok(())
    }

    fn value(&mut self, batch: &Batch, name: &str) -> Option<Matrix> {
        let node = self.program.graph.find(name)?.index();
        let plan = Plan::new(&self.program.graph, batch.tokens(), Purpose::Observe);
        let mut work = Workspace::default();
        work.fit(&self.program, &plan);
        let sequences: Vec<Range<usize>> = (0..batch.sequences()).map(|i| batch.rows(i)).collect();
        let chunk = Chunk {
            program: &self.program,
            plan: &plan,
            weights: &self.weights,
            inputs: batch.inputs(),
            sequences: &sequences,
            first_row: 0,
            first_position: 0,
            noise: None,
        };
        (0..=node).for_each(|n| chunk.forward_node(n, &mut work));
        Some(Matrix {
            rows: batch.tokens(),
            cols: chunk.width(node),
            values: work.arena[chunk.value(node)].to_vec(),
        })
    }
}

/// Makes a plan for batches like `batch`, unless the one at hand will do.
fn renew(plan: &mut Option<Plan>, program: &Program, batch: &Batch, purpose: Purpose) {
    let rows = shards::rows(batch);
    if plan.as_ref().is_none_or(|p| p.rows < rows) {
        *plan = Some(Plan::new(&program.graph, rows, purpose));
    }
}

/// Cuts `losses`, one a token, into the parts of the shards.
fn split_by_shard<'a>(
    mut losses: &'a mut [f32],
    chunks: &[ChunkRows],
    shards: &[Range<usize>],
) -> Vec<&'a mut [f32]> {
    shards
        .iter()
        .map(|shard| {
            let tokens = chunks[shard.clone()].iter().map(|c| c.rows.len()).sum();
            losses
                .split_off_mut(..tokens)
                .expect("the chunks cover the batch")
        })
        .collect()
}

/// Adds the shards' gradients to `sum`, shard after shard, in blocks that any thread may take.
fn add_in_order(isa: Isa, sum: &mut [f32], shards: &[Vec<f32>]) {
    sum.par_chunks_mut(update::BLOCK)
        .enumerate()
        .for_each(|(i, sum)| {
            let from = i * update::BLOCK;
            for shard in shards {
                elementwise::accumulate(isa, sum, &shard[from..from + sum.len()]);
            }
        });
}

/// What every chunk of one batch shares.
struct BatchRun<'a> {
    program: &'a Program,
    plan: &'a Plan,
    weights: &'a [f32],
    workspaces: &'a Mutex<Vec<Workspace>>,
    batch: &'a Batch,
    noise: Option<Noise>,
}

impl BatchRun<'_> {
    fn chunk<'a>(&'a self, chunk: &'a ChunkRows) -> (Chunk<'a>, &'a [u32]) {
        let run = Chunk {
            program: self.program,
            plan: self.plan,
            weights: self.weights,
            inputs: &self.batch.inputs()[chunk.rows.clone()],
            sequences: &chunk.sequences,
            first_row: chunk.rows.start as u64,
            first_position: 0,
            noise: self.noise,
        };
        (run, &self.batch.targets()[chunk.rows.clone()])
    }

    /// Lends `f` a workspace that nobody else uses.
    fn with_workspace(&self, f: impl FnOnce(&mut Workspace)) {
        let lock = || {
            self.workspaces
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        let mut work = lock().pop().unwrap_or_default();
        work.fit(self.program, self.plan);
        f(&mut work);
        lock().push(work);
    }

    fn train_shard(
        &self,
        chunks: &[ChunkRows],
        mut losses: &mut [f32],
        scale: f32,
        dw: &mut [f32],
    ) {
        self.with_workspace(|work| {
            for chunk in chunks {
                let (run, targets) = self.chunk(chunk);
                let (here, rest) = std::mem::take(&mut losses).split_at_mut(targets.len());
                losses = rest;
                run.forward(work);
                run.losses_backward(work, targets, here, scale, dw);
                run.backward(work, dw);
            }
        });
    }

    fn evaluate_chunk(&self, chunk: &ChunkRows, losses: &mut [f32]) {
        self.with_workspace(|work| {
            let (run, targets) = self.chunk(chunk);
            run.forward(work);
            run.losses(work, targets, losses);
        });
    }
}

impl Workspace {
    /// Grows to what `plan` needs.
    fn fit(&mut self, program: &Program, plan: &Plan) {
        let grow = |v: &mut Vec<f32>, len: usize| v.resize(len.max(v.len()), 0.0);
        grow(&mut self.arena, plan.len);
        grow(&mut self.scratch, scratch_len(program, plan.rows));
    }
}

/// The most that any kernel or the head scribbles on, for sequences of up to `rows` tokens.
fn scratch_len(program: &Program, rows: usize) -> usize {
    let graph = &program.graph;
    let options = graph
        .nodes()
        .iter()
        .enumerate()
        .filter_map(|(i, node)| Some(program.attention(i, node.attention()?.1, None)));
    let attention = options.map(|o| attention::scratch_len(rows, &o)).max();
    let vocab = graph.node(graph.logits()).width;
    let head = head::tile(vocab) * vocab + linear::SCRATCH_LEN;
    attention.unwrap_or(0).max(head)
}
