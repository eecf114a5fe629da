//! What makes engines and generators for one kind of device, so that nobody above names an engine.

use std::{fmt, sync::Arc};

use gptlab_model::Graph;
use gptlab_recipe::Precision;

use crate::{
    Engine, Generator, ImportError, UncachedGenerator,
    cpu::CpuBackend,
    memory_need::{BatchShape, MemoryNeed, Texts, Training},
};

/// A device that runs models: makes engines and generators, and counts the memory they will take.
///
/// Whoever trains, evaluates, probes or generates takes a `&dyn Backend` and names no engine.
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
    /// What records call the engine.
    fn name(&self) -> &'static str;

    /// The vector instructions it computes with, by the name that records have; `None` where the
    /// device leaves no choice.
    fn instructions(&self) -> Option<&'static str> {
        None
    }

    /// An engine for `graph` that begins with `weights`, in the parameter table's order.
    ///
    /// # Errors
    /// When the number of weights is not the graph's, or the system gives no memory.
    fn engine(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Engine>, ImportError>;

    /// A generator for `graph` with `weights`, in the parameter table's order.
    ///
    /// # Errors
    /// As [`Backend::engine`].
    fn generator(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Generator>, ImportError> {
        let engine = self.engine(graph, weights, options)?;
        Ok(Box::new(UncachedGenerator::new(engine)))
    }

    /// The memory of an engine that trains on batches of a shape, and evaluates on batches of it in
    /// between.
    fn training_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        training: Training,
    ) -> MemoryNeed;

    /// The memory of an engine that only evaluates, on batches of `shape`.
    fn evaluation_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        shape: BatchShape,
    ) -> MemoryNeed;

    /// The memory that [`Engine::losses_with`] takes besides, on a batch of so many tokens.
    fn hook_memory(&self, graph: &Graph, options: BackendOptions, tokens: usize) -> MemoryNeed;

    /// The memory of a generator and of the `texts` that it generates.
    fn generation_memory(&self, graph: &Graph, options: BackendOptions, texts: Texts)
    -> MemoryNeed;
}

/// How a backend runs a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendOptions {
    /// How many threads of the host, at least one. No number depends on it.
    pub threads: usize,
    /// What operands of matrix products are rounded to.
    pub precision: Precision,
}

impl Default for BackendOptions {
    /// f32 on one thread.
    fn default() -> Self {
        Self {
            threads: 1,
            precision: Precision::F32,
        }
    }
}

impl BackendOptions {
    /// The same on so many threads.
    #[must_use]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }
}

/// A backend, and how it is to run models.
#[derive(Clone, Debug)]
pub struct Device {
    pub backend: Arc<dyn Backend>,
    pub options: BackendOptions,
}

impl Device {
    pub fn new(backend: impl Backend + 'static, options: BackendOptions) -> Self {
        Self {
            backend: Arc::new(backend),
            options,
        }
    }

    /// The processor of this machine with its best instructions, in f32 on so many threads.
    pub fn cpu(threads: usize) -> Self {
        let options = BackendOptions::default().with_threads(threads);
        Self::new(CpuBackend::default(), options)
    }

    /// The same with so many threads of the host.
    #[must_use]
    pub fn with_threads(&self, threads: usize) -> Self {
        self.with_options(self.options.with_threads(threads))
    }

    /// The same backend with other options.
    #[must_use]
    pub fn with_options(&self, options: BackendOptions) -> Self {
        Self {
            backend: Arc::clone(&self.backend),
            options,
        }
    }

    /// As [`Backend::engine`].
    ///
    /// # Errors
    /// As [`Backend::engine`].
    pub fn engine(&self, graph: Graph, weights: &[f32]) -> Result<Box<dyn Engine>, ImportError> {
        self.backend.engine(graph, weights, self.options)
    }

    /// As [`Backend::generator`].
    ///
    /// # Errors
    /// As [`Backend::engine`].
    pub fn generator(
        &self,
        graph: Graph,
        weights: &[f32],
    ) -> Result<Box<dyn Generator>, ImportError> {
        self.backend.generator(graph, weights, self.options)
    }

    /// As [`Backend::training_memory`].
    pub fn training_memory(&self, graph: &Graph, training: Training) -> MemoryNeed {
        self.backend.training_memory(graph, self.options, training)
    }

    /// As [`Backend::evaluation_memory`].
    pub fn evaluation_memory(&self, graph: &Graph, shape: BatchShape) -> MemoryNeed {
        self.backend.evaluation_memory(graph, self.options, shape)
    }

    /// As [`Backend::hook_memory`].
    pub fn hook_memory(&self, graph: &Graph, tokens: usize) -> MemoryNeed {
        self.backend.hook_memory(graph, self.options, tokens)
    }

    /// As [`Backend::generation_memory`].
    pub fn generation_memory(&self, graph: &Graph, texts: Texts) -> MemoryNeed {
        self.backend.generation_memory(graph, self.options, texts)
    }
}
