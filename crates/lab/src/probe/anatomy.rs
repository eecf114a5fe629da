//! The locations of a model's parts in its graph. Nodes record their places, so that every wiring
//! is covered: no residual, norms after sublayers, parallel sublayers, layers without attention.

use std::collections::HashMap;

use gptlab_model::{AttentionOp, Graph, Role, SublayerId, ValueId};

/// The locations of the parts that probes read and change.
#[derive(Clone, Debug, PartialEq)]
pub struct Anatomy {
    /// The residual stream: the input of the first block, then the output of each block. The last
    /// stage is the input of the final norm, or of the head if there is no final norm.
    pub stream: Vec<Stage>,
    pub attentions: Vec<AttentionPart>,
    pub mlps: Vec<MlpPart>,
}

/// The stream at one depth.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The stage's name: `embedding`, `block0`, …
    pub name: String,
    pub value: ValueId,
}

/// An attention sublayer's nodes in the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionPart {
    pub block: usize,
    /// The part's name, such as `block0.attn`.
    pub name: String,
    pub op: AttentionOp,
    /// The packed queries, keys and values that it reads.
    pub qkv: ValueId,
    /// The heads' outputs, concatenated, before the projection.
    pub mix: ValueId,
    /// The part's output: the projection of `mix`.
    pub out: ValueId,
}

/// An MLP's nodes in the graph.
#[derive(Clone, Debug, PartialEq)]
pub struct MlpPart {
    pub block: usize,
    /// The part's name, such as `block0.mlp`.
    pub name: String,
    /// The hidden units' activations.
    pub act: ValueId,
    /// The part's output.
    pub out: ValueId,
}

impl Anatomy {
    /// Finds the parts of `graph`, which has `blocks` blocks.
    pub fn of(graph: &Graph, blocks: usize) -> Self {
        let outputs = outputs(graph);
        let attentions = graph.ids().filter_map(|id| attention(graph, &outputs, id));
        let mlps = graph.ids().filter_map(|id| mlp(graph, &outputs, id));
        Self {
            stream: stream(graph, blocks),
            attentions: attentions.collect(),
            mlps: mlps.collect(),
        }
    }

    /// Returns the stream after the last block.
    pub fn last(&self) -> ValueId {
        self.stream[self.stream.len() - 1].value
    }
}

fn stream(graph: &Graph, blocks: usize) -> Vec<Stage> {
    let mut last: HashMap<Option<usize>, ValueId> = HashMap::new();
    for id in graph.ids().filter(|id| !graph.node(*id).place.is_end()) {
        last.insert(graph.node(id).block(), id);
    }
    let mut value = *last.get(&None).expect("a model begins with its embedding");
    let mut stages = vec![Stage {
        name: "embedding".into(),
        value,
    }];
    for block in 0..blocks {
        // A block without sublayers leaves its input unchanged.
        value = last.get(&Some(block)).copied().unwrap_or(value);
        let name = format!("block{block}");
        stages.push(Stage { name, value });
    }
    stages
}

/// Returns the nodes that project onto the residual stream, by sublayer.
fn outputs(graph: &Graph) -> HashMap<SublayerId, ValueId> {
    let output = |id: ValueId| Some((graph.node(id).place.sublayer_output()?, id));
    graph.ids().filter_map(output).collect()
}

fn attention(
    graph: &Graph,
    outputs: &HashMap<SublayerId, ValueId>,
    mix: ValueId,
) -> Option<AttentionPart> {
    let node = graph.node(mix);
    let (qkv, op) = node.attention()?;
    let sublayer = node.place.sublayer()?;
    Some(AttentionPart {
        block: sublayer.block,
        name: sublayer.to_string(),
        op: *op,
        qkv,
        mix,
        out: *outputs.get(&sublayer)?,
    })
}

fn mlp(graph: &Graph, outputs: &HashMap<SublayerId, ValueId>, act: ValueId) -> Option<MlpPart> {
    let place = graph.node(act).place;
    let sublayer = place
        .sublayer()
        .filter(|_| place.role() == Some(Role::Activation))?;
    Some(MlpPart {
        block: sublayer.block,
        name: sublayer.to_string(),
        act,
        out: *outputs.get(&sublayer)?,
    })
}
