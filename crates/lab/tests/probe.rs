//! Tests of probes against models that have the property that a probe simulates: fewer layers,
//! other weights, the f64 oracle.

#[path = "probe/ablation.rs"]
mod ablation;
#[path = "probe/attribution.rs"]
mod attribution;
#[path = "probe/backends.rs"]
mod backends;
#[path = "../../engine/tests/common/mod.rs"]
mod common;
#[path = "probe/flow.rs"]
mod flow;
#[path = "probe/heads.rs"]
mod heads;
#[path = "probe/lens.rs"]
mod lens;
#[path = "probe/patching.rs"]
mod patching;
#[path = "probe/refusals.rs"]
mod refusals;

use common::{
    batches,
    specs::{self, Case, Grid},
};
use gptlab_data::Tokenizer;
use gptlab_engine::{Device, Engine, Matrix, untouched};
use gptlab_lab::probe::{Prompt, Subject};
use gptlab_model::{Batch, Graph, ModelSpec};
use gptlab_recipe::TokenizerKind;
use gptlab_train::TrainedModel;

/// The alphabet has as many characters as the grid's vocabulary has tokens.
const ALPHABET: &str = "abcdefg";

fn tokenizer() -> Tokenizer {
    Tokenizer::fit(TokenizerKind::Chars, ALPHABET).expect("characters")
}

fn subject(case: &Case, weights: &[f32]) -> Subject {
    subject_on(&Device::cpu(1), case, weights)
}

fn subject_on(device: &Device, case: &Case, weights: &[f32]) -> Subject {
    let trained = TrainedModel::new(case.model.clone(), tokenizer(), weights.to_vec());
    Subject::new(&trained.expect("all weights"), device).expect("a model to probe")
}

/// Returns the value of the node called `name` on `batch`.
fn value(engine: &mut dyn Engine, batch: &Batch, name: &str) -> Option<Matrix> {
    let id = engine.graph().find(name)?;
    Some(engine.trace(batch, &mut untouched).of(id).clone())
}

fn of(case: &Case) -> Subject {
    subject(case, &batches::weights(&case.graph, 2))
}

fn case(spec: &ModelSpec) -> Case {
    Case::new("", spec, specs::VOCAB).expect("a spec that makes sense")
}

fn cases() -> impl Iterator<Item = Case> {
    [Grid::alone(), Grid::random(60)]
        .into_iter()
        .flat_map(|grid| grid.cases)
}

fn prompt(subject: &Subject) -> Prompt {
    subject
        .prompt("prompt", "cabdef")
        .expect("a prompt that fits")
}

/// Returns the weights of `from` for a graph that has some of its parameters.
fn weights_for(graph: &Graph, from: &Graph, weights: &[f32]) -> Vec<f32> {
    let part = |name: &str| {
        let param = from.params().find(name).expect("a parameter of the larger");
        weights[param.range()].to_vec()
    };
    graph.params().iter().flat_map(|p| part(&p.name)).collect()
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

#[expect(
    clippy::print_stderr,
    reason = "a test's worst case is for people to read"
)]
fn worst(what: &str, worst: f64, allowed: f64) {
    eprintln!("{what}: the worst error is {worst:.2e}, allowed {allowed:.2e}");
    assert!(worst < allowed, "{what}: {worst}");
}

/// Zeroes the columns of the block's projection that read `head`.
fn cut_head(graph: &Graph, weights: &mut [f32], block: usize, head: usize) {
    let name = format!("blocks.{block}.attn.c_proj.weight");
    let param = graph.params().find(&name).expect("a projection");
    let width = param.shape[1];
    for row in weights[param.range()].chunks_mut(width) {
        row[head * width / 2..(head + 1) * width / 2].fill(0.0);
    }
}

/// Replaces a sublayer's output by a constant: its projection's weight becomes zero, and its bias
/// the constant.
fn constant(graph: &Graph, weights: &mut [f32], sublayer: &str, output: &[f32]) {
    let mut fill = |what: &str, values: &[f32]| {
        let name = format!("blocks.{sublayer}.c_proj.{what}");
        let param = graph.params().find(&name).expect("a projection");
        let values = values.iter().cycle();
        let pairs = weights[param.range()].iter_mut().zip(values);
        pairs.for_each(|(w, v)| *w = *v);
    };
    fill("weight", &[0.0]);
    fill("bias", output);
}

fn text_batch(probed: &Subject) -> Batch {
    let tokens: Vec<u32> = (0..40)
        .map(|i| (i * i + i / 3) % specs::VOCAB as u32)
        .collect();
    probed.windows(&tokens, 30).expect("windows of the text")
}
