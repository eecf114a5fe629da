//! Tests of the logit lens and the surprise of tokens.

use gptlab_engine::Engine;
use gptlab_model::Batch;

use crate::{
    bits, case, cases,
    common::{batches, engines, specs},
    prompt, subject, weights_for, worst,
};

/// The lens after block `l` equals the model of the first `l` blocks, and after the last block the
/// model itself.
#[test]
fn the_lens_is_the_shorter_models_logits_to_the_bit() {
    for whole in cases() {
        let weights = batches::weights(&whole.graph, 2);
        let mut probed = subject(&whole, &weights);
        let prompt = prompt(&probed);
        let trace = probed.trace(&prompt);
        let stages = probed.anatomy().stream.clone();
        for (blocks, stage) in stages.iter().enumerate() {
            let mut spec = whole.model.spec().clone();
            spec.layers.truncate(blocks);
            let short = case(&spec);
            let mut shorter = subject(&short, &weights_for(&short.graph, &whole.graph, &weights));
            let expected = shorter.trace(&prompt);
            let lens = probed.logits_of_stream(&prompt, &trace, stage.value);
            assert_eq!(
                bits(&lens),
                bits(&expected.logits().values),
                "{}",
                whole.name
            );
        }
        let lens = probed.lens(&prompt, &trace, 3);
        let last = lens.last().expect("a layer");
        assert_eq!(lens.len(), stages.len());
        assert_eq!(last.lens_kl, 0.0, "{}", whole.name);
        let losses = trace.losses();
        let mean = losses[..losses.len() - 1].iter().sum::<f64>() / (losses.len() - 1) as f64;
        assert!((last.lens_loss.expect("predictions") - mean).abs() < 1e-5);
    }
}

#[test]
fn surprise_is_the_loss_of_the_oracle() {
    let mut error = 0.0f64;
    for case in cases() {
        let weights = batches::weights(&case.graph, 2);
        let mut probed = subject(&case, &weights);
        let prompt = prompt(&probed);
        let trace = probed.trace(&prompt);
        let found = probed.surprise(&prompt, &trace, specs::VOCAB);
        let tokens = &prompt.tokens;
        let batch = Batch::new(&case.model, [(&tokens[..5], &tokens[1..])]).expect("a batch");
        let full = trace.losses().len();
        assert_eq!((found.len(), found[full - 1].surprise), (6, None));
        // With a full mask, a token sees the end of the prompt, which the oracle's batch leaves
        // out.
        if case.model.is_causal() {
            let expected = engines::oracle(case.graph.clone(), &weights).losses(&batch);
            for (found, expected) in found.iter().zip(&expected) {
                let surprise = found.surprise.expect("a token came");
                error = error.max((surprise - expected).abs() / expected.max(1.0));
            }
        }
        for cell in &found {
            let sum: f64 = cell.top.iter().map(|g| g.probability).sum();
            assert!((sum - 1.0).abs() < 1e-9);
            let entropy = cell.top.iter().map(|g| -g.probability * g.probability.ln());
            assert!((entropy.sum::<f64>() - cell.expected).abs() < 1e-9);
            assert!(cell.top.is_sorted_by(|a, b| a.probability >= b.probability));
            if let (Some(rank), Some(token)) = (cell.rank, &cell.token) {
                assert_eq!(&cell.top[rank - 1].token, token);
            }
        }
    }
    worst("surprise against the oracle, relative", error, 1e-4);
}
