//! Probes against models that are what a probe pretends: fewer layers, other weights, the f64 oracle.

#[path = "../../engine/tests/common/mod.rs"]
mod common;

use common::{
    batches, engines,
    specs::{self, Case, Grid},
};
use gptlab_data::{Tokenizer, TokenizerKind};
use gptlab_engine::{Engine, cpu::Options};
use gptlab_lab::probe::{Columns, Instead, ProbeError, Prompt, Subject};
use gptlab_model::{
    Activation, Batch, Graph, Mlp, MlpForm, ModelSpec, Norm, NormPlace, Order, Residual, Sublayer,
    lower,
};

/// As many characters as the grid's vocabulary has tokens.
const ALPHABET: &str = "abcdefg";

fn tokenizer() -> Tokenizer {
    Tokenizer::fit(TokenizerKind::Chars, ALPHABET).expect("characters")
}

fn subject(case: &Case, weights: &[f32]) -> Subject {
    let options = Options::of_threads(1);
    Subject::new(&case.model, &tokenizer(), weights, options).expect("a model to probe")
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

/// The weights of `from` for a graph that has some of its parameters.
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

/// The lens after block `l` is the model of the first `l` blocks; after the last, the model.
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
        // A full mask lets a token see the end of the prompt, which the oracle's batch leaves out.
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
        }
    }
    worst(
        "shares against logits, relative to their sizes",
        error,
        1e-5,
    );
}

/// Where nothing comes after the last attention, not even a norm, a head's share is what its ablation takes away.
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

/// Zeroes what reads a head of a block: the projection's columns.
fn cut_head(graph: &Graph, weights: &mut [f32], block: usize, head: usize) {
    let name = format!("blocks.{block}.attn.c_proj.weight");
    let param = graph.params().find(&name).expect("a projection");
    let width = param.shape[1];
    for row in weights[param.range()].chunks_mut(width) {
        row[head * width / 2..(head + 1) * width / 2].fill(0.0);
    }
}

/// A sublayer's output replaced by a constant: its projection's weight zero, its bias the constant.
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

/// Every ablation of the base against a model with other weights.
#[test]
fn ablations_are_models_with_other_weights() {
    let case = case(&specs::base());
    let weights = batches::weights(&case.graph, 2);
    let mut probed = subject(&case, &weights);
    let batch = text_batch(&probed);
    let found = probed.ablations(&batch);
    let mut engine = engines::oracle(case.graph.clone(), &weights);
    let loss = engine.evaluate(&batch);
    let mut error = (found.loss - loss).abs();
    let names: Vec<&str> = found.parts.iter().map(|p| p.part.as_str()).collect();
    let of_block = |b: usize| {
        let parts = ["attn", "attn.head0", "attn.head1", "mlp"];
        parts.map(|part| format!("block{b}.{part}"))
    };
    assert_eq!(names, [of_block(0), of_block(1)].concat());
    for part in &found.parts {
        let loss_of =
            |weights: &[f32]| engines::oracle(case.graph.clone(), weights).evaluate(&batch) - loss;
        if let Some(head) = part.head {
            let mut cut = weights.clone();
            cut_head(&case.graph, &mut cut, part.block, head);
            error = error.max((part.zero_ablation - loss_of(&cut)).abs());
            let mix = engine.value(&batch, &format!("block{}.attn.mix", part.block));
            let mut mix = mix.expect("a node");
            mean_over_rows(&mut mix.values, 8);
            let mean = &mix.values[head * 4..][..4];
            add_to_bias(&case.graph, &mut cut, &weights, part.block, head, mean);
            error = error.max((part.mean_ablation - loss_of(&cut)).abs());
        } else {
            let (_, kind) = part.part.split_once('.').expect("a block and a part");
            let sublayer = format!("{}.{kind}", part.block);
            let mut cut = weights.clone();
            constant(&case.graph, &mut cut, &sublayer, &[0.0]);
            error = error.max((part.zero_ablation - loss_of(&cut)).abs());
            let out = engine.value(&batch, &format!("{}.out", part.part));
            let mut out = out.expect("a node").values;
            mean_over_rows(&mut out, 8);
            constant(&case.graph, &mut cut, &sublayer, &out[..8]);
            error = error.max((part.mean_ablation - loss_of(&cut)).abs());
        }
    }
    worst("ablations against other weights in the oracle", error, 1e-5);
}

