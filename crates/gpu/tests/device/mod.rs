//! The GPU under test.

use gptlab_engine::{Backend, BackendOptions, Engine};
use gptlab_gpu::{GpuBackend, GpuError};
use gptlab_model::Graph;
use gptlab_recipe::Precision;

/// Returns the first adapter; `None`, after a sentence, where there is none.
#[expect(
    clippy::print_stderr,
    reason = "whoever reads a test's output must know what it did not test"
)]
pub(crate) fn gpu() -> Option<GpuBackend> {
    match GpuBackend::new(None) {
        Ok(backend) => Some(backend),
        Err(GpuError::NoAdapter) => {
            eprintln!("skipped: {}", GpuError::NoAdapter);
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Returns a way to make engines of `backend`.
#[allow(dead_code, reason = "the self-check makes its own engines")]
pub(crate) fn maker(
    backend: &GpuBackend,
    precision: Precision,
) -> impl Fn(Graph, &[f32]) -> Box<dyn Engine> {
    let options = BackendOptions {
        precision,
        ..BackendOptions::default()
    };
    move |graph, weights| {
        let engine = backend.engine(graph, weights, options);
        engine.unwrap_or_else(|error| panic!("{error}"))
    }
}
