//! How much memory an engine or a generator takes, as its backend counts it before anything is
//! allocated.

use gptlab_model::Graph;
use gptlab_recipe::Optimizer;

/// The largest batch that an engine is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    pub sequences: usize,
    /// How many tokens the longest sequence has.
    pub tokens: usize,
}

/// What an engine that trains is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    pub shape: BatchShape,
    pub optimizer: Optimizer,
    /// How many tokens a batch has whose every value is looked at in between, which one thread runs
    /// as a whole; 0 where none is.
    pub observed: usize,
    /// How many sequences are trained at a time: all of them where this is at least as many as
    /// `shape` has.
    pub micro_batch: usize,
}

/// Texts that a generator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Texts {
    /// How many texts are requested at once.
    pub count: usize,
    /// How many tokens the longest prompt has.
    pub prompt: usize,
    /// How many tokens the longest text has, its prompt among them.
    pub tokens: usize,
}

/// Bytes that something takes, by what they are for. A sum that would overflow is the largest
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// The weights, as they are and as products want them.
    pub weights: u64,
    /// A number for each parameter, and one more for each shard of a batch.
    pub gradients: u64,
    /// What the optimiser keeps.
    pub optimizer: u64,
    /// What threads work in: values and their gradients, logits, what kernels scribble on.
    pub arenas: u64,
    /// Keys and values of texts that are being written.
    pub caches: u64,
    /// Tokens, losses, positions, names.
    pub batches: u64,
    /// Copies of weights and gradients, made to save, to sample or to observe.
    pub copies: u64,
    /// Bytes that are set aside and never touched: they count where addresses are limited, and take
    /// no memory.
    pub untouched: u64,
}

/// Bytes of an f32.
pub(crate) const NUMBER: u128 = 4;

impl MemoryNeed {
    /// Returns what `count` copies of all weights or gradients take.
    pub fn copies(graph: &Graph, count: usize) -> Self {
        Self {
            copies: bytes(count as u128 * graph.params().total() as u128),
            ..Self::default()
        }
    }

    /// Returns the bytes of memory.
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

    /// Returns the bytes of addresses: what is set aside and never touched counts too.
    pub fn addresses(&self) -> u64 {
        self.total().saturating_add(self.untouched)
    }

    /// Returns what both take at once.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// Returns what both take one after the other: the larger of each part.
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

pub(crate) fn bytes(numbers: u128) -> u64 {
    clamp(numbers.saturating_mul(NUMBER))
}

pub(crate) fn clamp(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
