//! Decoding against the oracle: at every token, inside the context and past it, the generator's logits
//! are those of the last window run as a whole.

mod common;

use common::{
    batches, engines,
    specs::Grid,
    tolerance::{Gate, Tolerance},
};
use gptlab_engine::{
    Engine,
    cpu::{Generator, PromptError},
    sample::Sampling,
};
use gptlab_model::{Batch, Model};

/// What the oracle says follows the last `block_size` of `tokens`.
fn expected(oracle: &mut dyn Engine, model: &Model, tokens: &[u32]) -> Vec<f64> {
    let window = &tokens[tokens.len().saturating_sub(model.spec().block_size)..];
    let batch = Batch::new(model, [(window, window)]).expect("tokens of the vocabulary");
    let logits = oracle
        .value(&batch, "logits")
        .expect("a node of every graph");
    wide(&logits.values[logits.values.len() - logits.cols..])
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

fn follow(gate: &mut Gate, prompt_len: usize) {
    let sampling = Sampling::new(1.0, None, None).expect("plain sampling");
    for case in Grid::alone().cases {
        let weights = batches::weights(&case.graph, 1);
        let mut oracle = engines::oracle(case.graph.clone(), &weights);
        let mut generator = Generator::new(case.graph.clone(), &weights).expect("all weights");
        let block_size = case.model.spec().block_size;
        let mut tokens: Vec<u32> = (0..prompt_len as u32).map(|t| t % 3).collect();
        generator.begin(&tokens).expect("tokens of the vocabulary");
        while tokens.len() < block_size + 3 {
            let wanted = expected(&mut oracle, &case.model, &tokens);
            let what = || format!("{} tokens of {}", tokens.len(), case.name);
            gate.compare(what, &wide(generator.logits()), &wanted);
            let token = generator
                .next_token(&sampling, 0.37)
                .expect("finite logits");
            tokens.push(token);
        }
    }
}

#[test]
fn every_token_follows_as_if_the_window_were_run_whole() {
    let mut gate = Gate::new(Tolerance::F32);
    // From one token, and from a prompt that already fills the context.
    follow(&mut gate, 1);
    follow(&mut gate, 9);
    gate.finish("decoding");
}

#[test]
fn a_generator_that_cached_the_wrong_token_is_noticed() {
    let case = Grid::alone().cases.swap_remove(0);
    let weights = batches::weights(&case.graph, 1);
    let mut oracle = engines::oracle(case.graph.clone(), &weights);
    let mut generator = Generator::new(case.graph.clone(), &weights).expect("all weights");
    generator
        .begin(&[0, 1, 2])
        .expect("tokens of the vocabulary");
    let mut gate = Gate::new(Tolerance::F32);
    let wanted = expected(&mut oracle, &case.model, &[1, 0, 2]);
    gate.compare(
        || "another prefix".into(),
        &wide(generator.logits()),
        &wanted,
    );
    assert!(!gate.passes());
}

#[test]
fn beginning_anew_forgets_what_was_before() {
    let case = Grid::alone().cases.swap_remove(0);
    let weights = batches::weights(&case.graph, 1);
    let mut generator = Generator::new(case.graph.clone(), &weights).expect("all weights");
    generator
        .begin(&[0, 1, 2])
        .expect("tokens of the vocabulary");
    let first = generator.logits().to_vec();
    generator.begin(&[2, 2]).expect("tokens of the vocabulary");
    assert_ne!(generator.logits(), first);
    generator
        .begin(&[0, 1, 2])
        .expect("tokens of the vocabulary");
    assert_eq!(generator.logits(), first);
}

#[test]
fn prompts_that_cannot_be_are_refused() {
    let case = Grid::alone().cases.swap_remove(0);
    let vocab = case.model.vocab_size();
    let weights = batches::weights(&case.graph, 1);
    let mut generator = Generator::new(case.graph.clone(), &weights).expect("all weights");
    let sampling = Sampling::new(1.0, None, None).expect("plain sampling");
    assert_eq!(generator.next_token(&sampling, 0.5), None);
    assert_eq!(generator.begin(&[]), Err(PromptError::Empty));
    let unknown = vocab as u32;
    assert_eq!(
        generator.begin(&[0, unknown]),
        Err(PromptError::Unknown(unknown, vocab))
    );
    assert!(Generator::new(case.graph.clone(), &weights[1..]).is_err());
}
