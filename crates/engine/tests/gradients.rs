//! The oracle's gradients compared with central differences of its own loss in f64, for every op
//! and switch.
//!
//! These tests check the adjoints alone; the golden numbers of other programs and the laws in
//! `laws.rs` check the forward passes.

mod common;

use common::{
    batches,
    engines::oracle,
    specs::{Case, Grid},
    tolerance::{Gate, Tolerance},
};
use gptlab_engine::{Engine, Noise, Slot, oracle::Oracle};
use gptlab_model::{Batch, random::Stream};

const NOISE: Noise = Noise { seed: 5, step: 3 };
const STEP: f64 = 1e-5;

/// Returns the oracle after one backward pass over a small ragged batch.
fn after_backward(case: &Case) -> (Oracle, Batch) {
    let batch = batches::of_lengths(&case.model, &[1, 3], 1);
    let mut oracle = oracle(case.graph.clone(), &batches::weights(&case.graph, 2));
    let loss = oracle.forward_backward(&batch, NOISE);
    assert_eq!(loss, oracle.loss(&batch, Some(NOISE)), "{}", case.name);
    (oracle, batch)
}

/// Returns the slope of the loss along `direction`, by central difference.
fn slope(oracle: &mut Oracle, batch: &Batch, direction: impl Fn(usize) -> f64) -> f64 {
    let centre = oracle.weights64().to_vec();
    let mut loss_at = |step: f64| {
        let moved = centre.iter().enumerate();
        let moved: Vec<f64> = moved.map(|(i, w)| w + step * direction(i)).collect();
        let fits = oracle.import64(Slot::Weights, &moved);
        fits.expect("as many weights as there were");
        oracle.loss(batch, Some(NOISE))
    };
    let slope = (loss_at(STEP) - loss_at(-STEP)) / (2.0 * STEP);
    loss_at(0.0);
    slope
}

/// Compares every number of every parameter.
fn compare_each(case: &Case, gate: &mut Gate) {
    let (mut oracle, batch) = after_backward(case);
    let gradients = oracle.gradients64().to_vec();
    for param in case.graph.params().iter() {
        let numbers = param.range();
        let one = |at: usize| move |i: usize| f64::from(u8::from(i == at));
        let found: Vec<f64> = numbers
            .clone()
            .map(|at| slope(&mut oracle, &batch, one(at)))
            .collect();
        let what = || format!("{} of {}", param.name, case.name);
        gate.compare(what, &gradients[numbers], &found);
    }
}

/// Compares a few random directions through all parameters at once.
fn compare_along(case: &Case, gate: &mut Gate) {
    let (mut oracle, batch) = after_backward(case);
    let gradients = oracle.gradients64().to_vec();
    let scale = 1.0 / (gradients.len() as f64).sqrt();
    for nth in 0..2 {
        let stream = Stream::new(3, "direction", nth);
        let direction = |i: usize| scale * stream.normal_at(i as u64);
        let terms = gradients.iter().enumerate();
        let exact: f64 = terms.map(|(i, g)| g * direction(i)).sum();
        let found = slope(&mut oracle, &batch, direction);
        let what = || format!("direction {nth} of {}", case.name);
        gate.compare(what, &[exact], &[found]);
    }
}

#[test]
fn every_number_of_every_switch_alone() {
    let mut gate = Gate::new(Tolerance::Differences);
    for case in &Grid::alone().cases {
        compare_each(case, &mut gate);
    }
    gate.finish("gradients, each switch alone");
}

#[test]
fn random_directions_of_every_pair_of_switches() {
    let mut gate = Gate::new(Tolerance::Differences);
    for case in &Grid::pairs().cases {
        compare_along(case, &mut gate);
    }
    gate.finish("gradients, pairs of switches");
}

#[test]
fn random_directions_of_random_specs() {
    let mut gate = Gate::new(Tolerance::Differences);
    for case in &Grid::random(400).cases {
        compare_along(case, &mut gate);
    }
    gate.finish("gradients, random specs");
}
