//! A model's weights, laid out for decoding: matrices packed, everything else as it is.

use std::ops::Range;

use gptlab_kernels::{Isa, packed};
use gptlab_model::{Graph, NormOp, Op, ParamId};

use crate::cpu::memory::Aligned;

/// A model's weights.
#[derive(Debug)]
pub(super) struct Weights {
    /// The matrices of linear maps, in the order in which a token meets them.
    packed: Aligned<f32>,
    /// By node: where its matrix lies among the packed ones.
    matrices: Vec<Range<usize>>,
    /// Everything that is not multiplied by: embeddings, gains, biases.
    plain: Vec<f32>,
    /// By parameter: where it lies among the plain ones.
    places: Vec<Range<usize>>,
}

impl Weights {
    /// From `flat`, in table order.
    pub(super) fn new(graph: &Graph, flat: &[f32], isa: Isa) -> Self {
        let (matrices, len) = matrices(graph);
        let mut packed = Aligned::zeroed(len);
        let (mut plain, mut places) = (Vec::new(), vec![0..0; graph.params().iter().len()]);
        let mut keep = |id: &ParamId| {
            let start = plain.len();
            plain.extend_from_slice(&flat[graph.params().get(*id).range()]);
            places[id.index()] = start..plain.len();
        };
        for (node, place) in graph.nodes().iter().zip(&matrices) {
            if let Op::Linear { x, weight, .. } = &node.op {
                let size = (graph.node(*x).width, node.width);
                let w = &flat[graph.params().get(*weight).range()];
                packed::pack(isa, &mut packed[place.clone()], w, size);
            }
            plain_params(&node.op).iter().for_each(&mut keep);
        }
        Self {
            packed,
            matrices,
            plain,
            places,
        }
    }

    pub(super) fn matrix(&self, node: usize) -> &[f32] {
        &self.packed[self.matrices[node].clone()]
    }

    pub(super) fn plain(&self, param: ParamId) -> &[f32] {
        &self.plain[self.places[param.index()].clone()]
    }
}

/// Where each node's matrix goes, and how long they are together.
fn matrices(graph: &Graph) -> (Vec<Range<usize>>, usize) {
    let mut end = 0;
    let places = graph.nodes().iter().map(|node| {
        let start = end;
        if let Op::Linear { x, .. } = &node.op {
            end += packed::len(graph.node(*x).width, node.width);
        }
        start..end
    });
    (places.collect(), end)
}

/// What an op reads besides a matrix.
fn plain_params(op: &Op) -> Vec<ParamId> {
    match op {
        Op::TokenEmbedding { table } | Op::PositionEmbedding { table } => vec![*table],
        Op::Norm { norm, .. } => match norm {
            NormOp::LayerNorm { gain, bias } => {
                [Some(*gain), *bias].into_iter().flatten().collect()
            }
            NormOp::RmsNorm { gain } => gain.iter().copied().collect(),
        },
        Op::Linear { bias, .. } => bias.iter().copied().collect(),
        Op::Sinusoid
        | Op::Add { .. }
        | Op::HeadNorm { .. }
        | Op::Rotary { .. }
        | Op::Attention { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => Vec::new(),
    }
}
