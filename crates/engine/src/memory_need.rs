//! The memory that an engine or a generator takes, which its backend counts before it allocates
//! anything.

use gptlab_model::Graph;
use gptlab_recipe::Optimizer;

/// The shape of the largest batch of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchShape {
    /// The number of sequences.
    pub sequences: usize,
    /// The number of tokens in the longest sequence.
    pub tokens: usize,
}

/// The work of an engine that trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Training {
    /// The shape of the batches.
    pub shape: BatchShape,
    pub optimizer: Optimizer,
    /// The number of tokens in a batch whose every value is observed between steps, which one
    /// thread runs as a whole; 0 if there is none.
    pub observed: usize,
    /// The number of sequences that are trained at a time. All of a batch is trained at once if
    /// `shape` has no more.
    pub micro_batch: usize,
}

/// The texts that a generator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Texts {
    /// The number of texts that are requested at once.
    pub count: usize,
    /// The number of tokens in the longest prompt.
    pub prompt: usize,
    /// The number of tokens in the longest text, including its prompt.
    pub tokens: usize,
}

/// Bytes of memory by purpose. A sum that would overflow is the largest number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryNeed {
    /// The weights, as they are and in the layout for matrix products.
    pub weights: u64,
    /// One number for each parameter, and another for each shard of a batch.
    pub gradients: u64,
    /// The state of the optimiser.
    pub optimizer: u64,
    /// The working memory of threads: values and their gradients, logits, scratch of kernels.
    pub arenas: u64,
    /// The keys and values of texts that are being written.
    pub caches: u64,
    /// The tokens, losses, positions and names.
    pub batches: u64,
    /// Copies of weights and gradients for saving, sampling or observing.
    pub copies: u64,
    /// Bytes that are reserved and never touched: they count where addresses are limited, but take
    /// no memory.
    pub untouched: u64,
}

/// The bytes of an f32.
pub(crate) const NUMBER: u128 = 4;

impl MemoryNeed {
    /// Returns the memory of `count` copies of all weights or gradients.
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

    /// Returns the bytes of addresses, which include memory that is reserved and never touched.
    pub fn addresses(&self) -> u64 {
        self.total().saturating_add(self.untouched)
    }

    /// Returns the memory of both at the same time.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.zip(other, u64::saturating_add)
    }

    /// Returns the memory of both one after the other: the larger of each part.
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
