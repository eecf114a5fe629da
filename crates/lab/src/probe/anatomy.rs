//! Where the parts of a model stand in its graph. Found by the names and inputs of nodes, so that
//! every wiring is covered: no residual, norms after sublayers, parallel sublayers, layers without
//! attention.

use std::collections::HashMap;

use gptlab_model::{AttentionOp, Graph, ValueId};

/// The parts that probes speak of.
#[derive(Clone, Debug, PartialEq)]
pub struct Anatomy {
    /// The residual stream: what enters the first block, then what each block leaves. The last is
    /// what the final norm, or else the head, reads.
    pub stream: Vec<Stage>,
    pub attentions: Vec<AttentionPart>,
    pub mlps: Vec<MlpPart>,
}

/// The stream at one depth.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// `embedding`, `block0`, …
    pub name: String,
    pub value: ValueId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AttentionPart {
    pub block: usize,
    /// E.g. `block0.attn`.
    pub name: String,
    pub op: AttentionOp,
    /// The packed queries, keys and values that it reads.
    pub qkv: ValueId,
    /// What the heads make, side by side, before the projection.
    pub mix: ValueId,
    /// What it writes: the projection of `mix`.
    pub out: ValueId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MlpPart {
    pub block: usize,
    /// E.g. `block0.mlp`.
    pub name: String,
    /// The hidden units.
    pub act: ValueId,
    /// What it writes.
    pub out: ValueId,
}

impl Anatomy {
    /// The parts of `graph`, which has `blocks` blocks.
    pub fn of(graph: &Graph, blocks: usize) -> Self {
        Self {
            stream: stream(graph, blocks),
            attentions: graph.ids().filter_map(|id| attention(graph, id)).collect(),
            mlps: graph.ids().filter_map(|id| mlp(graph, id)).collect(),
        }
    }

    /// The stream where the blocks end.
    pub fn last(&self) -> ValueId {
        self.stream[self.stream.len() - 1].value
    }
}

fn stream(graph: &Graph, blocks: usize) -> Vec<Stage> {
    let ends = ["ln_f", "logits"];
    let mut last: HashMap<Option<usize>, ValueId> = HashMap::new();
    for id in graph.ids() {
        let node = graph.node(id);
        if !ends.contains(&node.name.as_str()) {
            last.insert(node.block(), id);
        }
    }
    let mut value = *last.get(&None).expect("a model begins with its embedding");
    let mut stages = vec![Stage {
        name: "embedding".into(),
        value,
    }];
    for block in 0..blocks {
        // A block without sublayers leaves what it was given.
        value = last.get(&Some(block)).copied().unwrap_or(value);
        let name = format!("block{block}");
        stages.push(Stage { name, value });
    }
    stages
}

fn attention(graph: &Graph, mix: ValueId) -> Option<AttentionPart> {
    let node = graph.node(mix);
    let (qkv, op) = node.attention()?;
    Some(AttentionPart {
        block: node.block()?,
        name: node.name.strip_suffix(".mix")?.to_owned(),
        op: *op,
        qkv,
        mix,
        out: graph
            .ids()
            .skip(mix.index())
            .find(|id| reads(graph, *id) == Some(mix))?,
    })
}

fn mlp(graph: &Graph, act: ValueId) -> Option<MlpPart> {
    let node = graph.node(act);
    let part = node.name.strip_suffix(".act")?.to_owned();
    Some(MlpPart {
        block: node.block()?,
        out: graph.find(&format!("{part}.out"))?,
        name: part,
        act,
    })
}

/// What a linear node reads.
fn reads(graph: &Graph, id: ValueId) -> Option<ValueId> {
    Some(graph.node(id).linear()?.0)
}