/// Leaves the mean of all rows in the first.
fn mean_over_rows(values: &mut [f32], cols: usize) {
    let rows = values.len() / cols;
    for c in 0..cols {
        let sum: f64 = (0..rows).map(|r| f64::from(values[r * cols + c])).sum();
        values[c] = (sum / rows as f64) as f32;
    }
}

/// Adds to the projection's bias what a constant output of a head writes.
fn add_to_bias(
    graph: &Graph,
    cut: &mut [f32],
    weights: &[f32],
    block: usize,
    head: usize,
    mean: &[f32],
) {
    let param = |what: &str| {
        let name = format!("blocks.{block}.attn.c_proj.{what}");
        graph.params().find(&name).expect("a projection").range()
    };
    let rows = weights[param("weight")].chunks(8);
    for (bias, row) in cut[param("bias")].iter_mut().zip(rows) {
        let pairs = row[head * 4..][..4].iter().zip(mean);
        let sum: f64 = pairs.map(|(w, m)| f64::from(*w) * f64::from(*m)).sum();
        *bias += sum as f32;
    }
}

fn is_attention(sublayer: &Sublayer) -> bool {
    match sublayer {
        Sublayer::Attention(_) => true,
        Sublayer::Mlp(_) => false,
    }
}

fn adds_after_norms(spec: &ModelSpec) -> bool {
    let residual = match spec.wiring.residual {
        Residual::Add => true,
        Residual::None => false,
    };
    let before = match (spec.wiring.norm, spec.wiring.order) {
        (NormPlace::Before, Order::Sequential | Order::Parallel) => true,
        (NormPlace::After, Order::Sequential | Order::Parallel) => false,
    };
    residual && before
}

/// Without all attentions, or all MLPs, a model is the one whose spec has none, bias or no bias.
#[test]
fn ablating_all_of_a_kind_is_a_spec_without_it() {
    let (mut error, mut compared) = (0.0f64, 0);
    for whole in cases().filter(|case| adds_after_norms(case.model.spec())) {
        let weights = batches::weights(&whole.graph, 2);
        let mut probed = subject(&whole, &weights);
        let batch = text_batch(&probed);
        let trace = probed.trace_batch(&batch);
        let all = |node| Columns {
            node,
            columns: 0..whole.graph.node(node).width,
        };
        let anatomy = probed.anatomy().clone();
        let attentions: Vec<Columns> = anatomy.attentions.iter().map(|a| all(a.out)).collect();
        let mlps: Vec<Columns> = anatomy.mlps.iter().map(|m| all(m.out)).collect();
        for (parts, keep_attention) in [(attentions, false), (mlps, true)] {
            let mut spec = whole.model.spec().clone();
            for layer in &mut spec.layers {
                layer.retain(|s| is_attention(s) == keep_attention);
            }
            let rest = case(&spec);
            let rest_weights = weights_for(&rest.graph, &whole.graph, &weights);
            let mut oracle = engines::oracle(rest.graph.clone(), &rest_weights);
            let found = probed.loss_without(&batch, &trace, &parts, Instead::Zero);
            let expected = oracle.evaluate(&batch);
            error = error.max((found - expected).abs() / expected.max(1.0));
            compared += parts.len();
        }
    }
    assert!(compared > 200, "{compared}");
    worst("models without a kind of sublayer, relative", error, 1e-4);
}

