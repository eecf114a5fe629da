//! How much memory an engine takes, counted from the graph before anything is allocated.
//!
//! Every count is made by who allocates: the plan of an arena, the panels of a linear map, the
//! shards of a batch. What is small beside them (names, plans, a number a block of gradients) is
//! one lump a node.

use gptlab_kernels::{
    attention::{self, Cache},
    linear::Direction,
};
use gptlab_model::Graph;
use gptlab_recipe::Optimizer;

use super::{
    Options,
    generate::{decoding_layouts, texts_at_once},
    panels::Panels,
    plan::{Plan, Purpose},
    pool::most_parts,
    program::Program,
    run,
    shards::{self, Split},
    update,
};

/// The largest batch that an engine is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    pub sequences: usize,
    /// Of the longest sequence.
    pub tokens: usize,
}

/// What an engine that trains is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    pub shape: Shape,
    pub optimizer: Optimizer,
    /// Tokens of a batch whose every value is looked at in between, which one thread runs as a
    /// whole; 0 where none is.
    pub observed: usize,
    /// How many sequences are trained at a time; as many as `shape` has, or more: all.
    pub micro_batch: usize,
}

/// Texts that a generator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Texts {
    /// How many are asked for at once.
    pub count: usize,
    /// Tokens of the longest prompt.
    pub prompt: usize,
    /// Tokens of the longest text, its prompt among them.
    pub tokens: usize,
}

/// Bytes, by what they are for. Sums stay at the largest number where they would go beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// The weights, as they are and as products want them.
    pub weights: u64,
    /// One for each parameter, and one more for each shard of a batch.
    pub gradients: u64,
    /// The moments.
    pub optimizer: u64,
    /// What threads work in: values and their gradients, logits, what kernels scribble on.
    pub arenas: u64,
    /// Keys and values of texts that are being written.
    pub caches: u64,
    /// Tokens, losses, positions, names.
    pub batches: u64,
    /// Of weights and gradients, made to save, to sample or to observe.
    pub copies: u64,
    /// Set aside and never touched: it counts where addresses are limited, and takes no memory.
    pub untouched: u64,
}

/// Of an f32, and of a word of a panel.
const NUMBER: u128 = 4;
/// Of a node: its name, its places in plans and its parameters' names, in every copy of a graph
/// that a program holds.
const NODE: u128 = 1 << 12;

impl MemoryNeed {
    /// Of an engine that trains on batches of a shape, and evaluates on batches of it in between.
    pub fn training(graph: &Graph, options: Options, training: Training) -> Self {
        let Training {
            shape, optimizer, ..
        } = training;
        let about = About::new(graph, options, shape, training.micro_batch);
        let parameters = about.parameters();
        let shards = match about.shards {
            0..=1 => 0,
            several => several as u128,
        };
        let (moments, untouched) = match optimizer {
            Optimizer::AdamW | Optimizer::Muon => (2, 0),
            Optimizer::Sgd => (1, 1),
        };
        Self {
            weights: bytes(parameters + about.panels(&Direction::ALL)),
            gradients: bytes((1 + shards) * parameters),
            optimizer: bytes(moments * parameters),
            arenas: bytes(about.training_arenas(&training)),
            batches: about.batches(),
            untouched: bytes(untouched * parameters),
            ..Self::default()
        }
    }

    /// Of an engine that only evaluates, on batches of `shape`.
    pub fn evaluating(graph: &Graph, options: Options, shape: Shape) -> Self {
        let about = About::new(graph, options, shape, shape.sequences);
        let parameters = about.parameters();
        let arena = about.arena(Purpose::Evaluate) + about.scratch();
        Self {
            weights: bytes(parameters + about.panels(&[Direction::Forward])),
            arenas: bytes(about.evaluating as u128 * arena),
            batches: about.batches(),
            untouched: bytes(3 * parameters),
            ..Self::default()
        }
    }

