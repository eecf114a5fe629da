//! The fast engine: explicit adjoints, one planned arena per core, all cores, the same bits for any
//! number of threads.
//!
//! `plan` places values in memory, `shards` splits a batch, `chunk`, `forward_pass`, `output_head`
//! and `backward` run a chunk through the model, `update` is the optimiser, `generate` decodes, and
//! `hooked` shows and changes values. The memory of a step is allocated when the first batch of its
//! shape arrives, and is kept.

mod aligned;
mod backend;
mod backward;
mod batch_run;
mod chunk;
mod forward_pass;
mod generate;
mod hooked;
mod memory_need;
mod output_head;
mod plan;
mod pool;
mod prepared_graph;
mod products;
mod shards;
mod update;
mod weight_panels;
mod workspace;

use std::{ops::Range, slice};

use gptlab_kernels::linear::Direction;
use gptlab_model::{Batch, Graph};

use self::{
    aligned::Aligned,
    batch_run::{BatchRun, ShardRun},
    plan::{ArenaPlan, Purpose},
    pool::Pool,
    prepared_graph::PreparedGraph,
    shards::{Chunks, MOST_SHARDS},
    update::{OptimizerState, Update},
    weight_panels::Panels,
    workspace::Workspaces,
};
use crate::{
    Alone, Engine, Hook, ImportError, Noise, Reduce, ReduceError, Slot, StateSlot, StepHyper,
    StepStats,
};

pub use backend::CpuBackend;
pub use generate::CpuGenerator;
pub use gptlab_kernels::{Isa, Kind, OperandType};

/// The options with which a graph runs.
#[derive(Clone, Copy, Debug)]
pub struct CpuOptions {
    /// The number of threads, at least 1. The results do not depend on it.
    pub threads: usize,
    /// The vector instructions. Sums may round differently on another set.
    pub isa: Isa,
    /// The type to which operands of matrix products are rounded.
    pub precision: OperandType,
}

impl CpuOptions {
    /// Returns f32 on `threads` threads with the best instructions of this processor.
    pub fn of_threads(threads: usize) -> Self {
        Self {
            threads,
            isa: Isa::detect(),
            precision: OperandType::F32,
        }
    }
}

/// The number of gradients that are sent to another engine at a time: 1 MiB.
const REDUCED: usize = 1 << 18;

/// Returns the kernels' type for the precision of a recipe.
fn precision(set: gptlab_recipe::Precision) -> OperandType {
    match set {
        gptlab_recipe::Precision::F32 => OperandType::F32,
        gptlab_recipe::Precision::Bf16 => OperandType::Bf16,
    }
}

/// An engine that runs a graph on the CPU.
#[derive(Debug)]
pub struct CpuEngine {
    prepared: PreparedGraph,
    pool: Pool,
    weights: Aligned<f32>,
    gradients: Aligned<f32>,
    /// Whether the gradients are zero, whatever their memory holds: clearing half a gigabyte costs
    /// a pass over it.
    cleared: bool,
    exp_avg: Aligned<f32>,
    exp_avg_sq: Aligned<f32>,
    panels: Panels,
    train: Option<ArenaPlan>,
    evaluate: Option<ArenaPlan>,
    /// The chunks of the last batch.
    chunks: Chunks,
    /// The gradients by shard.
    shards: Vec<Aligned<f32>>,
    /// Whether each of `shards` holds gradients that are not in the sum yet.
    filled: [bool; MOST_SHARDS],
    /// The losses of the last batch, by token.
    losses: Vec<f32>,
    /// The sums of squares, by block of the gradients.
    squares: Vec<f64>,
    workspaces: Workspaces,
}

