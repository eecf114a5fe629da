//! The engine: it trains and evaluates on a device.

mod gradients;
mod observed;
mod queue;

use std::{ops::Range, sync::Arc};

use gptlab_engine::{
    Engine, Hook, ImportError, Noise, QueuedSteps, Reduce, ReduceError, Slot, StepHyper, StepStats,
    program::Purpose,
};
use gptlab_model::{Batch, Graph, Op};

use crate::{
    GpuError,
    buffers::{Buffers, ChunkArgs, Lengths, Place},
    chunks::{self, Chunk, IndexLayout},
    context::Context,
    dispatch::Recording,
    kernel::WIDEST_HEAD,
    layout::{LOSSES, Layout, NORM},
    optimizer::UpdateSteps,
    plan::{Plan, RecordingKey},
    steps::Steps,
    tables::GraphTables,
};

use self::queue::Queue;

/// An engine that runs a graph on a GPU.
#[derive(Debug)]
pub(crate) struct GpuEngine {
    context: Arc<Context>,
    tables: GraphTables,
    buffers: Buffers,
    /// The most rows of a chunk, in training and in evaluation.
    train_rows: usize,
    evaluate_rows: usize,
    /// The most shards of a batch.
    most_shards: usize,
    train: Option<Plan>,
    evaluate: Option<Plan>,
    /// The last update.
    update: Option<Recording>,
    /// Whether the gradients are zero, whatever their memory holds.
    cleared: bool,
    /// Whether each shard holds gradients that are not in the sum yet.
    filled: Vec<bool>,
    queue: Queue,
}

/// What a pass over some chunks of a batch needs beside the engine.
struct Pass<'a> {
    purpose: Purpose,
    batch: &'a Batch,
    chunks: &'a [Chunk],
    /// The chunks that run.
    own: Range<usize>,
    noise: Noise,
    /// The chunks of each shard.
    shards: Vec<Range<usize>>,
}

impl Pass<'_> {
    /// Returns the rows of the batch that the chunks cover.
    fn rows(&self) -> Range<usize> {
        let own = &self.chunks[self.own.clone()];
        match (own.first(), own.last()) {
            (Some(first), Some(last)) => first.rows.start..last.rows.end,
            (None, _) | (_, None) => 0..0,
        }
    }
}

impl GpuEngine {
    /// Makes an engine for a graph with these initial `weights`, in table order. Chunks have at
    /// most `most_rows` rows, if that is set.
    pub(crate) fn new(
        context: &Arc<Context>,
        tables: GraphTables,
        weights: &[f32],
        most_rows: Option<usize>,
    ) -> Result<Self, ImportError> {
        let total = tables.graph.params().total();
        check_len(total, weights.len())?;
        check_heads(&tables.graph)?;
        let numbers = context.most_numbers();
        let rows = |purpose| Layout::most_rows(&tables, purpose, numbers, most_rows);
        let (train_rows, evaluate_rows) = (rows(Purpose::Train)?, rows(Purpose::Evaluate)?);
        let buffers = Buffers::new(context, total, &tables.constants)?;
        context.write(buffers.at(Place::Weights), 0, weights);
        Ok(Self {
            context: Arc::clone(context),
            train_rows,
            evaluate_rows,
            most_shards: chunks::most_shards(total, numbers),
            tables,
            buffers,
            train: None,
            evaluate: None,
            update: None,
            cleared: true,
            filled: Vec::new(),
            queue: Queue::default(),
        })
    }

    fn total(&self) -> usize {
        self.tables.graph.params().total()
    }

    fn chunks(&self, batch: &Batch) -> Vec<Chunk> {
        chunks::cut(batch, self.train_rows)
    }

    /// Makes the plan and the buffers large enough for chunks of `rows` rows.
    fn fit(&mut self, purpose: Purpose, rows: usize, shards: usize) -> Result<(), GpuError> {
        let (plan, most) = match purpose {
            Purpose::Train => (&mut self.train, self.train_rows),
            Purpose::Evaluate | Purpose::Observe | Purpose::Decode => {
                (&mut self.evaluate, self.evaluate_rows)
            }
        };
        if plan.as_ref().is_none_or(|plan| plan.layout.rows < rows) {
            // Batches of many lengths need few layouts.
            let rows = rows.next_multiple_of(256).min(most.max(rows));
            *plan = Some(Plan::new(Layout::new(&self.tables, purpose, rows)));
        }
        let layout = plan.as_ref().map(|plan| &plan.layout);
        let (arena, rows) = layout.map_or((0, 0), |layout| (layout.len, layout.rows));
        let buffers = if shards > 1 { 1 + shards } else { 1 };
        let lengths = Lengths {
            arena,
            indices: IndexLayout::new(&self.tables.graph, rows).len as usize,
            gradients: buffers * self.tables.graph.params().total(),
            cache: 0,
        };
        self.buffers.fit(&self.context, lengths)
    }