/// Every head at once, where projections have no bias, is no attention at all.
#[test]
fn ablating_every_head_is_a_model_without_attention() {
    let mut spec = specs::base();
    spec.bias = gptlab_model::Bias::Nowhere;
    let whole = case(&spec);
    let mut probed = of(&whole);
    let batch = text_batch(&probed);
    let trace = probed.trace_batch(&batch);
    let anatomy = probed.anatomy().clone();
    let of_part = |part| (0..2).map(move |head| (part, head));
    let heads = anatomy.attentions.iter().flat_map(of_part);
    let heads: Vec<Columns> = heads
        .map(|(part, head)| probed.head_columns(part, head))
        .collect();
    for layer in &mut spec.layers {
        layer.retain(|s| !is_attention(s));
    }
    let rest = case(&spec);
    let weights = batches::weights(&whole.graph, 2);
    let rest_weights = weights_for(&rest.graph, &whole.graph, &weights);
    let expected = engines::oracle(lower(&rest.model), &rest_weights).evaluate(&batch);
    let found = probed.loss_without(&batch, &trace, &heads, Instead::Zero);
    worst("a model without its heads", (found - expected).abs(), 1e-5);
}

/// Head scores from the oracle's queries and keys, softmax and all by plain loops; and where nothing is preferred.
#[test]
fn head_scores_are_means_of_the_weights_they_name() {
    let case = case(&specs::base());
    let length = 3; // half a context
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
    }
}

