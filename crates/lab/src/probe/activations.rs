//! Measures the size and similarity of activations, from the embedding to the logits.

use gptlab_engine::{Matrix, Trace};
use gptlab_model::{Graph, Role, ValueId};
use gptlab_report::probe::{Flow, PartFlow, StageFlow};

use super::{
    Subject,
    formulas::{dead_share, mean_log_z, rms, token_similarity, write_ratio},
};

impl Subject {
    /// Measures the activations of the prompt that `trace` comes from.
    pub fn flow(&self, trace: &Trace) -> Flow {
        let graph = self.engine.graph();
        let stage = |stage: &super::anatomy::Stage| {
            let value = trace.of(stage.value);
            StageFlow {
                name: stage.name.clone(),
                activation_rms: rms(&value.values),
                token_similarity: token_similarity(&value.values, value.cols),
            }
        };
        let ratio = |out: ValueId| {
            let stream = added_to(graph, out)?;
            write_ratio(&trace.of(out).values, &trace.of(stream).values)
        };
        let attentions = self.anatomy.attentions.iter().map(|a| PartFlow {
            part: a.name.clone(),
            block: a.block,
            write_ratio: ratio(a.out),
            dead_share: None,
        });
        let mlps = self.anatomy.mlps.iter().map(|m| {
            let units: &Matrix = trace.of(m.act);
            PartFlow {
                part: m.name.clone(),
                block: m.block,
                write_ratio: ratio(m.out),
                dead_share: Some(dead_share(&units.values, units.cols)),
            }
        });
        let logits = trace.logits();
        Flow {
            stream: self.anatomy.stream.iter().map(stage).collect(),
            parts: attentions.chain(mlps).collect(),
            log_z: mean_log_z(&logits.values, logits.cols),
        }
    }
}

/// Returns the value to which `write` is added, directly or after its dropout; `None` if it is not
/// added to anything.
fn added_to(graph: &Graph, write: ValueId) -> Option<ValueId> {
    let mut ids = graph.ids();
    let id = ids.find(|id| graph.node(*id).inputs().contains(&write))?;
    let reader = graph.node(id);
    match reader.inputs()[..] {
        [a, b] => Some(if a == write { b } else { a }),
        [_] if reader.place.role() == Some(Role::Dropout) => added_to(graph, id),
        _ => None,
    }
}
