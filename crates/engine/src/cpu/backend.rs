//! The backend of the CPU.

use gptlab_model::Graph;

use super::{CpuEngine, CpuGenerator, CpuOptions, Isa, precision};
use crate::{
    Backend, BackendOptions, Engine, Generator, ImportError,
    memory_need::{BatchShape, MemoryNeed, Texts, Training},
};

/// The backend that makes engines and generators for the cores of this machine.
#[derive(Clone, Copy, Debug)]
pub struct CpuBackend {
    isa: Isa,
}

impl CpuBackend {
    /// Makes a backend that computes with the vector instructions `isa`. Sums may round differently
    /// on another set.
    pub fn new(isa: Isa) -> Self {
        Self { isa }
    }

    /// Returns the options of the engine in this crate.
    fn options(self, options: BackendOptions) -> CpuOptions {
        CpuOptions {
            threads: options.threads,
            isa: self.isa,
            precision: precision(options.precision),
        }
    }
}

impl Default for CpuBackend {
    /// Returns a backend with the best instructions of this processor.
    fn default() -> Self {
        Self::new(Isa::detect())
    }
}

impl Backend for CpuBackend {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn instructions(&self) -> Option<&'static str> {
        Some(self.isa.name())
    }

    fn engine(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Engine>, ImportError> {
        let engine = CpuEngine::new(graph, weights, self.options(options))?;
        Ok(Box::new(engine))
    }

    fn generator(
        &self,
        graph: Graph,
        weights: &[f32],
        options: BackendOptions,
    ) -> Result<Box<dyn Generator>, ImportError> {
        let generator = CpuGenerator::with_options(graph, weights, self.options(options))?;
        Ok(Box::new(generator))
    }

    fn training_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        training: Training,
    ) -> MemoryNeed {
        MemoryNeed::training(graph, self.options(options), training)
    }

    fn evaluation_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        shape: BatchShape,
    ) -> MemoryNeed {
        MemoryNeed::evaluating(graph, self.options(options), shape)
    }

    fn hook_memory(&self, graph: &Graph, options: BackendOptions, tokens: usize) -> MemoryNeed {
        MemoryNeed::observing(graph, self.options(options), tokens)
    }

    fn generation_memory(
        &self,
        graph: &Graph,
        options: BackendOptions,
        texts: Texts,
    ) -> MemoryNeed {
        MemoryNeed::writing(graph, self.options(options), texts)
    }
}
