//! A graph with what stays the same from step to step: its constants, its dropout streams and the
//! precision of its products.

use gptlab_engine::program::constant_values;
use gptlab_model::{Constant, Graph, ParamId, ValueId, random::Stream};
use gptlab_recipe::Precision;

use crate::matrix_units::MatrixUnits;

/// A graph, its constants in one list, and the purposes of its dropout streams.
#[derive(Debug)]
pub(crate) struct GraphTables {
    pub(crate) graph: Graph,
    /// 1 if the operands of products are rounded to bf16, else 0.
    pub(crate) bf16: u32,
    /// The units that multiply matrices.
    pub(crate) units: MatrixUnits,
    /// The numbers of all constants. Nodes with equal constants share one.
    pub(crate) constants: Vec<f32>,
    /// The constant of each node, and its offset.
    tables: Vec<Option<(Constant, usize)>>,
    /// The purpose of each node's dropout stream.
    purposes: Vec<u32>,
}

impl GraphTables {
    pub(crate) fn new(graph: Graph, precision: Precision, units: MatrixUnits) -> Self {
        let (mut constants, mut known) = (Vec::new(), Vec::<(Constant, usize)>::new());
        let mut table = |constant: Constant| {
            let before = known.iter().find(|(other, _)| *other == constant);
            before.copied().unwrap_or_else(|| {
                known.push((constant, constants.len()));
                constants.extend(constant_values(constant, graph.block_size()));
                known[known.len() - 1]
            })
        };
        let nodes = graph.nodes().iter();
        let tables = nodes.map(|node| node.facts().constant.map(&mut table));
        let tables = tables.collect();
        let purpose = |name: &str| Stream::new(0, &format!("dropout/{name}"), 0).purpose();
        let purposes = graph.nodes().iter().map(|node| purpose(&node.name));
        Self {
            bf16: match precision {
                Precision::F32 => 0,
                Precision::Bf16 => 1,
            },
            units,
            constants,
            tables,
            purposes: purposes.collect(),
            graph,
        }
    }

    /// Returns the offset of a node's constant, and its length.
    pub(crate) fn table(&self, node: ValueId) -> (usize, usize) {
        let len = |constant: Constant| constant.len(self.graph.block_size());
        self.tables[node.index()].map_or((0, 0), |(constant, at)| (at, len(constant)))
    }

    pub(crate) fn purpose(&self, node: ValueId) -> u32 {
        self.purposes[node.index()]
    }

    /// Returns the offset of a parameter in the table.
    pub(crate) fn parameter(&self, param: ParamId) -> u32 {
        self.graph.params().get(param).offset as u32
    }

    pub(crate) fn width(&self, node: ValueId) -> usize {
        self.graph.node(node).width
    }
}
