//! The description of a workload.

use gptlab_kernels::OperandType;
use gptlab_model::{ModelSpec, Preset};
use gptlab_recipe::{Overrides, SettingsError};

/// A named combination of a model, a task and a precision that is measured.
#[derive(Clone, Copy, Debug)]
pub struct Workload {
    /// The name that the user types.
    pub name: &'static str,
    /// A description in a few words.
    pub summary: &'static str,
    pub shape: WorkloadShape,
    pub task: Task,
    pub precision: OperandType,
    pub baselines: Baselines,
}

/// The sizes of a workload's model, which replace those of a preset. Peers receive the same sizes.
#[derive(Clone, Copy, Debug)]
pub struct WorkloadShape {
    pub preset: Preset,
    pub n_layer: usize,
    pub n_head: usize,
    pub n_embd: usize,
    pub block_size: usize,
    pub dropout: f32,
}

/// The work of one step.
#[derive(Clone, Copy, Debug)]
pub enum Task {
    /// A step trains on `batch` windows of random tokens, each as long as the context.
    Windows { vocab_size: usize, batch: usize },
    /// A step trains on `batch` of the built-in names, on one core.
    Names { batch: usize },
    /// A step continues `texts` prompts of one token until the context is full.
    Generate { vocab_size: usize, texts: usize },
}

/// The programs or times that a workload is compared with.
#[derive(Clone, Copy, Debug)]
pub enum Baselines {
    /// Each of these peers has its own goal.
    Each(&'static [Peer]),
    /// The goal, if there is one, is for the fastest of these peers.
    Best {
        goal: Option<f64>,
        of: &'static [Peer],
    },
    /// The comparison is with a published time, because its program cannot be run here.
    Published(PublishedTime),
}

/// A program in `bench/peers` that a workload is compared with.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub name: &'static str,
    /// The name of its file in `bench/peers`.
    pub script: &'static str,
    /// The arguments that select its variant.
    pub switches: &'static [&'static str],
    /// Whether the C library's allocator (glibc) is tuned to keep freed memory, so that a step
    /// returns no buffers to the system.
    pub tuned_allocator: bool,
    /// The goal for the peer's time divided by gptlab's.
    pub goal: Option<f64>,
}

/// A published time of a program.
#[derive(Clone, Copy, Debug)]
pub struct PublishedTime {
    /// The program that the time is of.
    pub of: &'static str,
    /// The time of one step.
    pub seconds: f64,
    /// The goal for the published time divided by gptlab's.
    pub goal: f64,
}

impl WorkloadShape {
    /// Returns the settings that give the preset these sizes.
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

    /// Returns the preset's spec with these sizes. The MLPs keep their ratio to the width.
    ///
    /// # Errors
    /// Returns an error if there are more blocks than a model can have.
    pub fn spec(&self) -> Result<ModelSpec, SettingsError> {
        self.overrides().spec(self.preset.spec())
    }
}

impl Task {
    /// Returns the number of threads that the task uses if `all` are available.
    pub fn threads(self, all: usize) -> usize {
        match self {
            Self::Names { .. } => 1,
            Self::Windows { .. } | Self::Generate { .. } => all,
        }
    }
}
