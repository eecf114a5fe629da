//! Every engine compared with PyTorch: the numbers in `golden/`, made by `golden/make.py`.
//!
//! The witness is an independent program (`bench/peers/gpt.py`: other kernels, autograd and
//! optimiser) with equal weights, batches and dropout masks, in float64. The files also hold the
//! error of its own float32 run, which is the yardstick for f32 engines. Remaking a golden needs
//! Python; reading one does not.

#[path = "golden/case.rs"]
mod case;
mod common;
#[path = "golden/files.rs"]
mod files;
#[path = "golden/gate.rs"]
mod gate;

use std::collections::BTreeSet;

use case::check;
use common::engines::{WITNESSED, oracle};
use files::{Decays, Golden, Numbers, Train};
use gate::{Policy, Report, worst_error};
use gptlab_engine::oracle::Oracle;
use gptlab_model::{
    Activation, Attention, Bias, Mask, MlpForm, Norm, NormPlace, OutputHead, Position, QkNorm,
    Residual, ResidualInit, Scale, Sublayer, SublayerOrder,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn fresh_oracle(golden: &Golden) -> Oracle {
    let graph = golden.graph();
    let weights = golden.weights(&graph);
    oracle(graph, &weights)
}

/// Returns true for small models. The oracle would put gigabytes on its tape for a full-size one.
fn is_small(golden: &Golden) -> bool {
    golden.sample.is_none()
}

#[test]
fn the_oracle_agrees_with_pytorch_to_the_stored_digits() {
    let mut report = Report::new(Policy::Double);
    for golden in files::all().iter().filter(|g| is_small(g)) {
        check(golden, fresh_oracle, &mut report);
    }
    report.finish("the oracle");
}

#[test]
fn the_oracle_agrees_with_pytorch_on_losses_at_true_size() {
    for golden in files::all().iter().filter(|g| !is_small(g)) {
        let oracle = fresh_oracle(golden);
        let batch = golden.batch(&golden.batch);
        let noise = golden.noise(golden.noise.step);
        let found = [oracle.loss(&batch, None), oracle.loss(&batch, Some(noise))];
        let expected = [golden.double.eval_loss, golden.double.loss];
        let error = worst_error(&found, &expected);
        assert!(
            error <= 1e-12 * expected[0],
            "{}: {found:?}, not {expected:?}",
            golden.name
        );
    }
}

#[test]
#[ignore = "gigabytes of tape"]
fn the_oracle_agrees_with_pytorch_on_gradients_at_true_size() {
    let mut report = Report::new(Policy::Double);
    for golden in files::all().iter().filter(|g| !is_small(g)) {
        check(golden, fresh_oracle, &mut report);
    }
    assert!(report.goldens > 0, "no golden of true size");
    assert_eq!(report.failures(), 0, "{report:?}");
}

#[test]
fn every_other_engine_agrees_with_pytorch() {
    for candidate in WITNESSED {
        let mut report = Report::new(Policy::Single);
        let make = |golden: &Golden| {
            let graph = golden.graph();
            let weights = golden.weights(&graph);
            (candidate.make)(graph, &weights)
        };
        for golden in &files::all() {
            check(golden, make, &mut report);
        }
        report.finish(candidate.name);
    }
}

/// A golden whose numbers hardly sway, so that small errors are visible.
const STEADY: &str = "one-parallel";

/// Returns true if the loosest policy detects `harm` done to the golden called `name`.
fn detects(name: &str, harm: impl Fn(&mut Golden)) -> bool {
    let mut golden = files::all()
        .into_iter()
        .find(|g| g.name == name)
        .expect(name);
    harm(&mut golden);
    let mut report = Report::new(Policy::Single);
    check(&golden, fresh_oracle, &mut report);
    report.failures() > 0
}

fn train(golden: &mut Golden) -> &mut Train {
    golden.train.as_mut().expect("a golden with training")
}

fn each_attention(golden: &mut Golden, f: impl Fn(&mut Attention)) {
    for sublayer in golden.spec.layers.iter_mut().flatten() {
        match sublayer {
            Sublayer::Attention(a) => f(a),
            Sublayer::Mlp(_) => {}
        }
    }
}

fn each_mlp(golden: &mut Golden, form: MlpForm) {
    for sublayer in golden.spec.layers.iter_mut().flatten() {
        match sublayer {
            Sublayer::Attention(_) => {}
            Sublayer::Mlp(mlp) => mlp.form = form,
        }
    }
}

/// Returns both precisions of a golden: harm to only one would increase the yardstick.
fn both(golden: &mut Golden) -> [&mut Numbers; 2] {
    [&mut golden.double, &mut golden.single]
}

#[test]
fn a_wrong_number_is_detected() {
    assert!(!detects("one-dropout", |_| {}), "what is right must pass");
    assert!(detects(STEADY, |g| _ = both(g).map(|n| n.loss *= 1.00001)));
    assert!(detects(STEADY, |g| _ = both(g).map(|n| n.eval_loss *= 1.00001)));
    assert!(detects(STEADY, |g| _ = both(g).map(|n| n.grad_norm *= 1.00001)));
    assert!(detects(STEADY, |g| g.double.loss = f64::NAN));
    assert!(detects(STEADY, |g| {
        for numbers in both(g) {
            numbers.grads.get_mut("ln_f.bias").expect("ln_f.bias")[3] += 1e-4;
        }
    }));
    assert!(detects(STEADY, |g| train(g).double.losses[19] *= 1.01));
    assert!(detects(STEADY, |g| {
        let weights = &mut train(g).double.weights;
        weights.get_mut("ln_f.bias").expect("ln_f.bias")[3] += 1e-4;
    }));
}

#[test]
fn a_wrong_model_is_detected() {
    let tanh = MlpForm::Plain(Activation::GeluTanh);
    assert!(detects(STEADY, |g| each_mlp(g, tanh)));
    assert!(detects(STEADY, |g| g.batch[0][1] = (g.batch[0][1] + 1) % 11));
    assert!(detects("one-softcap", |g| each_attention(g, |a| a
        .softcap =
        Some(0.801))));
    assert!(detects("one-position-rotary", |g| g.spec.position = Position::None));
    assert!(detects("one-dropout", |g| g.noise.step += 1));
    assert!(detects("one-dropout", |g| g.noise.seed += 1));
    assert!(detects("one-dropout", |g| g.spec.dropout = 0.1001));
}

#[test]
fn a_wrong_step_is_detected() {
    assert!(detects(STEADY, |g| train(g).hyper.weight_decay = 0.099));
    assert!(detects(STEADY, |g| train(g).hyper.beta1 = 0.899));
    assert!(detects(STEADY, |g| train(g).hyper.beta2 = 0.9989));
    assert!(detects(STEADY, |g| train(g).hyper.eps = 1e-6));
    assert!(detects(STEADY, |g| train(g).hyper.grad_clip = Some(1.5)));
    assert!(detects(STEADY, |g| train(g).hyper.grad_clip = None));
    assert!(detects(STEADY, |g| train(g).hyper.decay = Decays::Matrices));
    assert!(detects(STEADY, |g| train(g).lrs[7] *= 1.001));
}

#[test]
#[should_panic(expected = "other weights than its maker's")]
fn other_weights_are_refused() {
    detects(STEADY, |g| g.seed += 1);
}

/// Collects the choices in a spec's JSON: every text, named by the fields that lead to it.
fn choices(path: &str, value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::String(choice) => {
            into.insert(format!("{path} {choice}"));
        }
        Value::Array(items) => items.iter().for_each(|item| choices(path, item, into)),
        Value::Object(fields) => {
            for (field, value) in fields {
                choices(&format!("{path}/{field}"), value, into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns every variant of a type, from serde's error message for an unknown one.
fn variants<T: DeserializeOwned>(path: &str) -> Vec<String> {
    let refused = serde_json::from_str::<T>("\"?\"")
        .err()
        .expect("not a variant");
    let sentence = refused.to_string();
    let names = sentence.split('`').skip(3).step_by(2);
    let names: Vec<String> = names.map(|name| format!("{path} {name}")).collect();
    assert!(names.len() > 1, "{path}: no variants in {sentence:?}");
    names
}

#[test]
fn the_goldens_hold_every_choice_of_the_spec() {
    let mut found = BTreeSet::new();
    for golden in files::all() {
        let spec = serde_json::to_value(&golden.spec).expect("a spec as JSON");
        choices("", &spec, &mut found);
    }
    let expected = [
        variants::<Position>("/position"),
        variants::<Norm>("/norms/embedding"),
        variants::<Norm>("/norms/block"),
        variants::<Norm>("/norms/last"),
        variants::<NormPlace>("/wiring/norm"),
        variants::<Residual>("/wiring/residual"),
        variants::<SublayerOrder>("/wiring/order"),
        variants::<Mask>("/layers/attention/mask"),
        variants::<Scale>("/layers/attention/scale"),
        variants::<QkNorm>("/layers/attention/qk_norm"),
        variants::<Activation>("/layers/mlp/form/plain"),
        variants::<Activation>("/layers/mlp/form/gated"),
        variants::<OutputHead>("/head"),
        variants::<Bias>("/bias"),
        variants::<ResidualInit>("/init/residual"),
    ];
    assert_eq!(found, expected.into_iter().flatten().collect());
}
