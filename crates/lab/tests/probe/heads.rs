//! Tests of attention maps and head scores.

use gptlab_model::Batch;

use crate::{
    case, cases,
    common::{
        batches, engines,
        specs::{self, Case},
    },
    of, prompt, subject, worst,
};

/// Head scores are compared with those from the oracle's queries and keys, whose softmax plain
/// loops compute, and with the scores of uniform attention.
#[test]
fn head_scores_are_means_of_the_weights_they_name() {
    let case = case(&specs::base());
    let length = 3; // This is half a context.
    let mut weights = batches::weights(&case.graph, 2);
    let found = subject(&case, &weights)
        .repeated(5)
        .expect("tokens")
        .expect("scores");
    assert_eq!(
        (found.length, found.heads.len(), found.sequences),
        (length, 4, 8)
    );
    let mut error = 0.0f64;
    for head in &found.heads {
        let by_hand = scores_by_hand(&case, &weights, &head.part, head.head);
        let scores = [head.previous_token, head.duplicate_token, head.induction];
        for (found, expected) in scores.iter().zip(by_hand) {
            error = error.max((found - expected).abs());
        }
    }
    worst("head scores against plain loops", error, 1e-5);
    for block in 0..2 {
        let name = format!("blocks.{block}.attn.c_attn.weight");
        let param = case
            .graph
            .params()
            .find(&name)
            .expect("queries, keys, values");
        weights[param.range()].fill(0.0);
        let name = format!("blocks.{block}.attn.c_attn.bias");
        let param = case.graph.params().find(&name).expect("their biases");
        weights[param.range()].fill(0.0);
    }
    let even = subject(&case, &weights)
        .repeated(5)
        .expect("tokens")
        .expect("scores");
    let mean = |queries: std::ops::Range<usize>| {
        queries.clone().map(|t| 1.0 / (t + 1) as f64).sum::<f64>() / queries.len() as f64
    };
    for head in &even.heads {
        assert!((head.previous_token - mean(1..6)).abs() < 1e-12);
        assert!((head.duplicate_token - mean(3..6)).abs() < 1e-12);
        assert!((head.induction - mean(3..6)).abs() < 1e-12);
        // Every sequence scores the same.
        assert!(head.errors.iter().all(|error| *error < 1e-12));
    }
}

fn scores_by_hand(case: &Case, weights: &[f32], part: &str, head: usize) -> [f64; 3] {
    let mut oracle = engines::oracle(case.graph.clone(), weights);
    let mut sums = [0.0; 3];
    for nth in 0..8 {
        let tokens = repeated_by_hand(5, nth);
        let batch = Batch::new(&case.model, [(&tokens[..], &tokens[..])]).expect("a batch");
        let qkv = crate::value(&mut oracle, &batch, &format!("{part}.qkv"))
            .expect("a node")
            .values;
        let slice = |row: usize, nth: usize| &qkv[row * 24 + nth * 4..][..4];
        let score = |q: usize, k: usize| {
            let pairs = slice(q, head).iter().zip(slice(k, 2 + head));
            (pairs
                .map(|(a, b)| f64::from(*a) * f64::from(*b))
                .sum::<f64>()
                / 2.0)
                .exp()
        };
        let weight = |q: usize, k: usize| score(q, k) / (0..=q).map(|k| score(q, k)).sum::<f64>();
        sums[0] += (1..6).map(|q| weight(q, q - 1)).sum::<f64>() / 5.0;
        sums[1] += (3..6).map(|q| weight(q, q - 3)).sum::<f64>() / 3.0;
        sums[2] += (3..6).map(|q| weight(q, q - 2)).sum::<f64>() / 3.0;
    }
    sums.map(|s| s / 8.0)
}

/// Returns three distinct tokens twice: the first three of a shuffle.
fn repeated_by_hand(seed: u64, nth: u32) -> Vec<u32> {
    let stream = gptlab_model::random::Stream::new(seed, "probe/repeated", nth);
    let mut left: Vec<u32> = (0..7).collect();
    let mut half = Vec::new();
    for i in 0..3 {
        let at = i + stream.below_at(i as u64, 7 - i);
        left.swap(i, at);
        half.push(left[i]);
    }
    half.repeat(2)
}

#[test]
fn attention_maps_are_causal_distributions() {
    for case in cases() {
        let mut probed = of(&case);
        let prompt = prompt(&probed);
        let trace = probed.trace(&prompt);
        let maps = probed.attention(&prompt, &trace);
        let heads: usize = probed.anatomy().attentions.iter().map(|a| a.op.heads).sum();
        assert_eq!(maps.len(), heads, "{}", case.name);
        for map in maps {
            assert_eq!(map.weights.len(), 6);
            for (q, row) in map.weights.iter().enumerate() {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                assert!(!case.model.is_causal() || row[q + 1..].iter().all(|w| *w == 0.0));
            }
        }
    }
}
