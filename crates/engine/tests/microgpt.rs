//! The model definition compared with its one-file ancestor, the third witness.
//!
//! `crates/microgpt` shares no code with the other crates; its own tests compare its output with a
//! plain Python program. Here the engines train the preset `microgpt` from the ancestor's weights,
//! on its documents in its order, and must compute its losses: the goldens in
//! `crates/microgpt/tests/golden`, the preset itself for a thousand steps, and two of other sizes
//! where documents are cut to the context.

#[path = "common/ancestor.rs"]
mod ancestor;
mod common;
#[path = "common/cpython.rs"]
mod cpython;

use std::collections::{BTreeMap, BTreeSet};

use ancestor::{Ancestor, NAMES, Printed, SCRIPTS, STD, TUNED};
use common::engines::{WITNESSED, oracle};
use cpython::Random;
use gptlab_engine::{Engine, Noise, Slot, StepHyper};
use gptlab_model::{
    Activation, Attention, Batch, Graph, Mask, MlpForm, Model, ModelSpec, Norm, NormPlace,
    OutputHead, ParamInit, Position, Preset, QkNorm, Residual, Scale, Sublayer, SublayerOrder,
    lower,
};
use gptlab_recipe::{Decay, Optimizer};

/// A training run that should equal the ancestor's.
struct Trial {
    spec: ModelSpec,
    vocab: usize,
    /// The documents as tokens, with the mark of a document's end on both sides.
    docs: Vec<Vec<u32>>,
    tensors: BTreeMap<String, Vec<f64>>,
    hyper: StepHyper,
    /// The number of steps in which the learning rate falls to 0.
    steps: usize,
}

impl Trial {
    fn new(ancestor: &Ancestor) -> Self {
        let mut draws = Random::new(ancestor.seed);
        let mut docs = ancestor.documents();
        draws.shuffle(&mut docs);
        let alphabet: BTreeSet<char> = docs.concat().chars().collect();
        let alphabet: Vec<char> = alphabet.into_iter().collect();
        let end = alphabet.len();
        let tokens = |doc: &str| {
            let ids = doc.chars().flat_map(|c| alphabet.binary_search(&c));
            let marked = [end].into_iter().chain(ids).chain([end]);
            marked.map(|id| id as u32).collect()
        };
        Self {
            spec: ancestor.spec(),
            vocab: end + 1,
            docs: docs.into_iter().map(tokens).collect(),
            tensors: ancestor.tensors(end + 1, &mut draws),
            hyper: StepHyper {
                optimizer: Optimizer::AdamW,
                update: 0,
                lr: ancestor.lr,
                beta1: ancestor.betas[0],
                beta2: ancestor.betas[1],
                eps: ancestor.eps,
                weight_decay: 0.0,
                decay: Decay::Everything,
                grad_clip: None,
            },
            steps: Printed::of(ancestor.golden).losses.len(),
        }
    }

    fn model(&self) -> Model {
        let model = self.spec.check(self.vocab);
        model.expect("a model that makes sense")
    }

    /// Returns all weights in the parameter table's order.
    fn weights(&self, graph: &Graph) -> Vec<f64> {
        let params = graph.params().iter();
        let tensors = params.map(|param| {
            let tensor = &self.tensors[&param.name];
            assert_eq!(tensor.len(), param.len(), "{}", param.name);
            &tensor[..]
        });
        tensors.collect::<Vec<_>>().concat()
    }

    /// Returns one document, cut to the context.
    fn batch(&self, model: &Model, step: usize) -> Batch {
        let doc = &self.docs[step % self.docs.len()];
        let length = (doc.len() - 1).min(self.spec.block_size);
        let (inputs, targets) = (&doc[..length], &doc[1..=length]);
        Batch::new(model, [(inputs, targets)]).expect("a document that fits")
    }

    /// Returns the losses of the first `steps` steps.
    fn losses(
        &self,
        make: impl FnOnce(Graph, &[f64]) -> Box<dyn Engine>,
        steps: usize,
    ) -> Vec<f64> {
        let model = self.model();
        let graph = lower(&model);
        let weights = self.weights(&graph);
        let mut engine = make(graph, &weights);
        let step = |step: usize| {
            let noise = Noise {
                seed: 0,
                step: step as u32,
            };
            let loss = engine.forward_backward(&self.batch(&model, step), noise);
            engine.update(&StepHyper {
                optimizer: Optimizer::AdamW,
                update: step as u64 + 1,
                lr: self.hyper.lr * (1.0 - step as f64 / self.steps as f64),
                ..self.hyper
            });
            loss
        };
        (0..steps).map(step).collect()
    }