    /// What it takes besides to see or change every value of a batch of so many tokens, which one
    /// thread runs as a whole.
    pub fn observing(graph: &Graph, options: Options, tokens: usize) -> Self {
        let program = Program::unfilled(graph.clone(), options);
        Self {
            arenas: bytes(observed(&program, tokens)),
            ..Self::default()
        }
    }

    /// Of a generator that writes `texts`.
    pub fn writing(graph: &Graph, options: Options, texts: Texts) -> Self {
        let program = Program::unfilled(graph.clone(), options);
        let [packed, plain] = super::generate::weight_sizes(&program);
        let (threads, each) = texts_at_once(graph, options.threads, texts.count);
        let streams = (threads * each) as u128;
        let cache = cache_len(&program);
        let written = texts.tokens.min(graph.block_size()) as u128;
        // Of a cache, what belongs to tokens that are never written is never touched.
        let touched = streams * cache * written / graph.block_size().max(1) as u128;
        let kept = 4 * streams * texts.tokens as u128;
        Self {
            weights: bytes((packed + plain) as u128),
            arenas: bytes(work_len(&program, texts, options.threads, (threads, each))),
            caches: bytes(touched).saturating_add(clamp(kept)),
            batches: clamp(tables(graph)),
            // One more is made with the generator.
            untouched: bytes((streams + 1) * cache - touched),
            ..Self::default()
        }
    }

    /// Of `count` copies of all weights or gradients.
    pub fn copies(graph: &Graph, count: usize) -> Self {
        Self {
            copies: bytes(count as u128 * graph.params().total() as u128),
            ..Self::default()
        }
    }

    /// Bytes of memory.
    pub fn total(&self) -> u64 {
        let touched = [
            self.weights,
            self.gradients,
            self.optimizer,
            self.arenas,
            self.caches,
            self.batches,
            self.copies,
        ];
        touched.into_iter().fold(0, u64::saturating_add)
    }

    /// Bytes of addresses: what is set aside and never touched counts too.
    pub fn addresses(&self) -> u64 {
        self.total().saturating_add(self.untouched)
    }

    /// Both at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// One after the other: the larger of each part.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.zip(other, u64::max)
    }

    fn zip(self, other: Self, f: fn(u64, u64) -> u64) -> Self {
        Self {
            weights: f(self.weights, other.weights),
            gradients: f(self.gradients, other.gradients),
            optimizer: f(self.optimizer, other.optimizer),
            arenas: f(self.arenas, other.arenas),
            caches: f(self.caches, other.caches),
            batches: f(self.batches, other.batches),
            copies: f(self.copies, other.copies),
            untouched: f(self.untouched, other.untouched),
        }
    }
}

/// A graph and how its batches are cut.
struct About {
    program: Program,
    shape: Shape,
    /// Of the longest sequence, at least as many as a plan is made for.
    rows: usize,
    /// Into how many gradients a batch is cut.
    shards: usize,
    /// Threads that train, and that evaluate, at a time.
    training: usize,
    evaluating: usize,
    threads: usize,
}

impl About {
    fn new(graph: &Graph, options: Options, shape: Shape, micro_batch: usize) -> Self {
        let split = Split::of(shape.sequences, shape.tokens);
        let (Split { rows, chunks }, parameters) = (split, graph.params().total());
        let shards = shards::shards(chunks, parameters).len();
        let at_once = split.chunks_at_once(micro_batch, shape.tokens);
        let threads = options.threads.max(1);
        Self {
            program: Program::unfilled(graph.clone(), options),
            shape,
            rows,
            shards,
            training: threads.min(shards::reached(chunks, parameters, at_once)),
            evaluating: threads.min(chunks),
            threads,
        }
    }

    fn parameters(&self) -> u128 {
        self.program.graph.params().total() as u128
    }

    fn panels(&self, directions: &[Direction]) -> u128 {
        Panels::new(&self.program).words(directions) as u128
    }

    fn arena(&self, purpose: Purpose) -> u128 {
        Plan::new(&self.program.graph, self.rows, purpose).len as u128
    }

    fn scratch(&self) -> u128 {
        run::scratch_len(&self.program, self.rows, most_parts(self.threads)) as u128
    }

