//! The places of a program's buffers in one arena, and the choices that are specific to this
//! processor. Both are made before anything runs.

use std::ops::Range;

use gptlab_model::{Graph, Node, Op, ValueId};

use crate::program::{BufferId, Placement, Program, Work, compile};
pub(super) use crate::program::{Purpose, Write};

/// The numbers in a cache line; every buffer starts on one.
const LINE: usize = 16;

/// A part of the arena: `width` numbers for each row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: usize,
    pub(super) width: usize,
}

impl Region {
    /// Returns the range of `rows` rows in an arena that was laid out for one row and is `rows`
    /// times as long.
    pub(super) fn of_rows(self, rows: usize) -> Range<usize> {
        self.offset * rows..(self.offset + self.width) * rows
    }
}

/// The layout of the arena for at most `rows` rows.
#[derive(Clone, Debug)]
pub(super) struct ArenaPlan {
    pub(super) program: Program,
    pub(super) rows: usize,
    /// The length of the arena in numbers.
    pub(super) len: usize,
    /// The region of each node's value.
    values: Vec<Region>,
    statistics: Vec<Region>,
    gradients: Vec<Region>,
    /// Whether the forward pass of each node replaces its input by its derivative.
    derivatives: Vec<bool>,
    /// Whether each node is a linear map that sets its weight's gradient.
    sets: Vec<bool>,
    /// The ranges of the gradients that no linear map sets.
    not_set: Vec<Range<usize>>,
}

impl ArenaPlan {
    pub(super) fn new(graph: &Graph, rows: usize, purpose: Purpose) -> Self {
        let program = compile(graph, purpose);
        let Placement { offsets, len } = Placement::new(&program, rows, LINE);
        let region = |buffer: BufferId| Region {
            offset: offsets[buffer.index()],
            width: program.buffers()[buffer.index()].width,
        };
        let regions = |of: fn(&Program, ValueId) -> Option<BufferId>| {
            let buffers = graph.ids().map(|node| of(&program, node));
            buffers
                .map(|b| b.map_or(Region::default(), region))
                .collect()
        };
        let (sets, not_set) = set_gradients(graph, &program);
        Self {
            values: regions(Program::value),
            statistics: regions(Program::statistics),
            gradients: regions(Program::gradient),
            derivatives: derivatives(graph, &program),
            sets,
            not_set,
            rows,
            len,
            program,
        }
    }

    pub(super) fn value(&self, node: ValueId) -> Region {
        self.values[node.index()]
    }

    /// Returns the region of a node's statistics; empty if it keeps none.
    pub(super) fn statistics(&self, node: ValueId) -> Region {
        self.statistics[node.index()]
    }

    /// Returns the region of the gradient of a node's value; empty if it has none.
    pub(super) fn gradient(&self, node: ValueId) -> Region {
        self.gradients[node.index()]
    }

    /// Returns true if the activation `node` replaces its input, which no other node reads, by its
    /// derivative.
    pub(super) fn keeps_derivative(&self, node: ValueId) -> bool {
        self.derivatives[node.index()]
    }

    /// Returns true if the linear `node` can set its weight's gradient when nothing has been added
    /// to any gradient yet.
    pub(super) fn sets(&self, node: ValueId) -> bool {
        self.sets[node.index()]
    }

    /// Returns the ranges of the gradients that must be zero before anything is added to them.
    pub(super) fn not_set(&self) -> &[Range<usize>] {
        &self.not_set
    }
}

/// Returns, by node, whether it is an activation that can overwrite its input while training,
/// because only its own backward pass reads it.
fn derivatives(graph: &Graph, program: &Program) -> Vec<bool> {
    let mut readers = vec![0; graph.nodes().len()];
    let inputs = graph.nodes().iter().flat_map(Node::inputs);
    inputs.for_each(|x| readers[x.index()] += 1);
    let train = program.purpose() == Purpose::Train;
    let keeps = |node: &Node| {
        let Op::Activate { x, .. } = node.op else {
            return false;
        };
        let alone = readers[x.index()] == 1;
        train && alone && !graph.node(x).facts().saved.output
    };
    graph.nodes().iter().map(keeps).collect()
}

/// Computes [`ArenaPlan::sets`] and [`ArenaPlan::not_set`].
fn set_gradients(graph: &Graph, program: &Program) -> (Vec<bool>, Vec<Range<usize>>) {
    let params = graph.params();
    let mut sets = vec![false; graph.nodes().len()];
    let mut set = vec![false; params.iter().len()];
    for step in program.steps() {
        let node = match step.work {
            Work::Loss => graph.logits(),
            Work::Backward(node) => node,
            Work::Forward(_) | Work::Logits => continue,
        };
        if let Some((_, weight)) = graph.node(node).linear() {
            let first = step.param_gradients.contains(&(weight, Write::First));
            sets[node.index()] = first;
            set[weight.index()] |= first;
        }
    }
    let others = params.iter().zip(set).filter(|(_, set)| !set);
    (sets, others.map(|(param, _)| param.range()).collect())
}
