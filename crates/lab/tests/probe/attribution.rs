//! Tests of the contribution of each part to a logit.

use gptlab_model::Norm;

use crate::{
    case, cases,
    common::{batches, specs},
    cut_head, of, prompt, subject, worst,
};

#[test]
fn shares_sum_to_the_logit_in_every_wiring() {
    let mut error = 0.0f64;
    for case in cases() {
        let mut probed = of(&case);
        let prompt = prompt(&probed);
        let trace = probed.trace(&prompt);
        let found = probed.attribution(&prompt, &trace);
        assert_eq!(found.targets[..5], ["a", "b", "d", "e", "f"]);
        for (t, logit) in found.logits.iter().enumerate() {
            let shares = found.parts.iter().map(|p| p.logit_attribution[t]);
            let size: f64 = 1.0 + shares.clone().map(f64::abs).sum::<f64>();
            error = error.max((shares.sum::<f64>() - logit).abs() / size);
            // Logits by themselves, less their mean.
            let row = &trace.logits().values[t * specs::VOCAB..][..specs::VOCAB];
            let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / specs::VOCAB as f64;
            let centred = found.parts.iter().map(|p| p.centred_attribution[t]);
            error = error.max((centred.sum::<f64>() - (logit - mean)).abs() / size);
            assert!((found.centred_logits[t] - (logit - mean)).abs() < 1e-9);
        }
    }
    worst(
        "shares against logits, relative to their sizes",
        error,
        1e-5,
    );
}

/// If nothing follows the last attention, not even a norm, a head's share is the logit's loss under
/// its ablation.
#[test]
fn a_heads_share_is_what_the_logit_loses_without_it() {
    let mut spec = specs::base();
    spec.norms.last = Norm::None;
    spec.layers.iter_mut().for_each(|layer| layer.truncate(1));
    let case = case(&spec);
    let weights = batches::weights(&case.graph, 2);
    let mut whole = subject(&case, &weights);
    let prompt = prompt(&whole);
    let trace = whole.trace(&prompt);
    let found = whole.attribution(&prompt, &trace);
    let mut error = 0.0f64;
    for head in 0..2 {
        let share = found
            .parts
            .iter()
            .find(|p| p.part == format!("block1.attn.head{head}"));
        let share = &share.expect("a share of each head").logit_attribution;
        let mut cut = weights.clone();
        cut_head(&case.graph, &mut cut, 1, head);
        let cut = subject(&case, &cut).trace(&prompt);
        for (t, share) in share.iter().enumerate().take(5) {
            let at = t * specs::VOCAB + prompt.tokens[t + 1] as usize;
            let [with, without] = [&trace, &cut].map(|t| f64::from(t.logits().values[at]));
            error = error.max((with - without - share).abs());
        }
    }
    let names: Vec<&str> = found.parts.iter().map(|p| p.part.as_str()).collect();
    let heads = ["head0", "head1", "bias"];
    let of_block = |b: usize| heads.map(|h| format!("block{b}.attn.{h}"));
    let expected = ["tok_emb", "pos_emb"].map(str::to_owned).into_iter();
    let expected: Vec<String> = expected.chain(of_block(0)).chain(of_block(1)).collect();
    assert_eq!(names, expected);
    worst("a head's share against its ablation", error, 1e-5);
}