    /// Runs chunks, and returns the losses of their rows.
    fn run(&mut self, pass: &Pass) -> Result<Vec<f32>, GpuError> {
        let rows = pass.rows();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let losses = self.context.read_buffer(rows.len())?;
        self.submit_pass(pass, &losses)?;
        self.context.read_staging(&losses, rows.len())
    }

    /// Submits chunks, and the copying of their rows' losses to the beginning of `losses`.
    fn submit_pass(&mut self, pass: &Pass, losses: &wgpu::Buffer) -> Result<(), GpuError> {
        let (own, rows) = (&pass.chunks[pass.own.clone()], pass.rows());
        self.fit(
            pass.purpose,
            chunks::most_rows(pass.chunks),
            pass.shards.len(),
        )?;
        for (chunk, number) in own.iter().zip(pass.own.clone()) {
            let mut encoder = self.context.encoder();
            let gradients = self.gradients_of(pass, number, &mut encoder);
            let args = ChunkArgs {
                first_row: chunk.rows.start as u32,
                noise_step: pass.noise.step,
                key: [pass.noise.seed as u32, (pass.noise.seed >> 32) as u32],
                gradients: gradients as u32,
                loss_scale: 1.0 / pass.batch.tokens() as f32,
            };
            self.buffers.set_chunk(&self.context, args);
            let plan = match pass.purpose {
                Purpose::Train => &mut self.train,
                Purpose::Evaluate | Purpose::Observe | Purpose::Decode => &mut self.evaluate,
            };
            let Some(plan) = plan else { continue };
            let index = IndexLayout::new(&self.tables.graph, plan.layout.rows);
            let indices = index.of_chunk(pass.batch, chunk);
            self.context
                .write(self.buffers.at(Place::Indices), 0, &indices);
            let (tables, count) = (&self.tables, chunk.rows.len());
            let key = RecordingKey {
                rows: count,
                chooses: false,
            };
            let recording = plan.recording(&self.context, key, |layout| {
                Steps::new(tables, layout, count).all()
            })?;
            recording.encode(&mut encoder, self.buffers.bindings());
            encoder.copy_buffer_to_buffer(
                self.buffers.at(Place::Arena),
                4 * LOSSES as u64,
                losses,
                4 * (chunk.rows.start - rows.start) as u64,
                4 * chunk.rows.len() as u64,
            );
            self.context.submit(encoder);
        }
        Ok(())
    }

    fn try_accumulate(
        &mut self,
        batch: &Batch,
        part: &Range<usize>,
        noise: Noise,
        losses: &mut [f64],
    ) -> Result<(), GpuError> {
        let chunks = self.chunks(batch);
        let own = chunks::of_part(&chunks, part);
        let pass = Pass {
            purpose: Purpose::Train,
            batch,
            chunks: &chunks,
            own: own.clone(),
            noise,
            shards: chunks::shards(chunks.len(), self.most_shards).collect(),
        };
        let computed = self.run(&pass)?;
        let rows = chunks[own].iter().flat_map(|chunk| chunk.rows.clone());
        for (row, loss) in rows.zip(computed) {
            losses[row] = f64::from(loss);
        }
        Ok(())
    }

    fn try_losses(&mut self, batch: &Batch) -> Result<Vec<f64>, GpuError> {
        let chunks = chunks::cut(batch, self.evaluate_rows);
        let pass = Pass {
            purpose: Purpose::Evaluate,
            batch,
            own: 0..chunks.len(),
            chunks: &chunks,
            noise: Noise { seed: 0, step: 0 },
            shards: Vec::new(),
        };
        let computed = self.run(&pass)?;
        Ok(computed.into_iter().map(f64::from).collect())
    }

    fn try_update(&mut self, hyper: &StepHyper) -> Result<StepStats, GpuError> {
        let staging = self.context.read_buffer(1)?;
        self.submit_update(hyper, &staging, 0)?;
        let norm = self.context.read_staging(&staging, 1)?;
        let norm = norm.first().copied().map_or(f64::NAN, f64::from);
        Ok(StepStats::clipped(norm, hyper.grad_clip))
    }

