//! Every engine compared with the oracle: losses, values, gradients and updates, over the whole
//! grid.

mod common;

use std::ops::Range;

use common::{
    batches,
    engines::{Candidate, WITNESSED, WITNESSED_IN_BF16, oracle},
    specs::{self, Case, Grid},
    tolerance::{Gate, Tolerance},
    trial::{Trial, compare, one_update},
};
use gptlab_engine::{
    Engine, Hook, ImportError, Noise, Reduce, ReduceError, Slot, StepHyper, StepStats,
    oracle::Oracle,
};
use gptlab_model::{Batch, Graph};
use gptlab_recipe::Optimizer;

/// Compares in f32 on every instruction set, and in bf16 on those of `in_bf16`.
fn compare_all(suite: &str, cases: &[Case], in_bf16: &[Candidate]) {
    for candidate in WITNESSED.iter().chain(in_bf16) {
        let mut gate = Gate::new(candidate.tolerance);
        for case in cases
            .iter()
            .filter(|case| candidate.tolerance.can_judge(case))
        {
            let batches = [1, 2].map(|seed| batches::ragged(&case.model, seed));
            compare(
                Trial::new(case, candidate.make, &mut gate),
                batches.each_ref(),
            );
        }
        gate.finish(&format!("{}, {} {suite}", candidate.name, cases.len()));
    }
}

#[test]
fn each_switch_alone() {
    compare_all("switches alone", &Grid::alone().cases, WITNESSED_IN_BF16);
}

#[test]
fn every_pair_of_switches() {
    let best = &WITNESSED_IN_BF16[..1];
    compare_all("pairs of switches", &Grid::pairs().cases, best);
}

#[test]
fn random_specs() {
    compare_all(
        "random specs",
        &Grid::random(400).cases,
        &WITNESSED_IN_BF16[..1],
    );
}

#[test]
fn sizes_past_lanes_tiles_and_mask_rows() {
    for candidate in WITNESSED.iter().chain(WITNESSED_IN_BF16) {
        let mut gate = Gate::new(candidate.tolerance);
        for (case, lengths) in specs::larger() {
            let [a, b] = [1, 2].map(|seed| batches::of_lengths(&case.model, &lengths, seed));
            compare(Trial::new(&case, candidate.make, &mut gate), [&a, &b]);
        }
        gate.finish(&format!("{}, larger sizes", candidate.name));
    }
}

/// The optimiser alone is compared, with a usual `eps`, on given gradients and moments.
#[test]
fn one_update_alone_is_near_to_the_last_digits() {
    one_update_alone(Optimizer::AdamW, Tolerance::F32Step);
    one_update_alone(Optimizer::Sgd, Tolerance::F32Step);
}

/// Newton-Schulz steps magnify the small parts of a matrix, and their rounding, some five hundred
/// times.
#[test]
fn one_update_of_muon_is_near() {
    one_update_alone(Optimizer::Muon, Tolerance::F32);
}

fn one_update_alone(optimizer: Optimizer, tolerance: Tolerance) {
    for candidate in WITNESSED {
        let mut gate = Gate::new(tolerance);
        one_update(candidate.make, optimizer, &mut gate);
        gate.finish(&format!("{}, one update of {optimizer:?}", candidate.name));
    }
}

/// The oracle with one error.
#[derive(Debug)]
struct Broken {
    oracle: Oracle,
    wrong: Wrong,
}

#[derive(Clone, Copy, Debug)]
enum Wrong {
    Nothing,
    /// One number of one gradient is too large, by a thousandth of the tensor's largest.
    OneGradient,
    /// One gradient is not a number.
    NotANumber,
    /// Every dropout mask is that of another step.
    Noise,
    /// Gradients replace those held instead of adding to them.
    Accumulation,
    /// Weights do not decay.
    Decay,
    /// Gradients are not clipped.
    Clip,
    /// The first moment's bias correction is a step late.
    Update,
}

impl Engine for Broken {
    fn graph(&self) -> &Graph {
        self.oracle.graph()
    }

    fn part(&self, batch: &Batch, first: usize, sequences: usize) -> Range<usize> {
        self.oracle.part(batch, first, sequences)
    }

    fn share(&self, batch: &Batch, index: usize, count: usize) -> Range<usize> {
        self.oracle.share(batch, index, count)
    }

    fn accumulate(
        &mut self,
        batch: &Batch,
        part: Range<usize>,
        mut noise: Noise,
        losses: &mut [f64],
    ) {
        match self.wrong {
            Wrong::Noise => noise.step += 1,
            Wrong::Accumulation => {
                let zeros = vec![0.0; self.graph().params().total()];
                let imported = self.oracle.import64(Slot::Gradients, &zeros);
                imported.expect("as many as the table has");
            }
            Wrong::Nothing
            | Wrong::OneGradient
            | Wrong::NotANumber
            | Wrong::Decay
            | Wrong::Clip
            | Wrong::Update => {}
        }
        self.oracle.accumulate(batch, part, noise, losses);
    }

