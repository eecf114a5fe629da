//! The laws that hold for every engine by itself, including the oracle, whatever its numbers are.

mod common;

use common::{
    batches,
    engines::{CANDIDATES, Candidate, TEAMS},
    specs::{self, Case, Grid},
    tolerance::Gate,
};
use gptlab_engine::{Engine, Noise, Slot, StepHyper, untouched};
use gptlab_model::{Batch, Node, Op, Preset};
use gptlab_recipe::{Decay, Optimizer};

fn hyper(update: u64) -> StepHyper {
    StepHyper {
        optimizer: Optimizer::AdamW,
        update,
        lr: 0.01,
        beta1: 0.9,
        beta2: 0.95,
        eps: 1e-8,
        weight_decay: 0.1,
        decay: Decay::Matrices,
        grad_clip: Some(1.0),
    }
}

fn noise(step: u32) -> Noise {
    Noise { seed: 1, step }
}

fn make(candidate: &Candidate, case: &Case, seed: u64) -> Box<dyn Engine> {
    (candidate.make)(case.graph.clone(), &batches::weights(&case.graph, seed))
}

/// Checks every engine on every switch alone.
fn for_all(law: impl Fn(&Candidate, &Case)) {
    let cases = Grid::alone().cases;
    for candidate in CANDIDATES {
        for case in &cases {
            law(candidate, case);
        }
    }
}

/// Returns everything an engine holds, as bits.
fn state(engine: &dyn Engine) -> Vec<u32> {
    let numbers = Slot::ALL.iter().flat_map(|slot| engine.export(*slot));
    numbers.map(f32::to_bits).collect()
}

/// Returns a case with a dropout that its graph must contain.
fn with_dropout() -> Case {
    let mut spec = specs::base();
    spec.dropout = 0.3;
    Case::new("dropout", &spec, specs::VOCAB).expect("a base with dropout")
}

#[test]
fn asking_in_between_changes_nothing() {
    for_all(|candidate, case| {
        let [a, b] = [1, 2].map(|seed| batches::ragged(&case.model, seed));
        let (mut evaluated, mut left) = (make(candidate, case, 1), make(candidate, case, 1));
        for step in 1..=2 {
            let losses = evaluated.losses(&b);
            evaluated.trace(&a, &mut untouched);
            assert_eq!(evaluated.losses(&b), losses, "{}", case.name);
            let one = evaluated.forward_backward(&a, noise(step));
            evaluated.evaluate(&b);
            evaluated.trace(&b, &mut untouched);
            let other = left.forward_backward(&a, noise(step));
            assert_eq!(one.to_bits(), other.to_bits(), "{}", case.name);
            evaluated.update(&hyper(step.into()));
            left.update(&hyper(step.into()));
        }
        assert_eq!(state(&*evaluated), state(&*left), "{}", case.name);
    });
}

#[test]
fn what_is_exported_can_be_imported_and_goes_on_the_same() {
    for_all(|candidate, case| {
        let [a, b] = [1, 2].map(|seed| batches::ragged(&case.model, seed));
        let (mut one, mut other) = (make(candidate, case, 1), make(candidate, case, 9));
        one.forward_backward(&a, noise(1));
        one.update(&hyper(1));
        one.forward_backward(&b, noise(2));
        for slot in Slot::ALL {
            let numbers = one.export(slot);
            // The engine imports its own numbers, too: it may hold more digits than it exports.
            for engine in [&mut one, &mut other] {
                engine.import(slot, &numbers).expect("as many as it gave");
            }
        }
        assert_eq!(state(&*one), state(&*other), "{}", case.name);
        for engine in [&mut one, &mut other] {
            engine.forward_backward(&a, noise(3));
            engine.update(&hyper(2));
        }
        assert_eq!(state(&*one), state(&*other), "{}", case.name);
    });
}

#[test]
fn an_import_of_another_length_is_refused() {
    let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let n = case.graph.params().total();
    for candidate in CANDIDATES {
        let mut engine = make(candidate, &case, 1);
        let before = state(&*engine);
        for slot in Slot::ALL {
            let refusal = engine.import(slot, &vec![0.0; n + 1]);
            let refusal = refusal.expect_err("one number too many").to_string();
            let expected = format!("the model has {n} parameters; found {} values", n + 1);
            assert_eq!(refusal, expected);
        }
        assert_eq!(state(&*engine), before);
    }
}

