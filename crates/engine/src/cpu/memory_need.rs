//! The memory of an engine, counted from the graph before anything is allocated.
//!
//! Every count uses the code that allocates: the plan of an arena, the panels of a linear map, the
//! shards of a batch. Small allocations (names, plans, a number per block of gradients) are a
//! constant per node.

use gptlab_kernels::{
    attention::{self, CacheLayout},
    linear::Direction,
};
use gptlab_model::Graph;

use super::{
    CpuOptions, batch_run,
    generate::{decoding_layouts, texts_at_once},
    plan::{ArenaPlan, Purpose},
    pool::most_parts,
    prepared_graph::PreparedGraph,
    shards::{self, ChunkSplit},
    update,
    weight_panels::Panels,
};
use crate::StateSlot;
use crate::memory_need::{BatchShape, MemoryNeed, NUMBER, Texts, Training, bytes, clamp};

/// The bytes per node of its name, its entries in plans and its parameters' names, in every copy of
/// a graph that a program holds.
const NODE: u128 = 1 << 12;

impl MemoryNeed {
    /// Counts an engine that trains on batches of a shape, and evaluates such batches between
    /// steps.
    pub(super) fn training(graph: &Graph, options: CpuOptions, training: Training) -> Self {
        let Training {
            shape, optimizer, ..
        } = training;
        let batched = BatchedGraph::new(graph, options, shape, training.micro_batch);
        let parameters = batched.parameters();
        let shards = match batched.shards {
            0..=1 => 0,
            several => several as u128,
        };
        let moments = optimizer.state_slots();
        let untouched = StateSlot::ALL.len() - moments;
        Self {
            weights: bytes(parameters + batched.panels(&Direction::ALL)),
            gradients: bytes((1 + shards) * parameters),
            optimizer: bytes(moments as u128 * parameters),
            arenas: bytes(batched.training_arenas(&training)),
            batches: batched.batches(),
            untouched: bytes(untouched as u128 * parameters),
            ..Self::default()
        }
    }

    /// Counts an engine that only evaluates batches of `shape`.
    pub(super) fn evaluating(graph: &Graph, options: CpuOptions, shape: BatchShape) -> Self {
        let batched = BatchedGraph::new(graph, options, shape, shape.sequences);
        let parameters = batched.parameters();
        let arena = batched.arena(Purpose::Evaluate) + batched.scratch();
        Self {
            weights: bytes(parameters + batched.panels(&[Direction::Forward])),
            arenas: bytes(batched.evaluating as u128 * arena),
            batches: batched.batches(),
            untouched: bytes(3 * parameters),
            ..Self::default()
        }
    }

    /// Counts the additional memory for a hook on every value of a batch of `tokens` tokens, which
    /// one thread runs as a whole.
    pub(super) fn observing(graph: &Graph, options: CpuOptions, tokens: usize) -> Self {
        let prepared = PreparedGraph::unfilled(graph.clone(), options);
        Self {
            arenas: bytes(observed(&prepared, tokens)),
            ..Self::default()
        }
    }

    /// Counts a generator that writes `texts`.
    pub(super) fn writing(graph: &Graph, options: CpuOptions, texts: Texts) -> Self {
        let prepared = PreparedGraph::unfilled(graph.clone(), options);
        let [packed, plain] = super::generate::weight_sizes(&prepared);
        let (threads, each) = texts_at_once(graph, options.threads, texts.count);
        let streams = (threads * each) as u128;
        let cache = cache_len(&prepared);
        let written = texts.tokens.min(graph.block_size()) as u128;
        // The part of a cache for tokens that are never written is never touched.
        let touched = streams * cache * written / graph.block_size().max(1) as u128;
        let kept = 4 * streams * texts.tokens as u128;
        Self {
            weights: bytes((packed + plain) as u128),
            arenas: bytes(work_len(&prepared, texts, options.threads, threads, each)),
            caches: bytes(touched).saturating_add(clamp(kept)),
            batches: clamp(tables(graph)),
            // The generator itself holds one more cache.
            untouched: bytes((streams + 1) * cache - touched),
            ..Self::default()
        }
    }
}

/// A graph and the way in which its batches are cut.
struct BatchedGraph {
    prepared: PreparedGraph,
    shape: BatchShape,
    /// The rows of the longest sequence, at least as many as a plan is made for.
    rows: usize,
    /// The number of gradient buffers for a batch.
    shards: usize,
    /// The number of threads that can train at a time; `evaluating` is that of those that evaluate.
    training: usize,
    evaluating: usize,
    threads: usize,
}

