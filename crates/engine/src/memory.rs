//! How much memory an engine or a generator takes, as its backend counts it before anything is
//! allocated.

use gptlab_model::Graph;
use gptlab_recipe::Optimizer;

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

/// Bytes of an f32.
pub(crate) const NUMBER: u128 = 4;

impl MemoryNeed {
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

pub(crate) fn bytes(numbers: u128) -> u64 {
    clamp(numbers.saturating_mul(NUMBER))
}

pub(crate) fn clamp(bytes: u128) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