impl CpuEngine {
    /// Makes an engine for `graph` with these initial `weights`, in table order.
    ///
    /// # Errors
    /// Returns an error when the number of weights differs from the graph's, or when the system has
    /// too little memory.
    pub fn new(graph: Graph, weights: &[f32], options: CpuOptions) -> Result<Self, ImportError> {
        let total = graph.params().total();
        check_len(total, weights.len())?;
        let refused = |_| ImportError::Memory { numbers: total };
        let zeros = || Aligned::try_zeroed(total).map_err(refused);
        let prepared = PreparedGraph::new(graph, options);
        Ok(Self {
            panels: Panels::new(&prepared),
            prepared,
            pool: Pool::new(options.threads),
            weights: Aligned::try_of(weights).map_err(refused)?,
            gradients: zeros()?,
            cleared: true,
            exp_avg: zeros()?,
            exp_avg_sq: zeros()?,
            train: None,
            evaluate: None,
            chunks: Chunks::default(),
            shards: Vec::new(),
            filled: [false; MOST_SHARDS],
            losses: Vec::new(),
            squares: Vec::new(),
            workspaces: Workspaces::default(),
        })
    }

    /// Reserves one loss per token of the longest batch with as many sequences as `batch`.
    fn make_room_for_losses(&mut self, batch: &Batch) {
        let most = batch.sequences() * self.prepared.graph.block_size();
        self.losses.resize(batch.tokens(), 0.0);
        self.losses.reserve(most.saturating_sub(batch.tokens()));
    }

    fn slot(&self, slot: Slot) -> &[f32] {
        match slot {
            Slot::Weights => &self.weights,
            Slot::Gradients => &self.gradients,
            Slot::State(StateSlot::First) => &self.exp_avg,
            Slot::State(StateSlot::Second) => &self.exp_avg_sq,
        }
    }

    fn slot_mut(&mut self, slot: Slot) -> &mut [f32] {
        match slot {
            Slot::Weights => &mut self.weights,
            Slot::Gradients => &mut self.gradients,
            Slot::State(StateSlot::First) => &mut self.exp_avg,
            Slot::State(StateSlot::Second) => &mut self.exp_avg_sq,
        }
    }
}

fn check_len(expected: usize, found: usize) -> Result<(), ImportError> {
    if expected == found {
        return Ok(());
    }
    Err(ImportError::Count { expected, found })
}

impl Engine for CpuEngine {
    fn graph(&self) -> &Graph {
        &self.prepared.graph
    }