    /// Submits an update, and the copying of the gradients' norm to number `at` of `norm`. Returns
    /// the number of the submission.
    fn submit_update(
        &mut self,
        hyper: &StepHyper,
        norm: &wgpu::Buffer,
        at: usize,
    ) -> Result<wgpu::SubmissionIndex, GpuError> {
        self.add_shards()?;
        let steps = UpdateSteps::new(self.tables.graph.params(), hyper, self.tables.units);
        let lengths = Lengths {
            arena: steps.arena,
            ..Lengths::default()
        };
        self.buffers.fit(&self.context, lengths)?;
        let kept = self.update.take();
        let recording = Recording::renewed(kept, &self.context, &steps.dispatches)?;
        let mut encoder = self.context.encoder();
        if self.cleared {
            self.clear(&mut encoder, 0);
        }
        self.cleared = true;
        recording.encode(&mut encoder, self.buffers.bindings());
        let arena = self.buffers.at(Place::Arena);
        encoder.copy_buffer_to_buffer(arena, 4 * u64::from(NORM), norm, 4 * at as u64, 4);
        self.update = Some(recording);
        Ok(self.context.submit(encoder))
    }

    /// Records a failure after which the device's numbers have no meaning.
    fn fail(&self, error: &GpuError) {
        self.context.fail(error);
    }
}

pub(crate) fn check_len(expected: usize, found: usize) -> Result<(), ImportError> {
    if expected == found {
        return Ok(());
    }
    Err(ImportError::Count { expected, found })
}

/// Refuses heads that the kernels of attention cannot hold.
pub(crate) fn check_heads(graph: &Graph) -> Result<(), GpuError> {
    let width = |op: &Op| match op {
        Op::Attention { attention, .. } => attention.head_dim,
        Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Sinusoid
        | Op::Add { .. }
        | Op::Norm { .. }
        | Op::Linear { .. }
        | Op::HeadNorm { .. }
        | Op::Rotary { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => 0,
    };
    let widest = graph.nodes().iter().map(|node| width(&node.op)).max();
    match widest.filter(|widest| *widest > WIDEST_HEAD) {
        None => Ok(()),
        Some(widest) => Err(GpuError::Limit {
            what: "an attention head".to_owned(),
            needed: format!("{widest} numbers"),
            granted: format!("{WIDEST_HEAD}"),
            remedy: "use more heads, or the CPU",
        }),
    }
}

impl Engine for GpuEngine {
    fn graph(&self) -> &Graph {
        &self.tables.graph
    }

    fn failure(&self) -> Option<String> {
        self.context.failure().map(|failure| failure.to_string())
    }

    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
        chunks::part(&self.chunks(batch), first, sequences)
    }

    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize> {
        chunks::share(&self.chunks(batch), self.most_shards, index, count)
    }

    fn accumulate(&mut self, batch: &Batch, part: Range<usize>, noise: Noise, losses: &mut [f64]) {
        if part.is_empty() {
            return;
        }
        if let Err(error) = self.try_accumulate(batch, &part, noise, losses) {
            self.fail(&error);
            let rows = batch.rows(part.start).start..batch.rows(part.end - 1).end;
            losses[rows].fill(f64::NAN);
        }
    }

    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        if let Some(failure) = self.failure() {
            return Err(ReduceError(failure));
        }
        if others.is_alone() {
            return self.add_shards().map_err(|error| {
                self.fail(&error);
                ReduceError(error.to_string())
            });
        }
        self.reduce_with(others)
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        self.try_losses(batch).unwrap_or_else(|error| {
            self.fail(&error);
            vec![f64::NAN; batch.tokens()]
        })
    }

    fn update(&mut self, hyper: &StepHyper) -> StepStats {
        self.try_update(hyper).unwrap_or_else(|error| {
            self.fail(&error);
            StepStats::UNKNOWN
        })
    }

    fn queued(&mut self) -> Option<&mut dyn QueuedSteps> {
        Some(self)
    }

    fn export(&self, slot: Slot) -> Vec<f32> {
        let total = self.total();
        if slot == Slot::Gradients && self.cleared {
            return vec![0.0; total];
        }
        let buffer = self.buffers.at(slot.into());
        self.context.read(buffer, 0, total).unwrap_or_else(|error| {
            self.fail(&error);
            vec![f32::NAN; total]
        })
    }

    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError> {
        check_len(self.total(), values.len())?;
        self.context.write(self.buffers.at(slot.into()), 0, values);
        if slot == Slot::Gradients {
            self.cleared = false;
        }
        Ok(())
    }

    fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        self.observed(batch, hook).unwrap_or_else(|error| {
            self.fail(&error);
            vec![f64::NAN; batch.tokens()]
        })
    }
}
