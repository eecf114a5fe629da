//! The GPU compared with PyTorch: gradients, and twenty steps of training, by the goldens of the
//! engine's own suite.

#[path = "../../engine/tests/golden/case.rs"]
mod case;
mod device;
#[path = "../../engine/tests/golden/files.rs"]
#[allow(dead_code, reason = "the engine's own suite uses more of it")]
mod files;
#[path = "../../engine/tests/golden/gate.rs"]
#[allow(dead_code, reason = "the engine's own suite uses more of it")]
mod gate;

use case::check;
use device::{gpu, maker};
use files::Golden;
use gate::{Policy, Report};
use gptlab_recipe::Precision;

#[test]
fn the_gpu_agrees_with_pytorch() {
    let Some(backend) = gpu() else { return };
    let mut report = Report::new(Policy::Single);
    let make = maker(&backend, Precision::F32);
    for golden in &files::all() {
        let engine = |golden: &Golden| {
            let graph = golden.graph();
            let weights = golden.weights(&graph);
            make(graph, &weights)
        };
        check(golden, engine, &mut report);
    }
    report.finish(&backend.adapter().name);
}