#[test]
fn an_update_clears_the_gradients() {
    for_all(|candidate, case| {
        let mut engine = make(candidate, case, 1);
        engine.forward_backward(&batches::ragged(&case.model, 1), noise(1));
        assert!(engine.export(Slot::Gradients).iter().any(|g| *g != 0.0));
        let stats = engine.update(&hyper(1));
        assert!(stats.grad_norm > 0.0, "{}", case.name);
        assert!(engine.export(Slot::Gradients).iter().all(|g| *g == 0.0));
        assert_eq!(engine.update(&hyper(2)).grad_norm, 0.0, "{}", case.name);
    });
}

/// The factor is that of `torch.nn.utils.clip_grad_norm_`.
#[test]
fn the_clip_factor_is_reported() {
    for_all(|candidate, case| {
        let factors = [None, Some(1e9), Some(1e-3)].map(|grad_clip| {
            let mut engine = make(candidate, case, 1);
            engine.forward_backward(&batches::ragged(&case.model, 1), noise(1));
            let stats = engine.update(&StepHyper {
                grad_clip,
                ..hyper(1)
            });
            (stats.grad_norm, stats.clip_factor)
        });
        let norm = factors[0].0;
        let clipped = (1e-3 / (norm + 1e-6)).min(1.0);
        assert_eq!(
            factors,
            [(norm, 1.0), (norm, 1.0), (norm, clipped)],
            "{}",
            case.name
        );
        assert!(clipped < 1.0, "{}", case.name);
    });
}

#[test]
fn noise_depends_on_seed_and_step_and_affects_only_dropout() {
    let case = with_dropout();
    let quiet = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    for candidate in CANDIDATES {
        let loss = |case: &Case, seed, step| {
            let batch = batches::ragged(&case.model, 1);
            let mut engine = make(candidate, case, 1);
            let loss = engine.forward_backward(&batch, Noise { seed, step });
            (loss.to_bits(), state(&*engine))
        };
        assert_eq!(loss(&case, 1, 1), loss(&case, 1, 1));
        assert_ne!(loss(&case, 1, 1), loss(&case, 1, 2));
        assert_ne!(loss(&case, 1, 1), loss(&case, 2, 1));
        assert_ne!(loss(&case, 1, 1), loss(&case, 1 + (1 << 32), 1));
        assert_eq!(loss(&quiet, 1, 1), loss(&quiet, 2, 5));
    }
}

/// Work is split by shape, never by threads, and sums are added in a fixed order.
#[test]
fn the_number_of_threads_does_not_show() {
    let mut trials: Vec<(Case, Vec<usize>)> = specs::larger();
    let alone = Grid::alone().cases.into_iter();
    // The 720 rows make several chunks, so that threads have work to share.
    trials.extend(alone.map(|case| (case, [6, 1, 3, 6, 2].repeat(40))));
    // There are fewer sequences than threads, and the model is so large that idle threads help with
    // products, heads and losses.
    let mini = || Case::new("gpt2-mini", &Preset::Gpt2Mini.spec(), 65).expect("a preset");
    trials.extend([(mini(), vec![256]), (mini(), vec![256, 200, 31])]);
    for (case, lengths) in &trials {
        let batch = batches::of_lengths(&case.model, lengths, 1);
        let trained = TEAMS.iter().map(|team| {
            let mut engine = make(team, case, 1);
            let optimizers = [Optimizer::AdamW, Optimizer::Muon, Optimizer::Sgd];
            let losses = [1, 2, 3].map(|step| {
                let loss = engine.forward_backward(&batch, noise(step));
                let stats = engine.update(&StepHyper {
                    optimizer: optimizers[step as usize - 1],
                    ..hyper(step.into())
                });
                (loss.to_bits(), stats.grad_norm.to_bits())
            });
            (losses, state(&*engine), engine.losses(&batch))
        });
        let trained: Vec<_> = trained.collect();
        for pair in trained.windows(2) {
            assert_eq!(pair[0], pair[1], "{}", case.name);
        }
    }
}

/// A sequence does not depend on the others in its batch.
#[test]
fn sequences_of_a_batch_do_not_see_each_other() {
    for candidate in CANDIDATES {
        let mut gate = Gate::new(candidate.tolerance);
        for case in &Grid::alone().cases {
            let batch = batches::ragged(&case.model, 1);
            let mut engine = make(candidate, case, 1);
            let together = engine.losses(&batch);
            for i in 0..batch.sequences() {
                let rows = batch.rows(i);
                let alone = (
                    &batch.inputs()[rows.clone()],
                    &batch.targets()[rows.clone()],
                );
                let alone = Batch::new(&case.model, [alone]).expect("a part of a batch");
                let what = || format!("sequence {i} of {}", case.name);
                gate.compare(what, &engine.losses(&alone), &together[rows]);
            }
        }
        gate.finish(&format!("{}, sequences alone", candidate.name));
    }
}

