//! What a node says of itself, against the listing that a person reads.

use gptlab_model::{Graph, ModelSpec, Node, NormPlace, Preset, Residual, ValueId, lower};

fn graph(change: fn(&mut ModelSpec)) -> Graph {
    let mut spec = Preset::Gpt2Mini.spec();
    spec.layers.truncate(1);
    change(&mut spec);
    lower(&spec.check(65).expect("a model"))
}

/// The names of the nodes of which `is` holds, and the names of the values that it tells of.
fn named<const N: usize>(
    graph: &Graph,
    is: impl Fn(&Node) -> Option<[ValueId; N]>,
) -> Vec<(&str, [&str; N])> {
    let name = |id| graph.node(id).name.as_str();
    let nodes = graph.nodes().iter();
    let told = nodes.filter_map(|node| Some((node.name.as_str(), is(node)?.map(name))));
    told.collect()
}

#[test]
fn norms_and_additions_tell_what_they_read() {
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
