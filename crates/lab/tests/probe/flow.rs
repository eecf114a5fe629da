//! Tests of the activations of the stream and the MLPs.

use gptlab_model::{Activation, Batch, Mlp, MlpForm, Residual, Sublayer};

use crate::{
    case,
    common::{batches, engines, specs},
    of, prompt, subject, worst,
};

/// The activations are compared with the oracle's values and plain loops, with dropout in the graph
/// and units that can die.
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
    let mut value = |name: &str| {
        crate::value(&mut oracle, &batch, name)
            .expect("a node")
            .values
    };
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
