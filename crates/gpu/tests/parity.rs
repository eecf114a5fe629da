//! The GPU compared with the oracle: losses, values, gradients and updates, over the whole grid of
//! specs of the engine's own suite.

#[path = "../../engine/tests/common/mod.rs"]
mod common;
mod device;

use common::{
    batches,
    specs::{self, Case, Grid},
    tolerance::{Gate, Tolerance},
    trial::{Trial, compare, one_update},
};
use device::{gpu, maker};
use gptlab_gpu::GpuBackend;
use gptlab_recipe::{Optimizer, Precision};

/// Compares every case that the tolerance of `precision` can judge.
fn compare_all(backend: &GpuBackend, suite: &str, cases: &[Case], precision: Precision) {
    let tolerance = match precision {
        Precision::F32 => Tolerance::F32,
        Precision::Bf16 => Tolerance::Bf16,
    };
    let mut gate = Gate::new(tolerance);
    for case in cases.iter().filter(|case| tolerance.can_judge(case)) {
        let batches = [1, 2].map(|seed| batches::ragged(&case.model, seed));
        let trial = Trial::new(case, maker(backend, precision), &mut gate);
        compare(trial, batches.each_ref());
    }
    let adapter = &backend.adapter().name;
    gate.finish(&format!(
        "{adapter}, {precision:?}, {} {suite}",
        cases.len()
    ));
}

#[test]
fn each_switch_alone() {
    let Some(backend) = gpu() else { return };
    for precision in [Precision::F32, Precision::Bf16] {
        compare_all(&backend, "switches alone", &Grid::alone().cases, precision);
    }
}

#[test]
fn every_pair_of_switches() {
    let Some(backend) = gpu() else { return };
    compare_all(
        &backend,
        "pairs of switches",
        &Grid::pairs().cases,
        Precision::F32,
    );
}

#[test]
fn random_specs() {
    let Some(backend) = gpu() else { return };
    for precision in [Precision::F32, Precision::Bf16] {
        compare_all(
            &backend,
            "random specs",
            &Grid::random(400).cases,
            precision,
        );
    }
}

#[test]
fn sizes_past_tiles_and_mask_rows() {
    let Some(backend) = gpu() else { return };
    let precisions = [
        (Precision::F32, Tolerance::F32),
        (Precision::Bf16, Tolerance::Bf16),
    ];
    for (precision, tolerance) in precisions {
        // The second backend takes these batches in several chunks.
        for backend in [backend.clone(), backend.clone().with_most_rows(1)] {
            let mut gate = Gate::new(tolerance);
            for (case, lengths) in specs::larger() {
                let [a, b] = [1, 2].map(|seed| batches::of_lengths(&case.model, &lengths, seed));
                let trial = Trial::new(&case, maker(&backend, precision), &mut gate);
                compare(trial, [&a, &b]);
            }
            gate.finish(&format!("gpu, {precision:?}, larger sizes"));
        }
    }
}

#[test]
fn one_update_alone_is_near_to_the_last_digits() {
    let Some(backend) = gpu() else { return };
    let updates = [
        (Optimizer::AdamW, Tolerance::F32Step),
        (Optimizer::Sgd, Tolerance::F32Step),
        // Newton-Schulz steps magnify rounding, as in the engine's own suite.
        (Optimizer::Muon, Tolerance::F32),
    ];
    for (optimizer, tolerance) in updates {
        let mut gate = Gate::new(tolerance);
        one_update(maker(&backend, Precision::F32), optimizer, &mut gate);
        gate.finish(&format!("gpu, one update of {optimizer:?}"));
    }
}
