//! The facts of a node, compared with the listing that a person reads.

use std::collections::HashSet;

use gptlab_model::{
    EmbeddingRole, EndRole, Graph, ModelSpec, Node, NormPlace, Place, Preset, Residual, Role,
    SublayerId, SublayerKind, ValueId, lower,
};

fn graph(change: fn(&mut ModelSpec)) -> Graph {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.layers.truncate(1);
    change(&mut spec);
    lower(&spec.check(65).expect("a model"))
}

/// Returns the nodes for which `is` returns values, with the names of these values.
fn named<const N: usize>(
    graph: &Graph,
    is: impl Fn(&Node) -> Option<[ValueId; N]>,
) -> Vec<(&str, [&str; N])> {
    let name = |id| graph.node(id).name.as_str();
    let nodes = graph.nodes().iter();
    nodes
        .filter_map(|node| Some((node.name.as_str(), is(node)?.map(name))))
        .collect()
}

#[test]
fn norms_and_additions_name_their_inputs() {
    let before = graph(|spec| spec.dropout = 0.0);
    let norms = named(&before, |node| Some([node.norm()?.0]));
    let read = [
        ("block0.ln1", ["embed"]),
        ("block0.ln2", ["block0.attn.residual"]),
        ("ln_f", ["block0.mlp.residual"]),
    ];
    assert_eq!(norms, read);
    let additions = named(&before, |node| node.addition().map(|(a, b)| [a, b]));
    let read = [
        ("embed", ["tok_emb", "pos_emb"]),
        ("block0.attn.residual", ["embed", "block0.attn.out"]),
        (
            "block0.mlp.residual",
            ["block0.attn.residual", "block0.mlp.out"],
        ),
    ];
    assert_eq!(additions, read);
}

#[test]
fn no_residual_leaves_the_embedding_as_the_only_addition() {
    let none = graph(|spec| {
        spec.wiring.residual = Residual::None;
        spec.wiring.norm = NormPlace::After;
    });
    let additions = named(&none, |node| node.addition().map(|(a, b)| [a, b]));
    assert_eq!(additions, [("embed", ["tok_emb", "pos_emb"])]);
}

#[test]
fn a_node_knows_its_block() {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.layers = vec![spec.layers[0].clone(); 12];
    let graph = lower(&spec.check(65).expect("a model"));
    let block = |name: &str| graph.node(graph.find(name).expect(name)).block();
    assert_eq!(block("tok_emb"), None);
    assert_eq!(block("block0.attn.mix"), Some(0));
    assert_eq!(block("block11.mlp.act"), Some(11));
    assert_eq!(block("logits"), None);
}

/// The blocks have two sublayers of each kind, and every kind of node is among them.
#[test]
fn a_node_knows_its_sublayer_and_its_role() {
    let mut spec = Preset::Modern.spec();
    (spec.norms.embedding, spec.dropout) = (spec.norms.block, 0.1);
    spec.layers.truncate(1);
    spec.layers[0].extend_from_within(..);
    let graph = lower(&spec.check(65).expect("a model"));
    let place = |name: &str| graph.node(graph.find(name).expect(name)).place;
    let second = |kind| SublayerId {
        block: 0,
        kind,
        nth: 1,
    };
    let (attention, mlp) = (second(SublayerKind::Attention), second(SublayerKind::Mlp));
    for (name, sublayer, role) in [
        ("block0.ln1_2", attention, Role::Norm),
        ("block0.attn_2.qkv", attention, Role::Qkv),
        ("block0.attn_2.rotary", attention, Role::Rotary),
        ("block0.attn_2.mix", attention, Role::Mix),
        ("block0.attn_2.out", attention, Role::Output),
        ("block0.ln2_2", mlp, Role::Norm),
        ("block0.mlp_2.up", mlp, Role::Up),
        ("block0.mlp_2.gate", mlp, Role::Gate),
        ("block0.mlp_2.act", mlp, Role::Activation),
        ("block0.mlp_2.drop", mlp, Role::Dropout),
        ("block0.mlp_2.residual", mlp, Role::Residual),
    ] {
        assert_eq!(place(name), Place::Block(sublayer, role), "{name}");
    }
    assert_eq!(place("ln_emb"), Place::Embedding(EmbeddingRole::Norm));
    assert_eq!(place("ln_f"), Place::End(EndRole::Norm));
    assert!(place("logits").is_end() && !place("embed.drop").is_end());
    let places: HashSet<Place> = graph.nodes().iter().map(|node| node.place).collect();
    assert_eq!(
        places.len(),
        graph.nodes().len(),
        "no two nodes share a place"
    );
}