    fn threads(&self) -> usize {
        self.pool.threads()
    }

    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
        shards::part(batch, first, sequences)
    }

    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize> {
        shards::share(batch, self.gradients.len(), index, count)
    }

    fn accumulate(&mut self, batch: &Batch, part: Range<usize>, noise: Noise, losses: &mut [f64]) {
        batch_run::renew(&mut self.train, &self.prepared, batch, Purpose::Train);
        self.make_room_for_losses(batch);
        let chunks = self.chunks.cut(batch);
        let own = chunks.of(&part);
        let rows = chunks.rows(&own);
        let shards = shards::shards(chunks.all().len(), self.gradients.len());
        let (total, count) = (self.gradients.len(), shards.len());
        let direct = count == 1;
        let (buffers, filled) = if direct {
            // A single shard adds to the gradients themselves.
            let filled = [!self.cleared; MOST_SHARDS];
            (slice::from_mut(&mut self.gradients), filled)
        } else {
            let most = count.max(self.shards.len());
            self.shards.resize_with(most, || Aligned::zeroed(total));
            (&mut self.shards[..count], self.filled)
        };
        let within = |shard: Range<usize>| shard.start.max(own.start)..shard.end.min(own.end);
        let run_now = |shard: &Range<usize>| !within(shard.clone()).is_empty();
        let (pool, prepared) = (&self.pool, &self.prepared);
        self.panels
            .refresh(pool, prepared, &self.weights, &Direction::ALL);
        let Some(plan) = &self.train else { return };
        let at_once = shards.clone().filter(run_now).count();
        batch_run::make_room(&mut self.workspaces, prepared, plan, pool, at_once);
        let run = BatchRun {
            prepared: &self.prepared,
            pool: &self.pool,
            plan,
            weights: &self.weights,
            panels: &self.panels,
            workspaces: &self.workspaces,
            batch,
            chunks,
            noise: Some(noise),
        };
        let runs = shards.clone().zip(buffers).zip(filled);
        let runs = runs.filter(|((shard, _), _)| run_now(shard));
        let runs = runs.map(|((shard, sum), filled)| ShardRun {
            chunks: within(shard),
            sum,
            fresh: !filled,
        });
        run.train(&mut self.losses[rows.clone()], runs);
        if direct {
            self.cleared &= own.is_empty();
        } else {
            let filled = self.filled.iter_mut().zip(shards);
            filled.for_each(|(filled, shard)| *filled |= run_now(&shard));
        }
        let computed = losses[rows.clone()].iter_mut().zip(&self.losses[rows]);
        computed.for_each(|(loss, computed)| *loss = f64::from(*computed));
    }

    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        let alone = others.is_alone();
        let filled = self.shards.iter().zip(self.filled);
        let shards = filled.filter_map(|(shard, filled)| filled.then_some(shard));
        if alone && shards.clone().next().is_none() {
            return Ok(());
        }
        let (pool, isa, add) = (&self.pool, self.prepared.isa, !self.cleared);
        if alone {
            update::add_in_order(pool, isa, 0, &mut self.gradients, &shards, add);
        } else {
            for (i, sum) in self.gradients.chunks_mut(REDUCED).enumerate() {
                let at = i * REDUCED;
                if !add {
                    sum.fill(0.0);
                }
                others.receive(at, sum)?;
                update::add_in_order(pool, isa, at, sum, &shards, true);
                others.send(at, sum)?;
            }
            others.total(&mut self.gradients)?;
        }
        self.filled = [false; MOST_SHARDS];
        self.cleared = false;
        Ok(())
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        batch_run::renew(&mut self.evaluate, &self.prepared, batch, Purpose::Evaluate);
        self.make_room_for_losses(batch);
        let (pool, prepared, forward) = (&self.pool, &self.prepared, [Direction::Forward]);
        self.panels.refresh(pool, prepared, &self.weights, &forward);
        let Some(plan) = &self.evaluate else {
            return Vec::new();
        };
        let chunks = self.chunks.cut(batch);
        batch_run::make_room(
            &mut self.workspaces,
            prepared,
            plan,
            pool,
            chunks.all().len(),
        );
        let run = BatchRun {
            prepared: &self.prepared,
            pool: &self.pool,
            plan,
            weights: &self.weights,
            panels: &self.panels,
            workspaces: &self.workspaces,
            batch,
            chunks,
            noise: None,
        };
        run.evaluate(&mut self.losses);
        self.losses.iter().map(|l| f64::from(*l)).collect()
    }

    fn update(&mut self, hyper: &StepHyper) -> StepStats {
        // The caller may have skipped `reduce`. A single engine waits for no other, so it cannot
        // fail.
        let _ = self.reduce(&mut Alone);
        if self.cleared {
            self.gradients.fill(0.0);
        }
        self.cleared = true;
        let update = Update {
            pool: &self.pool,
            isa: self.prepared.isa,
            params: self.prepared.graph.params(),
            workspaces: &mut self.workspaces,
            squares: &mut self.squares,
            panels: &mut self.panels,
            state: OptimizerState {
                weights: &mut self.weights,
                gradients: &self.gradients,
                exp_avg: &mut self.exp_avg,
                exp_avg_sq: &mut self.exp_avg_sq,
            },
        };
        update.take(hyper)
    }

    fn export(&self, slot: Slot) -> Vec<f32> {
        match slot {
            Slot::Gradients if self.cleared => vec![0.0; self.gradients.len()],
            Slot::Gradients | Slot::Weights | Slot::State(_) => self.slot(slot).to_vec(),
        }
    }

    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError> {
        check_len(self.weights.len(), values.len())?;
        self.slot_mut(slot).copy_from_slice(values);
        match slot {
            Slot::Weights => self.panels.mark_stale(),
            Slot::Gradients => self.cleared = false,
            Slot::State(_) => {}
        }
        Ok(())
    }

    fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        self.hooked(batch, hook)
    }
}
