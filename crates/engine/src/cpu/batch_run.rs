//! A batch whose chunks the pool runs, each in a workspace of its own.

use std::{mem, ops::Range};

use gptlab_kernels::{attention, linear};
use gptlab_model::Batch;

use super::{
    chunk::{Chunk, Loss},
    output_head,
    plan::{ArenaPlan, Purpose},
    pool::{Helpers, Pool},
    prepared_graph::PreparedGraph,
    shards::{self, ChunkRows, Chunks},
    weight_panels::Panels,
    workspace::Workspaces,
};
use crate::Noise;

/// Makes a plan for batches like `batch`, unless the present plan has enough rows.
pub(super) fn renew(
    plan: &mut Option<ArenaPlan>,
    prepared: &PreparedGraph,
    batch: &Batch,
    purpose: Purpose,
) {
    let rows = shards::rows(batch);
    if plan.as_ref().is_none_or(|p| p.rows < rows) {
        *plan = Some(ArenaPlan::new(&prepared.graph, rows, purpose));
    }
}

/// Provides a workspace for a chunk of `plan` to each thread that can work on `tasks` at a time.
pub(super) fn make_room(
    workspaces: &mut Workspaces,
    prepared: &PreparedGraph,
    plan: &ArenaPlan,
    pool: &Pool,
    tasks: usize,
) {
    let scratch = scratch_len(prepared, plan.rows, pool.most_parts());
    workspaces.fit(pool.threads().min(tasks), plan.len, scratch);
}

/// The data that all chunks of one batch share.
pub(super) struct BatchRun<'a> {
    pub(super) prepared: &'a PreparedGraph,
    pub(super) pool: &'a Pool,
    pub(super) plan: &'a ArenaPlan,
    pub(super) weights: &'a [f32],
    pub(super) panels: &'a Panels,
    pub(super) workspaces: &'a Workspaces,
    pub(super) batch: &'a Batch,
    pub(super) chunks: &'a Chunks,
    pub(super) noise: Option<Noise>,
}

impl BatchRun<'_> {
    /// Computes the loss of each token of some chunks, which are all in `shards`, and the gradients
    /// of the mean over the batch, each shard's in a buffer of its own.
    pub(super) fn train<'s>(
        &self,
        losses: &mut [f32],
        shards: impl Iterator<Item = ShardRun<'s>> + Send,
    ) {
        let scale = (1.0 / self.batch.tokens() as f64) as f32;
        let mut rest = losses;
        let tasks = shards.map(|shard| {
            let chunks = &self.chunks.all()[shard.chunks.clone()];
            let tokens = chunks.iter().map(|c| c.rows.len()).sum();
            let own = rest.split_off_mut(..tokens);
            (shard, chunks, own.expect("the shards cover the losses"))
        });
        self.pool
            .for_each(tasks, self.small(), |(shard, chunks, losses), helpers| {
                let ShardRun { sum: dw, fresh, .. } = shard;
                if fresh {
                    let not_set = self.plan.not_set().iter();
                    not_set.for_each(|range| dw[range.clone()].fill(0.0));
                }
                let mut fresh = fresh;
                self.workspaces.lend(|work| {
                    let each = chunks.iter().zip(split(losses, chunks.chunks(1)));
                    each.for_each(|(chunk, losses)| {
                        let (mut run, targets) = self.chunk(chunk, helpers);
                        run.fresh = mem::take(&mut fresh);
                        run.train(work, Loss { targets, losses }, scale, dw);
                    });
                });
            });
    }

    /// Computes the loss of each token.
    pub(super) fn evaluate(&self, losses: &mut [f32]) {
        let chunks = self.chunks.all();
        let tasks = chunks.iter().zip(split(losses, chunks.chunks(1)));
        self.pool
            .for_each(tasks, self.small(), |(chunk, losses), helpers| {
                self.workspaces.lend(|work| {
                    let (run, targets) = self.chunk(chunk, helpers);
                    run.evaluate(work, Loss { targets, losses });
                });
            });
    }

    /// Returns true if the whole batch is finished before another thread would have woken up.
    fn small(&self) -> bool {
        let parameters = self.prepared.graph.params().total();
        self.batch.tokens().saturating_mul(parameters) < SMALL
    }

    fn chunk<'a>(&'a self, chunk: &'a ChunkRows, helpers: Helpers<'a>) -> (Chunk<'a>, &'a [u32]) {
        let run = Chunk {
            prepared: self.prepared,
            plan: self.plan,
            weights: self.weights,
            panels: self.panels,
            inputs: &self.batch.inputs()[chunk.rows.clone()],
            sequences: self.chunks.sequences(chunk),
            first_row: chunk.rows.start as u64,
            noise: self.noise,
            fresh: false,
            helpers,
        };
        (run, &self.batch.targets()[chunk.rows.clone()])
    }
}

/// A shard's chunks in the present run, and the buffer of their gradients.
pub(super) struct ShardRun<'a> {
    pub(super) chunks: Range<usize>,
    pub(super) sum: &'a mut [f32],
    /// Whether `sum` holds nothing valid; otherwise the gradients are added to it.
    pub(super) fresh: bool,
}

/// The product of tokens and parameters below which a step is too short for threads: its time is
/// tens of microseconds.
const SMALL: usize = 1 << 21;

/// Cuts `losses`, one per token, into a part for each run of chunks.
fn split<'a, 'c>(
    losses: &'a mut [f32],
    parts: impl Iterator<Item = &'c [ChunkRows]>,
) -> impl Iterator<Item = &'a mut [f32]> {
    let mut rest = losses;
    parts.map(move |chunks| {
        let tokens = chunks.iter().map(|c| c.rows.len()).sum();
        rest.split_off_mut(..tokens)
            .expect("the chunks cover the batch")
    })
}

/// Returns the most scratch of any kernel or the output head, for sequences of up to `rows` tokens.
pub(super) fn scratch_len(prepared: &PreparedGraph, rows: usize, parts: usize) -> usize {
    let attention = prepared.attentions().map(|(node, op)| {
        attention::scratch_len_by(parts, rows, &prepared.attention(node, op, None))
    });
    let head = prepared.graph.logits();
    let vocab = prepared.graph.node(head).width;
    let (products, tile) = (parts * linear::SCRATCH_LEN, output_head::tile(vocab));
    let inputs = prepared.linears().filter(|(node, _)| *node != head);
    let inputs = inputs
        .map(|(node, _)| prepared.map(node).inputs_len(rows))
        .max();
    let logits = tile * vocab + prepared.map(head).inputs_len(tile.min(rows));
    let linear = inputs.unwrap_or(0).max(logits) + products;
    attention.max().unwrap_or(0).max(linear)
}
