//! Tests of activation patching.

use gptlab_lab::probe::{ProbeError, Prompt, Subject};
use gptlab_model::Norm;

use crate::{
    case, cases,
    common::{batches, specs},
    of, worst,
};

/// These recoveries hold whatever the weights are.
#[test]
fn patching_recovers_what_it_must() {
    for case in cases() {
        let mut probed = of(&case);
        let [clean, corrupted] = ["cabdef", "cagdef"].map(|text| {
            let prompt = probed.prompt("prompt", text);
            prompt.expect("a prompt that fits")
        });
        let found = match probed.patching(&clean, &corrupted, [0, 5]) {
            // Without attention, or with narrow windows, the last position cannot see what differs.
            Err(ProbeError::NoDifference { .. }) => {
                let attentions = probed.anatomy().attentions.iter();
                let back = attentions.map(|a| 5 - a.op.mask.keys(5, 6).start);
                let reach: usize = back.sum();
                assert!(reach < 3 || case.name.contains("random"), "{}", case.name);
                continue;
            }
            found => found.expect("prompts of one length"),
        };
        let stream = &found.stream;
        let first = &stream[0].recovery;
        for (t, recovery) in first.iter().enumerate() {
            // Where the tokens are equal, the embeddings are too, and patching changes nothing.
            let expected = f64::from(u8::from(t == 2));
            assert_eq!(*recovery, expected, "{} at {t}", case.name);
        }
        let last = &stream[stream.len() - 1].recovery;
        assert_eq!(last[..5], [0.0; 5], "{}", case.name);
        assert_eq!(last[5], 1.0, "{}", case.name);
    }
}

/// If nothing follows the last attention, a head recovers its share of the difference.
#[test]
fn a_patched_head_recovers_its_share_of_the_difference() {
    let mut spec = specs::base();
    spec.norms.last = Norm::None;
    spec.layers.iter_mut().for_each(|layer| layer.truncate(1));
    let whole = case(&spec);
    let mut probed = of(&whole);
    // The last tokens are equal, so that the whole difference comes through attention.
    let [clean, corrupted] = ["cabdea", "cgbdea"].map(|text| {
        let prompt = probed.prompt("prompt", text);
        prompt.expect("a prompt that fits")
    });
    let found = probed
        .patching(&clean, &corrupted, [1, 3])
        .expect("a difference");
    let of_last: Vec<f64> = found
        .heads
        .iter()
        .filter(|h| h.block == 1)
        .map(|h| h.recovery)
        .collect();
    assert_eq!(of_last.len(), 2);
    // A head's share is what its output adds to the difference through the projection and the head.
    let lead = |probed: &mut Subject, prompt: &Prompt, head: usize| {
        let trace = probed.trace(prompt);
        let mix = whole.graph.find("block1.attn.mix").expect("a node");
        let mix = trace.of(mix);
        let mix = &mix.values[5 * 8 + head * 4..][..4];
        let weights = batches::weights(&whole.graph, 2);
        let param = |name: &str| {
            let param = whole.graph.params().find(name);
            &weights[param.expect("a parameter").range()]
        };
        let (embedding, projection) = (
            param("tok_emb.weight"),
            param("blocks.1.attn.c_proj.weight"),
        );
        let written = |c: usize| {
            let row = &projection[c * 8 + head * 4..][..4];
            let pairs = row.iter().zip(mix);
            pairs
                .map(|(w, m)| f64::from(*w) * f64::from(*m))
                .sum::<f64>()
        };
        let logit = |token: usize| {
            (0..8)
                .map(|c| written(c) * f64::from(embedding[token * 8 + c]))
                .sum::<f64>()
        };
        logit(1) - logit(3)
    };
    let whole_difference = found.clean_difference - found.corrupted_difference;
    for (head, recovery) in of_last.iter().enumerate() {
        let [a, b] = [&clean, &corrupted].map(|prompt| lead(&mut probed, prompt, head));
        let expected = (a - b) / whole_difference;
        worst("a head's recovery", (recovery - expected).abs(), 1e-4);
    }
    // The sum has the contributions of the last block's heads, and of the stream before them at the
    // last position.
    let embedded =
        of_last.iter().sum::<f64>() + last_position_share(&mut probed, &clean, &corrupted);
    worst(
        "heads' shares of the difference",
        (embedded - 1.0).abs(),
        1e-4,
    );
}

/// Returns the share of the difference in the stream before the last block at the last position, by
/// the lens.
fn last_position_share(probed: &mut Subject, clean: &Prompt, corrupted: &Prompt) -> f64 {
    let mut difference = |prompt: &Prompt, stage: usize| {
        let trace = probed.trace(prompt);
        let value = probed.anatomy().stream[stage].value;
        let logits = probed.logits_of_stream(prompt, &trace, value);
        let last = &logits[5 * specs::VOCAB..];
        f64::from(last[1]) - f64::from(last[3])
    };
    let [of_clean, of_corrupted] = [clean, corrupted].map(|p| [difference(p, 1), difference(p, 2)]);
    (of_clean[0] - of_corrupted[0]) / (of_clean[1] - of_corrupted[1])
}
