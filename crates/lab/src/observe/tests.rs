//! Tests that the fast engine's observations equal those on the oracle, which computes its values
//! independently.

use std::num::NonZeroU64;

use gptlab_data::Text;
use gptlab_engine::{Device, Engine, Noise, oracle::Oracle};
use gptlab_model::Preset;
use gptlab_recipe::TextOrigin;
use gptlab_train::{Settings, step_hyper};

use super::*;

fn resolved(change: impl Fn(&mut Settings)) -> Resolved {
    let text = "the cat sat on the mat and the dog sat on the log; ".repeat(20);
    let text =
        Text::from_bytes(text.into_bytes(), TextOrigin::Other("cats".into())).expect("a text");
    let mut settings = Settings::of(Preset::Gpt2Mini, Some(10));
    settings.spec.n_embd = 16;
    settings.spec.block_size = 12;
    settings.spec.layers.truncate(2);
    settings.hyper.batch_size = 3;
    settings.hyper.warmup = 0;
    settings.intervals.log = NonZeroU64::MIN;
    change(&mut settings);
    for layer in settings.spec.layers.iter_mut().flatten() {
        if let gptlab_model::Sublayer::Mlp(mlp) = layer {
            mlp.hidden = 24;
        }
    }
    Resolved::fresh(&settings, &text).expect("an experiment")
}

/// Returns the observations of step 1.
fn seen(engine: &mut dyn Engine, resolved: &Resolved, level: ObserveLevel) -> Vec<Series> {
    let mut recorder = InternalsRecorder::new(level, resolved);
    let mut found = Vec::new();
    for step in 0..2 {
        let batch = resolved
            .batches
            .train(&resolved.model, step)
            .expect("a batch");
        engine.forward_backward(&batch, Noise { seed: 0, step });
        let hyper = step_hyper(&resolved.experiment.hyper, step.into());
        recorder.before_update(engine, &batch);
        let stats = engine.update(&hyper);
        found = recorder.after_update(engine, &stats);
    }
    found
}

fn agree(change: impl Fn(&mut Settings)) {
    let resolved = resolved(change);
    let weights = resolved.weights().expect("weights");
    let mut cpu = Device::cpu(1)
        .engine(resolved.graph.clone(), &weights)
        .expect("an engine");
    let mut oracle = Oracle::new(resolved.graph.clone(), &weights).expect("an oracle");
    let [fast, slow] = [cpu.as_mut(), &mut oracle as &mut dyn Engine]
        .map(|e| seen(e, &resolved, ObserveLevel::Full));
    assert_eq!(fast.len(), slow.len());
    let mut worst: (f64, String) = (0.0, String::new());
    for (fast, slow) in fast.iter().zip(&slow) {
        assert_eq!((&fast.measure, &fast.at), (&slow.measure, &slow.at));
        let largest = slow.values.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for (a, b) in fast.values.iter().zip(&slow.values) {
            let error = (a - b).abs() / (largest + 1e-3);
            if error > worst.0 || error.is_nan() {
                worst = (error, fast.measure.clone());
            }
        }
    }
    assert!(worst.0 < 2e-4, "{worst:?}");
}

#[test]
fn the_oracle_sees_the_same() {
    agree(|_| {});
    agree(|s| s.spec.wiring.norm = gptlab_model::NormPlace::After);
    agree(|s| s.spec.wiring.residual = gptlab_model::Residual::None);
    agree(|s| {
        s.spec = gptlab_model::ModelSpec {
            n_embd: 16,
            block_size: 12,
            layers: s.spec.layers.clone(),
            ..Preset::Modern.spec()
        }
    });
}

#[test]
fn series_have_a_number_for_each_place_and_known_names() {
    let resolved = resolved(|_| {});
    let weights = resolved.weights().expect("weights");
    let mut engine = Device::cpu(1)
        .engine(resolved.graph.clone(), &weights)
        .expect("an engine");
    let found = seen(engine.as_mut(), &resolved, ObserveLevel::Full);
    for series in &found {
        assert_eq!(series.at.len(), series.values.len(), "{}", series.measure);
        assert!(
            Measure::from_name(&series.measure).is_some(),
            "{}",
            series.measure
        );
        assert!(!series.at.is_empty(), "{}", series.measure);
    }
    let of = |measure: Measure| {
        found
            .iter()
            .find(|s| s.measure == measure.name())
            .expect("a series")
    };
    // Near the start, all tokens are about equally likely, and attention is nearly uniform.
    let uniform = (resolved.model.vocab_size() as f64).ln();
    assert!((of(Measure::LogZ).values[0] - uniform).abs() < 0.2);
    let entropies = &of(Measure::AttentionEntropy).values;
    let even = (1..=12).map(|n| f64::from(n).ln()).sum::<f64>() / 12.0;
    assert_eq!(entropies.len(), 8);
    assert!(
        entropies.iter().all(|e| (e - even).abs() < 0.01),
        "{entropies:?} {even}"
    );
    assert_eq!(
        of(Measure::LossByPosition).at,
        ["0", "1", "2-3", "4-7", "8-15"]
    );
    let basic = seen(engine.as_mut(), &resolved, ObserveLevel::Basic);
    assert_eq!(basic.len(), 3);
    assert!(seen(engine.as_mut(), &resolved, ObserveLevel::Off).is_empty());
}

/// The expected ratio is computed by hand: an update of SGD without accumulated momentum is the
/// gradient times the rate.
#[test]
fn an_update_ratio_is_the_step_over_the_weight() {
    let resolved = resolved(|s| {
        s.hyper.optimizer = gptlab_recipe::Optimizer::Sgd;
        s.hyper.lr = 0.5;
        (s.hyper.beta1, s.hyper.weight_decay, s.hyper.grad_clip) = (0.0, 0.0, None);
        s.hyper.lr_shape = gptlab_recipe::LrShape::Constant;
    });
    let weights = resolved.weights().expect("weights");
    let mut engine = Device::cpu(1)
        .engine(resolved.graph.clone(), &weights)
        .expect("an engine");
    let batch = resolved.batches.train(&resolved.model, 0).expect("a batch");
    engine.forward_backward(&batch, Noise { seed: 0, step: 0 });
    let mut recorder = InternalsRecorder::new(ObserveLevel::Basic, &resolved);
    recorder.before_update(engine.as_mut(), &batch);
    let stats = engine.update(&step_hyper(&resolved.experiment.hyper, 0));
    let found = recorder.after_update(engine.as_mut(), &stats);
    let param = resolved
        .graph
        .params()
        .find("tok_emb.weight")
        .expect("embeddings");
    let norm = weights[param.range()]
        .iter()
        .map(|w| f64::from(*w).powi(2))
        .sum::<f64>()
        .sqrt();
    let at = found[1]
        .at
        .iter()
        .position(|name| name == "tok_emb.weight")
        .expect("a place");
    let gradient = found[0].values[found[0]
        .at
        .iter()
        .position(|n| n == "tok_emb.weight")
        .expect("a place")];
    assert!((found[1].values[at] / (0.5 * gradient / norm) - 1.0).abs() < 1e-4);
    // Biases start at zero, so they have no update ratio.
    assert!(!found[1].at.iter().any(|name| name.ends_with("bias")));
    assert_eq!(found[2].values, [0.0]);
}