    /// Of all threads: who trains has an arena of that, who only evaluates has one of that, and who
    /// only updates has none.
    fn training_arenas(&self, training: &Training) -> u128 {
        let optimizer = training.optimizer;
        let evaluate = self.arena(Purpose::Evaluate);
        let train = self.arena(Purpose::Train).max(evaluate);
        let more = self.evaluating.saturating_sub(self.training) as u128;
        let (scratch, params) = (self.scratch(), self.program.graph.params());
        let update = update::scratch_len(params, optimizer) as u128;
        let working = self.training.max(self.evaluating) as u128;
        let idle = self.threads as u128 - working;
        // Who observes takes the memory of a thread that works, and more where that is not enough.
        let observed = match training.observed {
            0 => 0,
            tokens => observed(&self.program, tokens),
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

    /// Inputs and targets of a batch to train on and one to evaluate, and losses in f32 and f64.
    fn batches(&self) -> u64 {
        let tokens = self.shape.sequences as u128 * self.shape.tokens as u128;
        let sequences = self.shape.sequences as u128;
        clamp(tokens * (8 + 8 + 4 + 8) + sequences * 64 + tables(&self.program.graph))
    }
}

/// Numbers that a thread needs to see every value of so many tokens.
fn observed(program: &Program, tokens: usize) -> u128 {
    let plan = Plan::new(&program.graph, tokens, Purpose::Observe);
    plan.len as u128 + run::scratch_len(program, tokens, 1) as u128
}

/// Tables of positions, and what every node takes.
fn tables(graph: &Graph) -> u128 {
    NUMBER * Program::tables_len(graph) + NODE * graph.nodes().len() as u128
}

/// Numbers of all keys and values of a text.
fn cache_len(program: &Program) -> u128 {
    let block_size = program.graph.block_size();
    let attentions = || {
        let nodes = program.graph.nodes().iter().enumerate();
        nodes.filter_map(|(i, node)| Some((i, node.attention()?.1)))
    };
    // Where one can see what follows, nothing that was computed holds for long.
    if !attentions().all(|(_, op)| op.mask.is_causal()) {
        return 0;
    }
    let len = |(i, op)| Cache::new(&program.attention(i, op, None), block_size).len() as u128;
    attentions().map(len).sum()
}

/// Numbers that `threads` threads work in, each on `each` texts at a time, where there are `all`
/// threads.
fn work_len(program: &Program, texts: Texts, all: usize, (threads, each): (usize, usize)) -> u128 {
    let graph = &program.graph;
    let [layout, shared] = decoding_layouts(graph, program.isa, all, texts.count);
    let attentions = || {
        let nodes = graph.nodes().iter().enumerate();
        nodes.filter_map(|(i, node)| Some((i, node.attention()?.1)))
    };
    let causal = attentions().all(|(_, op)| op.mask.is_causal());
    let whole = texts.tokens.min(graph.block_size());
    // Past the context, and where nothing is cached, a window of all tokens is run for each.
    let window = if causal && texts.tokens <= graph.block_size() {
        texts.prompt.min(whole)
    } else {
        whole
    };
    let rows = window.max(each);
    let scratch =
        |(i, op)| attention::scratch_len(window.max(1), &program.attention(i, op, None)) as u128;
    let heads = attentions().map(|(_, op)| op.heads + op.kv_heads).max();
    let vocab = graph.node(graph.logits()).width;
    let stats = heads.unwrap_or(0).max(2) as u128 * rows as u128;
    let words = super::generate::most_words(program, rows) as u128;
    let one = layout as u128 * rows as u128
        + attentions().map(scratch).max().unwrap_or(0)
        + stats
        + words
        + (vocab as u128) * (each as u128 + 1)
        // Of each text: its logits, and what it ranks them in.
        + each as u128 * 3 * vocab as u128;
    threads as u128 * one + shared as u128
}

fn bytes(numbers: u128) -> u64 {
    clamp(numbers.saturating_mul(NUMBER))
}

fn clamp(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
