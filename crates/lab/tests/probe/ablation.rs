//! Tests of the ablations of heads and sublayers.

use gptlab_engine::Engine;
use gptlab_lab::probe::{Columns, Instead};
use gptlab_model::{Graph, ModelSpec, NormPlace, Residual, Sublayer, SublayerOrder, lower};

use crate::{
    case, cases,
    common::{batches, engines, specs},
    constant, cut_head, of, subject, text_batch, value, weights_for, worst,
};

/// Every ablation of the base is compared with a model with other weights.
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
            let mix = value(
                &mut engine,
                &batch,
                &format!("block{}.attn.mix", part.block),
            );
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
            let out = value(&mut engine, &batch, &format!("{}.out", part.part));
            let mut out = out.expect("a node").values;
            mean_over_rows(&mut out, 8);
            constant(&case.graph, &mut cut, &sublayer, &out[..8]);
            error = error.max((part.mean_ablation - loss_of(&cut)).abs());
        }
    }
    worst("ablations against other weights in the oracle", error, 1e-5);
}

/// Replaces the first row by the mean of all rows.
fn mean_over_rows(values: &mut [f32], cols: usize) {
    let rows = values.len() / cols;
    for c in 0..cols {
        let sum: f64 = (0..rows).map(|r| f64::from(values[r * cols + c])).sum();
        values[c] = (sum / rows as f64) as f32;
    }
}

/// Adds the projection of a head's constant output to the projection's bias.
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
        (NormPlace::Before, SublayerOrder::Sequential | SublayerOrder::Parallel) => true,
        (NormPlace::After, SublayerOrder::Sequential | SublayerOrder::Parallel) => false,
    };
    residual && before
}

/// A model with all its attentions, or all its MLPs, ablated equals the model whose spec has none,
/// with or without biases.
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

/// If projections have no bias, ablating every head at once equals a model without attention.
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
