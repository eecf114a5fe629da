//! The factory of engines and generators for one kind of device, so that no other crate names an
//! engine.

use std::{fmt, sync::Arc};

use gptlab_model::Graph;
use gptlab_recipe::Precision;

use crate::{
    Engine, Generator, ImportError, UncachedGenerator,
    cpu::CpuBackend,
    memory_need::{BatchShape, MemoryNeed, Texts, Training},
};

/// A device that runs models: it makes engines and generators, and counts the memory they will
/// take.
///
/// Code that trains, evaluates, probes or generates takes a `&dyn Backend` and names no engine.
///
/// ```
/// use gptlab_engine::{Backend, BackendOptions, cpu::CpuBackend, oracle::OracleBackend};
/// use gptlab_model::{Batch, Preset, lower};
///
/// let model = Preset::Microgpt.spec().check(27)?;
/// let graph = lower(&model);
/// let weights = graph.params().initial(0);
/// let batch = Batch::new(&model, [(&[0, 1, 2][..], &[1, 2, 0][..])])?;
/// let cpu = CpuBackend::default();
/// let backends: [&dyn Backend; 2] = [&cpu, &OracleBackend];
/// let losses = backends.map(|backend| {
///     let engine = backend.engine(graph.clone(), &weights, BackendOptions::default());
///     engine.map(|mut engine| engine.evaluate(&batch))
/// });
/// let [fast, witness] = losses;
/// assert!((fast? - witness?).abs() < 1e-5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Backend: fmt::Debug + Send + Sync {
    /// Returns the name of the engine in records.
    fn name(&self) -> &'static str;

    /// Returns the name, in records, of the vector instructions it computes with; `None` if the
    /// device has no such choice.
    fn instructions(&self) -> Option<&'static str> {
        None
    }

    /// Makes an engine for `graph` with these initial `weights`, in the parameter table's order.
    ///
    /// # Errors
    /// Returns an error when the number of weights differs from the graph's, or when the system has
    /// too little memory.
    fn engine(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Engine>, ImportError>;

    /// Makes a generator for `graph` with `weights`, in the parameter table's order.
    ///
    /// # Errors
    /// Returns the errors of [`Backend::engine`].
    fn generator(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Generator>, ImportError> {
        let engine = self.engine(graph, weights, options)?;
        Ok(Box::new(UncachedGenerator::new(engine)))
    }

    /// Returns the memory of an engine that trains on batches of a shape and evaluates such batches
    /// between steps.
    fn training_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        training: Training,
    ) -> MemoryNeed;

    /// Returns the memory of an engine that only evaluates batches of `shape`.
    fn evaluation_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        shape: BatchShape,
    ) -> MemoryNeed;

    /// Returns how many of `wanted` bytes are free in the device's own memory now, by asking for
    /// them; `None` if the device uses the host's memory.
    fn free_memory(&self, wanted: u64) -> Option<u64> {
        let _ = wanted;
        None
    }

    /// Returns the additional memory that [`Engine::losses_with`] takes on a batch of `tokens`
    /// tokens.
    fn hook_memory(&self, graph: &Graph, options: BackendOptions, tokens: usize) -> MemoryNeed;

    /// Returns the memory of a generator and of the `texts` that it generates.
    fn generation_memory(&self, graph: &Graph, options: BackendOptions, texts: Texts)
    -> MemoryNeed;
}

/// The options with which a backend runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendOptions {
    /// The number of host threads, at least 1. No result depends on it.
    pub threads: usize,
    /// The type to which operands of matrix products are rounded.
    pub precision: Precision,
}

impl Default for BackendOptions {
    /// Returns f32 on one thread.
    fn default() -> Self {
        Self {
            threads: 1,
            precision: Precision::F32,
        }
    }
}

impl BackendOptions {
    /// Returns these options with `threads` threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }
}

/// A backend, and the options with which it runs models.
#[derive(Clone, Debug)]
pub struct Device {
    /// The backend that makes engines and generators.
    pub backend: Arc<dyn Backend>,
    /// The options for all of them.
    pub options: BackendOptions,
}

impl Device {
    /// Makes a device of a backend and its options.
    pub fn new(backend: impl Backend + 'static, options: BackendOptions) -> Self {
        Self {
            backend: Arc::new(backend),
            options,
        }
    }

    /// Returns the processor of this machine with its best instructions, in f32 on `threads`
    /// threads.
    pub fn cpu(threads: usize) -> Self {
        let options = BackendOptions::default().with_threads(threads);
        Self::new(CpuBackend::default(), options)
    }

    /// Returns this device with `threads` host threads.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        self.with_options(self.options.with_threads(threads))
    }

    /// Returns the same backend with other options.
    #[must_use]
    pub fn with_options(&self, options: BackendOptions) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            options,
        }
    }

    /// Calls [`Backend::engine`] with this device's options.
    ///
    /// # Errors
    /// Returns the errors of [`Backend::engine`].
    pub fn engine(&self, graph: Graph, weights: &[f32]) -> Result<Box<dyn Engine>, ImportError> {
        self.backend.engine(graph, weights, self.options)
    }

    /// Calls [`Backend::generator`] with this device's options.
    ///
    /// # Errors
    /// Returns the errors of [`Backend::engine`].
    pub fn generator(
        &self,
        graph: Graph,
        weights: &[f32],
    ) -> Result<Box<dyn Generator>, ImportError> {
        self.backend.generator(graph, weights, self.options)
    }

    /// Calls [`Backend::training_memory`] with this device's options.
    pub fn training_memory(&self, graph: &Graph, training: Training) -> MemoryNeed {
        self.backend.training_memory(graph, self.options, training)
    }

    /// Calls [`Backend::evaluation_memory`] with this device's options.
    pub fn evaluation_memory(&self, graph: &Graph, shape: BatchShape) -> MemoryNeed {
        self.backend.evaluation_memory(graph, self.options, shape)
    }

    /// Calls [`Backend::hook_memory`] with this device's options.
    pub fn hook_memory(&self, graph: &Graph, tokens: usize) -> MemoryNeed {
        self.backend.hook_memory(graph, self.options, tokens)
    }

    /// Calls [`Backend::generation_memory`] with this device's options.
    pub fn generation_memory(&self, graph: &Graph, texts: Texts) -> MemoryNeed {
        self.backend.generation_memory(graph, self.options, texts)
    }
}
