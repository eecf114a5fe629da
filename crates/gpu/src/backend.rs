//! The backend of a GPU.

use std::sync::Arc;

use gptlab_engine::{
    Backend, BackendOptions, Engine, Generator, ImportError,
    memory_need::{BatchShape, MemoryNeed, Texts, Training},
};
use gptlab_model::Graph;

use crate::{
    AdapterDescription, Exercise, GpuError,
    context::{Context, Patch},
    engine::GpuEngine,
    exercise,
    generator::GpuGenerator,
    matrix_units::MatrixUnits,
    memory_need::Count,
    tables::GraphTables,
};

/// The backend that makes engines and generators for one adapter, which all of them share.
///
/// Products round their operands as [`BackendOptions::precision`] says, and compute in f32. The
/// number of host threads has no effect.
#[derive(Clone, Debug)]
pub struct GpuBackend {
    context: Arc<Context>,
    units: MatrixUnits,
    most_rows: Option<usize>,
}

impl GpuBackend {
    /// Opens the adapter with this number in [`crate::adapters`], or the first.
    ///
    /// # Errors
    /// Returns an error when there is no such adapter, or when its driver refuses.
    pub fn new(number: Option<usize>) -> Result<Self, GpuError> {
        Self::open(number, None)
    }

    /// Opens an adapter, and replaces `from` by `to` in the text of the kernel called `kernel`:
    /// tests break kernels so, to see that they are found out.
    ///
    /// # Errors
    /// Returns the errors of [`GpuBackend::new`].
    #[doc(hidden)]
    pub fn with_changed_kernel(
        number: Option<usize>,
        kernel: &str,
        [from, to]: [&str; 2],
    ) -> Result<Self, GpuError> {
        let patch = Patch {
            kernel: kernel.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        Self::open(number, Some(patch))
    }

    fn open(number: Option<usize>, patch: Option<Patch>) -> Result<Self, GpuError> {
        let context = Context::open(number, patch)?;
        Ok(Self {
            units: context.matrix_units,
            context: Arc::new(context),
            most_rows: None,
        })
    }

    /// Returns a backend whose engines take a batch in chunks of at most `rows` rows, or of one
    /// sequence. Smaller chunks take less memory. Gradients can round differently.
    #[must_use]
    pub fn with_most_rows(self, rows: usize) -> Self {
        Self {
            most_rows: Some(rows),
            ..self
        }
    }

    /// Returns a backend on the same device that multiplies matrices without its matrix units, as
    /// on a device that has none.
    #[must_use]
    pub fn without_matrix_units(self) -> Self {
        Self {
            units: MatrixUnits::default(),
            ..self
        }
    }

    /// Returns true if products run on the matrix units of the device.
    pub fn has_matrix_units(&self) -> bool {
        !self.units.is_empty()
    }

    /// Returns what the matrix units that are in use multiply, such as `f32 8x8, f16 16x16`; `none`
    /// if there are none.
    pub fn matrix_units(&self) -> String {
        self.units.to_string()
    }

    /// Returns work by which the device can be measured.
    ///
    /// # Errors
    /// Returns an error when the device has no memory for it (12 MiB), or stops.
    pub fn exercises(&self) -> Result<Vec<Exercise>, GpuError> {
        exercise::exercises(&self.context, self.units)
    }

    /// Returns the adapter.
    pub fn adapter(&self) -> &AdapterDescription {
        &self.context.description
    }

    /// Destroys the device under its engines, as the reset of a driver does, for tests.
    #[doc(hidden)]
    pub fn lose(&self) {
        self.context.lose();
    }

    fn count(&self, graph: &Graph, options: BackendOptions) -> Count {
        let numbers = self.context.most_numbers();
        Count::new(self.tables(graph.clone(), options), numbers, self.most_rows)
    }

    fn tables(&self, graph: Graph, options: BackendOptions) -> GraphTables {
        GraphTables::new(graph, options.precision, self.units)
    }
}

impl Backend for GpuBackend {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn engine(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Engine>, ImportError> {
        let tables = self.tables(graph, options);
        let engine = GpuEngine::new(&self.context, tables, weights, self.most_rows)?;
        Ok(Box::new(engine))
    }

    fn generator(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Generator>, ImportError> {
        let tables = self.tables(graph, options);
        let generator = GpuGenerator::new(&self.context, tables, weights)?;
        Ok(Box::new(generator))
    }

    fn training_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        training: Training,
    ) -> MemoryNeed {
        self.count(graph, options).training(training)
    }

    fn evaluation_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        shape: BatchShape,
    ) -> MemoryNeed {
        self.count(graph, options).evaluating(shape)
    }

    fn free_memory(&self, wanted: u64) -> Option<u64> {
        Some(self.context.free_memory(wanted))
    }

    fn hook_memory(&self, graph: &Graph, options: BackendOptions, tokens: usize) -> MemoryNeed {
        self.count(graph, options).observing(tokens)
    }

    fn generation_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        texts: Texts,
    ) -> MemoryNeed {
        self.count(graph, options).generating(texts)
    }
}
