//! A model's weights, laid out for decoding: matrices packed, everything else as it is.

use std::{collections::TryReserveError, ops::Range};

use gptlab_kernels::decode_linear;
use gptlab_model::{ParamId, ValueId};

use crate::cpu::{aligned::Aligned, prepared_graph::PreparedGraph};

/// A model's weights.
#[derive(Debug)]
pub(super) struct Weights {
    /// The matrices of linear maps, in the order in which a token meets them.
    packed: Aligned<u32>,
    /// By node: where its matrix lies among the packed ones.
    matrices: Vec<Range<usize>>,
    /// Everything that is not multiplied by: embeddings, gains, biases.
    plain: Vec<f32>,
    /// By parameter: where it lies among the plain ones.
    places: Vec<Range<usize>>,
}

impl Weights {
    /// From `flat`, in table order, or why the system has no room for them.
    pub(super) fn new(prepared: &PreparedGraph, flat: &[f32]) -> Result<Self, TryReserveError> {
        let graph = &prepared.graph;
        let (matrices, _) = matrices(prepared);
        let [packed, count] = Self::sizes(prepared);
        let (mut packed, mut plain) = (Aligned::try_zeroed(packed)?, Vec::new());
        plain.try_reserve_exact(count)?;
        let mut places = vec![0..0; graph.params().iter().len()];
        let mut keep = |id: &ParamId| {
            let start = plain.len();
            plain.extend_from_slice(&flat[graph.params().get(*id).range()]);
            places[id.index()] = start..plain.len();
        };
        for id in graph.ids() {
            let (node, place) = (graph.node(id), &matrices[id.index()]);
            let matrix = node.linear().map(|(_, weight)| weight);
            if let Some(weight) = matrix {
                let w = &flat[graph.params().get(weight).range()];
                decode_linear::pack(&prepared.map(id), &mut packed[place.clone()], w);
            }
            let params = node.facts().params;
            let plain = params.iter().filter(|p| Some(**p) != matrix);
            plain.for_each(&mut keep);
        }
        Ok(Self {
            packed,
            matrices,
            plain,
            places,
        })
    }

    /// How many numbers are packed and how many are not, of a model that has not been read.
    pub(super) fn sizes(prepared: &PreparedGraph) -> [usize; 2] {
        let graph = &prepared.graph;
        let plain = graph.nodes().iter().flat_map(|node| {
            let matrix = node.linear().map(|(_, weight)| weight);
            let params = node.facts().params.into_iter();
            params.filter(move |param| Some(*param) != matrix)
        });
        let plain = plain.map(|param| graph.params().get(param).len()).sum();
        [matrices(prepared).1, plain]
    }

    pub(super) fn matrix(&self, node: ValueId) -> &[u32] {
        &self.packed[self.matrices[node.index()].clone()]
    }

    pub(super) fn plain(&self, param: ParamId) -> &[f32] {
        &self.plain[self.places[param.index()].clone()]
    }
}

/// Where each node's matrix goes, and how long they are together.
fn matrices(prepared: &PreparedGraph) -> (Vec<Range<usize>>, usize) {
    let mut end = 0;
    let places = prepared.graph.ids().map(|node| {
        let start = end;
        if prepared.graph.node(node).linear().is_some() {
            end += decode_linear::len(&prepared.map(node));
        }
        start..end
    });
    (places.collect(), end)
}