/// The last input of a sequence changes no earlier loss of a causal model, and changes those of a
/// model that is not causal.
#[test]
fn a_causal_model_does_not_see_the_future() {
    for_all(|candidate, case| {
        let n = case.model.spec().block_size;
        let batch = batches::of_lengths(&case.model, &[n], 1);
        let mut changed = batch.inputs().to_vec();
        changed[n - 1] = (changed[n - 1] + 1) % specs::VOCAB as u32;
        let changed = Batch::new(&case.model, [(&changed[..], batch.targets())]);
        let changed = changed.expect("the same batch but for a token");
        let mut engine = make(candidate, case, 1);
        let (before, after) = (engine.losses(&batch), engine.losses(&changed));
        assert_ne!(before[n - 1], after[n - 1], "{}", case.name);
        let past_stays = before[..n - 1] == after[..n - 1];
        assert_eq!(past_stays, case.model.is_causal(), "{}", case.name);
    });
}

/// The gradients of two batches add up to those of each, and the mean of a packed batch weights
/// tokens.
#[test]
fn gradients_add_up() {
    for candidate in CANDIDATES {
        let mut gate = Gate::new(candidate.tolerance);
        let case = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
        let of = |batches: &[&Batch]| {
            let mut engine = make(candidate, &case, 1);
            for batch in batches {
                engine.forward_backward(batch, noise(1));
            }
            let gradients = engine.export(Slot::Gradients);
            gradients.into_iter().map(f64::from).collect::<Vec<_>>()
        };
        let [a, b] = [1, 2].map(|seed| batches::of_lengths(&case.model, &[2 * seed], seed as u64));
        let both = [&a, &b].map(|x| (x.inputs(), x.targets()));
        let packed = Batch::new(&case.model, both).expect("two sequences");
        let sum = |wa: f64, wb: f64| -> Vec<f64> {
            let pairs = of(&[&a]).into_iter().zip(of(&[&b]));
            pairs.map(|(a, b)| wa * a + wb * b).collect()
        };
        gate.compare(|| "accumulated".into(), &of(&[&a, &b]), &sum(1.0, 1.0));
        let (wa, wb) = (2.0 / 6.0, 4.0 / 6.0);
        gate.compare(|| "packed".into(), &of(&[&packed]), &sum(wa, wb));
        gate.finish(&format!("{}, gradients add up", candidate.name));
    }
}

/// With every weight at zero all tokens are equally likely: the loss is ln V, and Adam's step is
/// zero.
#[test]
fn a_model_of_zeros_knows_nothing() {
    for_all(|candidate, case| {
        let zeros = vec![0.0; case.graph.params().total()];
        let mut engine = (candidate.make)(case.graph.clone(), &zeros);
        let batch = batches::ragged(&case.model, 1);
        let nothing = (specs::VOCAB as f64).ln();
        for loss in engine.losses(&batch) {
            assert!((loss - nothing).abs() < 1e-6, "{}: {loss}", case.name);
        }
    });
}

/// A model with dropout evaluates like its twin without, and trains differently.
#[test]
fn evaluating_has_no_dropout() {
    let case = with_dropout();
    let drops = |node: &Node| {
        let weights = node.attention().is_some_and(|(_, a)| a.dropout > 0.0);
        weights || matches!(node.op, Op::Dropout { .. })
    };
    let dropping = case.graph.nodes().iter().filter(|n| drops(n)).count();
    assert_eq!(dropping, 7);
    let quiet = Case::new("base", &specs::base(), specs::VOCAB).expect("the base");
    let batch = batches::ragged(&case.model, 1);
    for candidate in CANDIDATES {
        let mut gate = Gate::new(candidate.tolerance);
        let (mut with, mut without) = (make(candidate, &case, 1), make(candidate, &quiet, 1));
        let losses = without.losses(&batch);
        gate.compare(|| "losses".into(), &with.losses(&batch), &losses);
        let trained = with.forward_backward(&batch, noise(1));
        assert!((trained - with.evaluate(&batch)).abs() > 1e-3);
        gate.finish(&format!("{}, no dropout", candidate.name));
    }
}