impl BatchedGraph {
    fn new(graph: &Graph, options: CpuOptions, shape: BatchShape, micro_batch: usize) -> Self {
        let split = ChunkSplit::of(shape.sequences, shape.tokens);
        let (ChunkSplit { rows, chunks }, parameters) = (split, graph.params().total());
        let shards = shards::shards(chunks, parameters).len();
        let at_once = split.chunks_at_once(micro_batch, shape.tokens);
        let threads = options.threads.max(1);
        Self {
            prepared: PreparedGraph::unfilled(graph.clone(), options),
            shape,
            rows,
            shards,
            training: threads.min(shards::reached(chunks, parameters, at_once)),
            evaluating: threads.min(chunks),
            threads,
        }
    }

    fn parameters(&self) -> u128 {
        self.prepared.graph.params().total() as u128
    }

    fn panels(&self, directions: &[Direction]) -> u128 {
        Panels::new(&self.prepared).words(directions) as u128
    }

    fn arena(&self, purpose: Purpose) -> u128 {
        ArenaPlan::new(&self.prepared.graph, self.rows, purpose).len as u128
    }

    fn scratch(&self) -> u128 {
        batch_run::scratch_len(&self.prepared, self.rows, most_parts(self.threads)) as u128
    }

    /// Returns the numbers in all threads' arenas and scratch. A thread that trains has the arena
    /// of a training chunk, one that only evaluates has the smaller one, and one that only updates
    /// has none.
    fn training_arenas(&self, training: &Training) -> u128 {
        let optimizer = training.optimizer;
        let evaluate = self.arena(Purpose::Evaluate);
        let train = self.arena(Purpose::Train).max(evaluate);
        let more = self.evaluating.saturating_sub(self.training) as u128;
        let (scratch, params) = (self.scratch(), self.prepared.graph.params());
        let update = update::scratch_len(params, optimizer) as u128;
        let working = self.training.max(self.evaluating) as u128;
        let idle = self.threads as u128 - working;
        // Observing uses the memory of an idle workspace, and more if that is too small.
        let observed = match training.observed {
            0 => 0,
            tokens => observed(&self.prepared, tokens),
        };
        let one = if idle > 0 {
            0
        } else {
            scratch.max(update) + if more > 0 { evaluate } else { train }
        };
        self.training as u128 * train
            + more * evaluate
            + working * scratch.max(update)
            + idle * update
            + observed.saturating_sub(one)
    }

    /// Returns the bytes of inputs and targets of a batch to train on and one to evaluate, and of
    /// losses in f32 and f64.
    fn batches(&self) -> u64 {
        let tokens = self.shape.sequences as u128 * self.shape.tokens as u128;
        let sequences = self.shape.sequences as u128;
        clamp(tokens * (8 + 8 + 4 + 8) + sequences * 64 + tables(&self.prepared.graph))
    }
}

/// Returns the numbers that a thread needs to keep every value of `tokens` tokens.
fn observed(prepared: &PreparedGraph, tokens: usize) -> u128 {
    let plan = ArenaPlan::new(&prepared.graph, tokens, Purpose::Observe);
    plan.len as u128 + batch_run::scratch_len(prepared, tokens, 1) as u128
}

/// Returns the bytes of tables of positions, and of the small allocations per node.
fn tables(graph: &Graph) -> u128 {
    NUMBER * PreparedGraph::tables_len(graph) + NODE * graph.nodes().len() as u128
}

/// Returns the numbers in all cached keys and values of a text.
fn cache_len(prepared: &PreparedGraph) -> u128 {
    let block_size = prepared.graph.block_size();
    // Without a causal mask, later tokens change the keys and values of earlier ones.
    if !prepared.attentions().all(|(_, op)| op.mask.is_causal()) {
        return 0;
    }
    let len =
        |(i, op)| CacheLayout::new(&prepared.attention(i, op, None), block_size).len() as u128;
    prepared.attentions().map(len).sum()
}

/// Returns the numbers in the working memory of `threads` out of `all` threads, each with `each`
/// texts at a time.
fn work_len(
    prepared: &PreparedGraph,
    texts: Texts,
    all: usize,
    threads: usize,
    each: usize,
) -> u128 {
    let graph = &prepared.graph;
    let [layout, shared] = decoding_layouts(graph, prepared.isa, all, texts.count);
    let causal = prepared.attentions().all(|(_, op)| op.mask.is_causal());
    let whole = texts.tokens.min(graph.block_size());
    // Past the context, and without a cache, a window of all tokens runs for each text.
    let window = if causal && texts.tokens <= graph.block_size() {
        texts.prompt.min(whole)
    } else {
        whole
    };
    let rows = window.max(each);
    let scratch =
        |(i, op)| attention::scratch_len(window.max(1), &prepared.attention(i, op, None)) as u128;
    let vocab = graph.node(graph.logits()).width;
    let words = super::generate::most_words(prepared, rows) as u128;
    let one = layout as u128 * rows as u128
        + prepared.attentions().map(scratch).max().unwrap_or(0)
        + words
        + (vocab as u128) * (each as u128 + 1)
        // Each text has its logits, and the scratch in which it ranks them.
        + each as u128 * 3 * vocab as u128;
    threads as u128 * one + shared as u128
}