    /// Applies a change to every attention.
    fn attentions(&mut self, change: impl Fn(&mut Attention)) {
        let sublayers = self.spec.layers.iter_mut().flatten();
        sublayers.for_each(|sublayer| match sublayer {
            Sublayer::Attention(a) => change(a),
            Sublayer::Mlp(_) => {}
        });
    }

    fn activation(&mut self, f: Activation) {
        let sublayers = self.spec.layers.iter_mut().flatten();
        sublayers.for_each(|sublayer| match sublayer {
            Sublayer::Attention(_) => {}
            Sublayer::Mlp(mlp) => mlp.form = MlpForm::Plain(f),
        });
    }

    fn tensor(&mut self, name: &str) -> &mut Vec<f64> {
        self.tensors.get_mut(name).expect(name)
    }
}

/// The allowed difference of a loss from the printed one, which is rounded to four decimals.
#[derive(Clone, Copy, Debug)]
enum Nearness {
    /// An f64 engine. Besides the rounding of the printed loss, the differences come from the order
    /// of sums and from the norms' epsilon, which our models hold as an f32 (2.5e-13 off).
    Double,
    /// An f32 engine: it allows some ten times the error of its roundings over a thousand steps.
    Single,
}

impl Nearness {
    fn allowed(self) -> f64 {
        let rounded_off = 0.5e-4;
        match self {
            Self::Double => rounded_off + 1e-9,
            Self::Single => rounded_off + 5e-6,
        }
    }
}

/// Returns the step with the largest difference, and the difference; infinite if a loss is not a
/// number.
fn farthest(found: &[f64], printed: &[f64]) -> (usize, f64) {
    let differences = found.iter().zip(printed).map(|(a, b)| (a - b).abs());
    let finite = differences.map(|d| if d.is_finite() { d } else { f64::INFINITY });
    let numbered = (1..).zip(finite);
    numbered.fold((0, 0.0), |a, b| if b.1 > a.1 { b } else { a })
}

fn f64_engine(graph: Graph, weights: &[f64]) -> Box<dyn Engine> {
    let mut oracle = oracle(graph, &vec![0.0; weights.len()]);
    let imported = oracle.import64(Slot::Weights, weights);
    imported.expect("as many weights as the table has");
    Box::new(oracle)
}

/// Compares every step that `ancestor` printed, on every engine.
#[expect(
    clippy::print_stderr,
    reason = "a test's worst case is for people to read"
)]
fn assert_prints(name: &str, ancestor: &Ancestor) {
    let (trial, printed) = (Trial::new(ancestor), Printed::of(ancestor.golden));
    let compare = |engine: &str, nearness: Nearness, losses: &[f64]| {
        let (step, distance) = farthest(losses, &printed.losses);
        let allowed = nearness.allowed();
        let verdict = format!(
            "{name}, {engine}: the worst of {} steps is {step}: {distance:.3e} from the print, \
             allowed {allowed:.3e} ({nearness:?})",
            losses.len()
        );
        eprintln!("{verdict}");
        assert!(distance <= allowed, "{verdict}");
    };
    let exact = trial.losses(f64_engine, trial.steps);
    compare("oracle", Nearness::Double, &exact);
    for candidate in WITNESSED {
        let make = |graph: Graph, weights: &[f64]| {
            let weights: Vec<f32> = weights.iter().map(|w| *w as f32).collect();
            (candidate.make)(graph, &weights)
        };
        let losses = trial.losses(make, trial.steps);
        compare(candidate.name, Nearness::Single, &losses);
    }
}

fn assert_counts(ancestor: &Ancestor, steps: usize) {
    let (trial, printed) = (Trial::new(ancestor), Printed::of(ancestor.golden));
    let params = lower(&trial.model()).params().total();
    let found = [trial.docs.len(), trial.vocab, params, trial.steps];
    assert_eq!(found, [printed.docs, printed.vocab, printed.params, steps]);
    let drawn: usize = trial.tensors.values().map(Vec::len).sum();
    assert_eq!(drawn, params, "weights drawn and weights used");
}

#[test]
fn the_preset_has_the_ancestors_own_settings() {
    assert_eq!(NAMES.spec(), Preset::Microgpt.spec());
    let graph = lower(&Trial::new(&NAMES).model());
    for param in graph.params().iter() {
        let std = f64::from(STD as f32);
        assert_eq!(param.init, ParamInit::Normal { std }, "{}", param.name);
    }
}

#[test]
fn documents_vocabulary_and_parameters_are_as_many_as_printed() {
    assert_counts(&NAMES, 1000);
    assert_counts(&SCRIPTS, 30);
    assert_counts(&TUNED, 40);
}

#[test]
fn a_thousand_losses_on_the_built_in_names_are_as_printed() {
    assert_prints("names", &NAMES);
}

