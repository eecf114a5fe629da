//! What one thing to measure is.

use gptlab_kernels::OperandType;
use gptlab_model::{ModelSpec, Preset};
use gptlab_recipe::{Overrides, SettingsError};

/// One thing to measure, under a name.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    pub name: &'static str,
    pub summary: &'static str,
    pub shape: WorkloadShape,
    pub task: Task,
    pub precision: OperandType,
    pub baselines: Baselines,
}

/// A preset in other sizes. The peers are given the same numbers.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadShape {
    pub preset: Preset,
    pub n_layer: usize,
    pub n_head: usize,
    pub n_embd: usize,
    pub block_size: usize,
    pub dropout: f32,
}

/// What a step does.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// A step trains on `batch` windows of random tokens, each of the whole context.
    Windows { vocab_size: usize, batch: usize },
    /// A step trains on `batch` names of the built-in ones, on one core.
    Names { batch: usize },
    /// A step continues `texts` one-token prompts up to the context.
    Generate { vocab_size: usize, texts: usize },
}

/// What a workload is measured against.
#[derive(Clone, Copy, Debug)]
pub enum Baselines {
    /// Each of them has a goal of its own.
    Each(&'static [Peer]),
    /// The fastest of them is to take `goal` times as long as we do, where there is a goal.
    Best {
        goal: Option<f64>,
        of: &'static [Peer],
    },
    /// Somebody published a time, whose program cannot be run here.
    Published(PublishedTime),
}

/// A program of `bench/peers`.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub name: &'static str,
    /// Its file in `bench/peers`.
    pub script: &'static str,
    pub switches: &'static [&'static str],
    /// Whether the C library keeps freed memory (glibc), so that a step hands no buffers back.
    pub tuned_allocator: bool,
    /// How many times as long as we do it is to take.
    pub goal: Option<f64>,
}

/// A time that was published, and what it was measured of.
#[derive(Clone, Copy, Debug)]
pub struct PublishedTime {
    pub of: &'static str,
    /// Of one step.
    pub seconds: f64,
    /// How many times as long as we do it is to take.
    pub goal: f64,
}

impl WorkloadShape {
    /// Returns the settings that make the preset this large.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            preset: Some(self.preset),
            n_layer: Some(self.n_layer),
            n_head: Some(self.n_head),
            n_embd: Some(self.n_embd),
            block_size: Some(self.block_size),
            dropout: Some(self.dropout),
            ..Overrides::default()
        }
    }

    /// Returns the preset with these sizes. The MLPs keep their ratio to the width.
    ///
    /// # Errors
    /// When there are more blocks than a model may have.
    pub fn spec(&self) -> Result<ModelSpec, SettingsError> {
        self.overrides().spec(self.preset.spec())
    }
}

impl Task {
    /// Returns how many threads of `all` the task uses.
    pub fn threads(self, all: usize) -> usize {
        match self {
            Self::Names { .. } => 1,
            Self::Windows { .. } | Self::Generate { .. } => all,
        }
    }
}