    fn reduce(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        self.oracle.reduce(others)
    }

    fn losses(&mut self, batch: &Batch) -> Vec<f64> {
        self.oracle.losses(batch)
    }

    fn update(&mut self, hyper: &StepHyper) -> StepStats {
        let mut hyper = *hyper;
        match self.wrong {
            Wrong::Decay => hyper.weight_decay = 0.0,
            Wrong::Clip => hyper.grad_clip = None,
            Wrong::Update => hyper.update += 1,
            Wrong::Nothing
            | Wrong::OneGradient
            | Wrong::NotANumber
            | Wrong::Noise
            | Wrong::Accumulation => {}
        }
        self.oracle.update(&hyper)
    }

    fn export(&self, slot: Slot) -> Vec<f32> {
        let mut numbers = self.oracle.export(slot);
        let tensor = self.graph().params().iter().last().expect("a tensor");
        let tensor = &mut numbers[tensor.range()];
        match (slot, self.wrong) {
            (Slot::Gradients, Wrong::OneGradient) => {
                let largest = tensor.iter().fold(0.0f32, |m, x| m.max(x.abs()));
                tensor[0] += 1e-3 * largest;
            }
            (Slot::Gradients, Wrong::NotANumber) => tensor[0] = f32::NAN,
            (Slot::Gradients | Slot::Weights | Slot::State(_), _) => {}
        }
        numbers
    }

    fn import(&mut self, slot: Slot, values: &[f32]) -> Result<(), ImportError> {
        self.oracle.import(slot, values)
    }

    fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        self.oracle.losses_with(batch, hook)
    }
}

/// Returns true if the suite passes under `tolerance` on an oracle with the error `wrong`.
fn suite_passes(tolerance: Tolerance, wrong: Wrong) -> bool {
    let mut spec = specs::base();
    spec.dropout = 0.25;
    let case = Case::new("base with dropout", &spec, specs::VOCAB).expect("the base");
    let mut gate = Gate::new(tolerance);
    let make = |graph, weights: &[f32]| -> Box<dyn Engine> {
        let oracle = oracle(graph, weights);
        Box::new(Broken { oracle, wrong })
    };
    let batches = [1, 2].map(|seed| batches::ragged(&case.model, seed));
    compare(Trial::new(&case, make, &mut gate), batches.each_ref());
    gate.passes()
}

#[test]
fn the_gate_can_fail() {
    assert!(suite_passes(Tolerance::F32, Wrong::Nothing));
    for wrong in [
        Wrong::OneGradient,
        Wrong::NotANumber,
        Wrong::Noise,
        Wrong::Accumulation,
        Wrong::Decay,
        Wrong::Clip,
        Wrong::Update,
    ] {
        let passes = suite_passes(Tolerance::F32, wrong);
        assert!(!passes, "{wrong:?} went unseen");
    }
}

/// These are the errors that bf16 cannot hide. It hides a thousandth of a gradient, a step's decay
/// and a late correction; the optimiser computes in f32, and is compared there.
#[test]
fn the_gate_of_bf16_can_fail() {
    assert!(suite_passes(Tolerance::Bf16, Wrong::Nothing));
    for wrong in [
        Wrong::NotANumber,
        Wrong::Noise,
        Wrong::Accumulation,
        Wrong::Clip,
    ] {
        let passes = suite_passes(Tolerance::Bf16, wrong);
        assert!(!passes, "{wrong:?} went unseen");
    }
}

/// The grid's coverage is pinned, so that every change of it is deliberate.
#[test]
fn the_grid_refuses_only_what_makes_no_sense() {
    const KINDS: [&str; 6] = [
        "parallel sublayers need",
        "sinusoidal positions pair",
        "rotary positions turn pairs",
        "n_head must divide",
        "n_kv_head must divide",
        "a window shows the last tokens of the past and needs the causal mask",
    ];
    let grids = [
        ("alone", Grid::alone(), 40),
        ("pairs", Grid::pairs(), 900),
        ("random", Grid::random(400), 200),
    ];
    for (name, grid, least) in &grids {
        assert!(grid.cases.len() >= *least, "{name}: {}", grid.cases.len());
    }
    let refused = || grids.iter().flat_map(|(_, grid, _)| &grid.refused);
    let kind_of = |refusal: String| KINDS.iter().position(|kind| refusal.starts_with(kind));
    let mut counts = [0; KINDS.len()];
    for refusal in refused() {
        let kind = kind_of(refusal.to_string());
        counts[kind.unwrap_or_else(|| panic!("refused for a new reason: {refusal}"))] += 1;
    }
    assert!(counts.iter().all(|n| *n > 0), "{counts:?} of {KINDS:?}");
}