fn scores_by_hand(case: &Case, weights: &[f32], part: &str, head: usize) -> [f64; 3] {
    let mut oracle = engines::oracle(case.graph.clone(), weights);
    let mut sums = [0.0; 3];
    for nth in 0..8 {
        let tokens = repeated_by_hand(5, nth);
        let batch = Batch::new(&case.model, [(&tokens[..], &tokens[..])]).expect("a batch");
        let qkv = oracle
            .value(&batch, &format!("{part}.qkv"))
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

/// Three different tokens twice: the first three of a shuffle.
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

/// Against the oracle's values and plain loops, with dropout in the graph and units that can die.
#[test]
fn the_flow_is_measured_where_it_passes() {
    let mut spec = specs::base();
    spec.dropout = 0.2;
    let dying = Mlp {
        hidden: 11,
        form: MlpForm::Plain(Activation::Relu),
    };
    spec.layers
        .iter_mut()
        .for_each(|layer| layer[1] = Sublayer::Mlp(dying));
    let case = case(&spec);
    let weights = batches::weights(&case.graph, 2);
    let mut probed = subject(&case, &weights);
    let prompt = prompt(&probed);
    let trace = probed.trace(&prompt);
    let found = probed.flow(&trace);
    let tokens = &prompt.tokens;
    let batch = Batch::new(&case.model, [(&tokens[..], &tokens[..])]).expect("a batch");
    let mut oracle = engines::oracle(case.graph.clone(), &weights);
    let mut value = |name: &str| oracle.value(&batch, name).expect("a node").values;
    let size = |values: &[f32]| {
        let squares = values.iter().map(|x| f64::from(*x).powi(2));
        (squares.sum::<f64>() / values.len() as f64).sqrt()
    };
    let mut error = 0.0f64;
    let mut near = |found: f64, expected: f64| error = error.max((found - expected).abs());
    let stages = ["embed.drop", "block0.mlp.residual", "block1.mlp.residual"];
    for (stage, name) in found.stream.iter().zip(stages) {
        near(stage.activation_rms, size(&value(name)));
    }
    let writes = [
        ("block0.attn", "embed.drop"),
        ("block1.attn", "block0.mlp.residual"),
        ("block0.mlp", "block0.attn.residual"),
        ("block1.mlp", "block1.attn.residual"),
    ];
    assert_eq!(found.parts.len(), 4);
    for (part, (name, stream)) in found.parts.iter().zip(writes) {
        assert_eq!(part.part, name);
        let ratio = size(&value(&format!("{name}.out"))) / size(&value(stream));
        near(part.write_ratio.expect("a residual"), ratio);
    }
    for part in &found.parts[2..] {
        let units = value(&format!("{}.act", part.part));
        let dead = (0..11)
            .filter(|c| (0..6).all(|t| units[t * 11 + c] == 0.0))
            .count();
        near(part.dead_share.expect("units"), dead as f64 / 11.0);
    }
    let logits = value("logits");
    let log_z = |row: &[f32]| row.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln();
    near(found.log_z, logits.chunks(7).map(log_z).sum::<f64>() / 6.0);
    worst("activations against the oracle", error, 1e-5);
    let mut spec = specs::base();
    spec.wiring.residual = Residual::None;
    let mut probed = of(&self::case(&spec));
    let trace = probed.trace(&prompt);
    assert!(
        probed
            .flow(&trace)
            .parts
            .iter()
            .all(|part| part.write_ratio.is_none())
    );
}

/// What must come back whatever the weights are.
#[test]
fn patching_recovers_what_it_must() {
    for case in cases() {
        let mut probed = of(&case);
        let [clean, corrupted] = ["cabdef", "cagdef"].map(|text| {
            let prompt = probed.prompt("prompt", text);
            prompt.expect("a prompt that fits")
        });
        let found = match probed.patching(&clean, &corrupted, [0, 5]) {
            // Without attention the last position cannot see what differs.
            Err(ProbeError::NoDifference) => {
                let mixes = probed.anatomy().attentions.len();
                assert!(mixes == 0 || case.name.contains("random"), "{}", case.name);
                continue;
            }
            found => found.expect("prompts of one length"),
        };
        let stream = &found.stream;
        let first = &stream[0].recovery;
        for (t, recovery) in first.iter().enumerate() {
            // Where the tokens are the same there is nothing to put in.
            let expected = f64::from(u8::from(t == 2));
            assert_eq!(*recovery, expected, "{} at {t}", case.name);
        }
        let last = &stream[stream.len() - 1].recovery;
        assert_eq!(last[..5], [0.0; 5], "{}", case.name);
        assert_eq!(last[5], 1.0, "{}", case.name);
    }
}

/// Where nothing comes after the last attention, a head recovers its share of the difference.
#[test]
fn a_patched_head_recovers_its_share_of_the_difference() {
    let mut spec = specs::base();
    spec.norms.last = Norm::None;
    spec.layers.iter_mut().for_each(|layer| layer.truncate(1));
    let whole = case(&spec);
    let mut probed = of(&whole);
    // The same last token, so that all of the difference comes by attention.
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
    // A head's own share: what its mix adds to the difference through the projection and the head.
    let lead = |probed: &mut Subject, prompt: &Prompt, head: usize| {
        let trace = probed.trace(prompt);
        let mix = trace.value("block1.attn.mix").expect("a node");
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
    // What the last block's heads bring, and what was in the stream before them at the last position.
    let embedded =
        of_last.iter().sum::<f64>() + last_position_share(&mut probed, &clean, &corrupted);
    worst(
        "heads' shares of the difference",
        (embedded - 1.0).abs(),
        1e-4,
    );
}

/// What the stream before the last block at the last position has of the difference, by the lens.
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

#[test]
fn what_cannot_be_probed_is_a_sentence() {
    let mut probed = of(&case(&specs::base()));
    let said = |e: ProbeError| e.to_string();
    let long = probed.prompt("prompt", "abcdefg").map_err(said);
    assert_eq!(
        long,
        Err("the prompt has 7 tokens and the model's context holds 6; shorten it".into())
    );
    let unknown = probed.prompt("prompt", "xyz").map_err(said);
    assert!(unknown.is_err_and(|e| e.starts_with("the tokenizer knows 7 characters and not")));
    let [a, b] = ["ab", "abc"].map(|text| probed.prompt("prompt", text).expect("a prompt"));
    let unequal = probed.patching(&a, &b, [0, 1]).map_err(said);
    assert!(
        unequal.is_err_and(|e| e.starts_with("the prompt has 2 tokens and the corrupted one 3"))
    );
    let same = probed.patching(&a, &a, [0, 1]);
    assert_eq!(same, Err(ProbeError::NoDifference));
    for text in ["a", "abc", "aa", ""] {
        assert_eq!(probed.answers(text), Err(ProbeError::Answers(text.into())));
    }
    assert_eq!(probed.answers("ba"), Ok([1, 0]));
    assert_eq!(probed.windows(&[1], 5), Err(ProbeError::TooShort("text")));
}