#[test]
fn losses_of_two_layers_on_long_lines_are_as_printed() {
    assert_prints("scripts", &SCRIPTS);
}

#[test]
fn losses_of_one_head_and_another_optimiser_are_as_printed() {
    assert_prints("tuned", &TUNED);
}

/// A program that differs from the ancestor.
type Fault = (&'static str, fn(&mut Trial));

const OTHER_MODELS: &[Fault] = &[
    ("SiLU", |t| t.activation(Activation::Silu)),
    ("GELU", |t| t.activation(Activation::GeluErf)),
    ("squared ReLU", |t| t.activation(Activation::ReluSquared)),
    ("a tied head", |t| t.spec.head = OutputHead::Tied),
    ("no positions", |t| t.spec.position = Position::None),
    ("sines", |t| t.spec.position = Position::Sinusoidal),
    ("unscaled sines", |t| {
        t.spec.position = Position::SinusoidalUnscaled;
    }),
    ("rotary", |t| t.spec.position = Position::Rotary),
    ("no norm of embeddings", |t| {
        t.spec.norms.embedding = Norm::None;
    }),
    ("no norm in blocks", |t| t.spec.norms.block = Norm::None),
    ("a last norm", |t| t.spec.norms.last = Norm::RmsNormNoGain),
    ("norms after", |t| t.spec.wiring.norm = NormPlace::After),
    ("no residual", |t| t.spec.wiring.residual = Residual::None),
    ("parallel", |t| {
        t.spec.wiring.order = SublayerOrder::Parallel;
    }),
    ("dropout", |t| t.spec.dropout = 0.01),
    ("two heads", |t| {
        t.attentions(|a| (a.heads, a.kv_heads) = (2, 2));
    }),
    ("no mask", |t| t.attentions(|a| a.mask = Mask::Full)),
    ("unscaled", |t| t.attentions(|a| a.scale = Scale::One)),
    ("QK-norm", |t| {
        t.attentions(|a| a.qk_norm = QkNorm::RmsNorm);
    }),
    ("softcap", |t| t.attentions(|a| a.softcap = Some(5.0))),
    ("no MLP", |t| t.spec.layers[0].truncate(1)),
    ("MLP first", |t| t.spec.layers[0].reverse()),
];

const OTHER_BEGINNINGS: &[Fault] = &[
    ("another seed", |t| {
        let other = Ancestor { seed: 43, ..NAMES };
        t.tensors = Trial::new(&other).tensors;
    }),
    ("a wider init", |t| {
        let all = t.tensors.values_mut().flatten();
        all.for_each(|w| *w *= 1.001);
    }),
    ("keys for queries", |t| {
        t.tensor("blocks.0.attn.c_attn.weight")[..512].rotate_left(256);
    }),
    ("columns for rows", |t| {
        let matrix = t.tensor("blocks.0.attn.c_proj.weight");
        *matrix = (0..256).map(|i| matrix[i % 16 * 16 + i / 16]).collect();
    }),
    ("head for embedding", |t| {
        let embedding = std::mem::take(t.tensor("tok_emb.weight"));
        let head = std::mem::replace(t.tensor("lm_head.weight"), embedding);
        *t.tensor("tok_emb.weight") = head;
    }),
];

const OTHER_TRAINING: &[Fault] = &[
    ("documents from the second on", |t| t.docs.rotate_left(1)),
    ("documents without an end", |t| {
        t.docs.iter_mut().for_each(|doc| _ = doc.pop());
    }),
    ("a shorter context", |t| {
        t.docs.iter_mut().for_each(|doc| doc.truncate(5));
    }),
    ("beta1", |t| t.hyper.beta1 = 0.9),
    ("beta2", |t| t.hyper.beta2 = 0.95),
    ("epsilon", |t| t.hyper.eps = 1e-5),
    ("weight decay", |t| t.hyper.weight_decay = 0.01),
    ("clipping", |t| t.hyper.grad_clip = Some(1.0)),
    ("a learning rate that falls to 0 later", |t| t.steps = 2000),
];

/// The tests above would fail for each of these.
#[test]
#[expect(
    clippy::print_stderr,
    reason = "a test's worst case is for people to read"
)]
fn every_difference_from_the_ancestor_is_detected() {
    let printed = Printed::of(NAMES.golden).losses;
    let allowed = Nearness::Single.allowed();
    for (name, fault) in [OTHER_MODELS, OTHER_BEGINNINGS, OTHER_TRAINING].concat() {
        let mut trial = Trial::new(&NAMES);
        fault(&mut trial);
        let losses = trial.losses(f64_engine, 30);
        let (step, distance) = farthest(&losses, &printed);
        eprintln!("{name}: step {step} is {distance:.1e} from the print");
        assert!(distance > allowed, "{name} goes unnoticed");
    }
}
