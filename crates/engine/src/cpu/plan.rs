//! Where every value and gradient of a graph lives in one arena, decided before anything runs.
//!
//! A *storage* is a piece of the arena with a lifetime, counted in steps: node `i` of `n` runs
//! forward at step `i`, the loss at step `n`, node `i` backward at step `2n - i`. A node may take
//! over its input's storage where nobody reads the input again (residual adds, dropout, rotations),
//! and a sum's gradient serves its terms without a copy. Storages whose lifetimes do not meet share
//! memory.

use std::{cmp::Reverse, collections::BinaryHeap, ops::Range};

use gptlab_model::{Graph, Op};

use super::room::Room;

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Forward, loss and backward.
    Train,
    /// Forward; a value is forgotten after its last reader.
    Evaluate,
    /// Forward; every value stays readable.
    Observe,
}

/// A piece of the arena: `width` numbers for each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) offset: usize,
    pub(super) width: usize,
}

/// How a node's backward step hands the gradient on to one of its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Write {
    /// The input's gradient is this node's own gradient, changed in place where the op changes it.
    InPlace,
    /// First to write the input's gradient.
    Overwrite,
    /// Another reader of the input has written before.
    Accumulate,
}

/// The arena's layout for at most `rows` rows.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) rows: usize,
    /// How many numbers the arena holds.
    pub(super) len: usize,
    values: Vec<Region>,
    /// Means, reciprocal deviations, log-sum-exps: what a backward step wants beside the values.
    stats: Vec<Option<Region>>,
    grads: Vec<Option<Region>>,
    writes: Vec<Vec<Write>>,
    /// By node: whether its forward leaves its derivative where its input was.
    slopes: Vec<bool>,
    /// By node: whether it is a linear map that is the first to add to its weight's gradient.
    opens: Vec<bool>,
    /// Where the gradients lie that no linear map is the first to add to.
    unopened: Vec<Range<usize>>,
}

impl Plan {
    pub(super) fn new(graph: &Graph, rows: usize, purpose: Purpose) -> Self {
        let mut planner = Planner::new(graph, purpose);
        planner.forward();
        match purpose {
            Purpose::Train => planner.backward(),
            Purpose::Evaluate | Purpose::Observe => {}
        }
        planner.lay_out(rows)
    }

    pub(super) fn value(&self, node: usize) -> Region {
        self.values[node]
    }

    /// Only asked of nodes that keep statistics.
    pub(super) fn stat(&self, node: usize) -> Region {
        self.stats[node].unwrap_or(Region {
            offset: 0,
            width: 0,
        })
    }

    pub(super) fn grad(&self, node: usize) -> Option<Region> {
        self.grads[node]
    }

    /// Whether the activation `node` leaves its derivative in place of its input, which nobody else
    /// reads.
    pub(super) fn keeps_slope(&self, node: usize) -> bool {
        self.slopes[node]
    }

    /// Whether the linear `node` may set its weight's gradient, where nothing has been added to any
    /// yet.
    pub(super) fn opens(&self, node: usize) -> bool {
        self.opens[node]
    }

    /// Where in all gradients those lie that must be zero before anything is added to them.
    pub(super) fn unopened(&self) -> &[Range<usize>] {
        &self.unopened
    }

    pub(super) fn write(&self, node: usize, input: usize) -> Write {
        self.writes[node][input]
    }
}

#[derive(Clone, Copy)]
struct Storage {
    width: usize,
    first: usize,
    last: usize,
}

struct Planner<'a> {
    graph: &'a Graph,
    purpose: Purpose,
    inputs: Vec<Vec<usize>>,
    /// Who reads each node's value.
    readers: Vec<Vec<usize>>,
    storages: Vec<Storage>,
    values: Vec<usize>,
    stats: Vec<Option<usize>>,
    grads: Vec<Option<usize>>,
    /// By storage: the nodes whose gradient it is.
    holders: Vec<Vec<usize>>,
    writes: Vec<Vec<Write>>,
}

impl<'a> Planner<'a> {
    fn new(graph: &'a Graph, purpose: Purpose) -> Self {
        let inputs: Vec<Vec<usize>> = graph
            .nodes()
            .iter()
            .map(|n| n.op.inputs().iter().map(|v| v.index()).collect())
            .collect();
        let mut readers = vec![Vec::new(); inputs.len()];
        for (node, from) in inputs.iter().enumerate() {
            for x in from {
                readers[*x].push(node);
            }
        }
        Self {
            graph,
            purpose,
            readers,
            storages: Vec::new(),
            values: Vec::new(),
            stats: Vec::new(),
            grads: vec![None; inputs.len()],
            holders: Vec::new(),
            writes: inputs
                .iter()
                .map(|i| vec![Write::Overwrite; i.len()])
                .collect(),
            inputs,
        }
    }

    fn len(&self) -> usize {
        self.inputs.len()
    }

    fn op(&self, node: usize) -> &'a Op {
        &self.graph.nodes()[node].op
    }

    fn backward_step(&self, node: usize) -> usize {
        2 * self.len() - node
    }

    fn storage(&mut self, width: usize, step: usize) -> usize {
        self.storages.push(Storage {
            width,
            first: step,
            last: step,
        });
        self.holders.push(Vec::new());
        self.storages.len() - 1
    }

    /// Makes `storage` the gradient of `node`.
    fn hold(&mut self, node: usize, storage: usize) {
        self.grads[node] = Some(storage);
        self.holders[storage].push(node);
    }

    fn touch(&mut self, storage: usize, step: usize) {
        let s = &mut self.storages[storage];
        s.last = s.last.max(step);
    }

    fn forward(&mut self) {
        for node in 0..self.len() {
            for x in self.inputs[node].clone() {
                self.touch(self.values[x], node);
            }
            let width = self.graph.nodes()[node].width;
            let value = match self.taken_over(node) {
                Some(x) => self.values[x],
                None => self.storage(width, node),
            };
            self.touch(value, node);
            self.values.push(value);
            let width = saved(self.op(node)).stat;
            let stat = (width > 0).then(|| self.storage(width, node));
            self.stats.push(stat);
        }
        let end = self.len();
        match self.purpose {
            Purpose::Observe => (0..end).for_each(|n| self.touch(self.values[n], end)),
            Purpose::Train | Purpose::Evaluate => {}
        }
        // The loss reads what the head reads, and makes logits a few rows at a time.
        self.inputs[end - 1]
            .clone()
            .iter()
            .for_each(|x| self.touch(self.values[*x], end));
    }

    /// The input whose storage `node` may write its own value into.
    fn taken_over(&self, node: usize) -> Option<usize> {
        let candidate = match self.op(node) {
            Op::Add { b, .. } => b.index(),
            Op::Dropout { x, .. } | Op::Rotary { x, .. } | Op::HeadNorm { x, .. } => x.index(),
            Op::TokenEmbedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::Sinusoid
            | Op::Norm { .. }
            | Op::Linear { .. }
            | Op::Attention { .. }
            | Op::Activate { .. }
            | Op::Gate { .. } => return None,
        };
        let free = match self.purpose {
            Purpose::Observe => false,
            Purpose::Evaluate => true,
            Purpose::Train => !saved(self.op(candidate)).output,
        };
        // A storage two nodes share must not be taken by a third while the other is still read.
        (free && self.readers[candidate] == [node]).then_some(candidate)
    }

    /// Whether `node` is an activation that may overwrite its input while training.
    fn keeps_slope(&self, node: usize) -> bool {
        let alone = |x: usize| self.readers[x] == [node] && !saved(self.op(x)).output;
        match (self.purpose, self.op(node)) {
            (Purpose::Train, Op::Activate { x, .. }) => alone(x.index()),
            (
                Purpose::Train | Purpose::Evaluate | Purpose::Observe,
                Op::TokenEmbedding { .. }
                | Op::PositionEmbedding { .. }
                | Op::Sinusoid
                | Op::Add { .. }
                | Op::Norm { .. }
                | Op::Linear { .. }
                | Op::HeadNorm { .. }
                | Op::Rotary { .. }
                | Op::Attention { .. }
                | Op::Activate { .. }
                | Op::Gate { .. }
                | Op::Dropout { .. },
            ) => false,
        }
    }

    fn backward(&mut self) {
        let head = self.len() - 1;
        let x = self.inputs[head][0];
        let width = self.graph.nodes()[x].width;
        let grad = self.storage(width, self.len());
        self.hold(x, grad);
        for node in (0..head).rev() {
            let Some(grad) = self.grads[node] else {
                continue;
            };
            let step = self.backward_step(node);
            self.touch(grad, step);
            self.touch_saved(node, step);
            for input in 0..self.inputs[node].len() {
                let write = self.hand_on(node, input, grad);
                self.writes[node][input] = write;
                let x = self.inputs[node][input];
                if let Some(dx) = self.grads[x] {
                    self.touch(dx, step);
                }
            }
        }
    }

    /// Keeps what `node`'s backward step reads.
    fn touch_saved(&mut self, node: usize, step: usize) {
        let Saved { output, inputs, .. } = saved(self.op(node));
        if output {
            self.touch(self.values[node], step);
        }
        if inputs {
            self.inputs[node]
                .clone()
                .iter()
                .for_each(|x| self.touch(self.values[*x], step));
        }
        if let Some(stat) = self.stats[node] {
            self.touch(stat, step);
        }
    }

    fn hand_on(&mut self, node: usize, input: usize, grad: usize) -> Write {
        let x = self.inputs[node][input];
        if self.grads[x].is_some() {
            return Write::Accumulate;
        }
        let alone = self.holders[grad].iter().all(|other| *other >= node);
        let in_place = match self.op(node) {
            // Both terms may share the sum's gradient if neither gains more before the other is
            // done.
            Op::Add { a, b } => {
                let (a, b) = (a.index(), b.index());
                let quiet = |x: usize, other: usize| {
                    self.readers[x].iter().all(|r| *r == node || *r < other)
                };
                let shared = input == 1 && self.grads[a] == Some(grad);
                if shared {
                    quiet(a, b) && quiet(b, a) && self.only(grad, a, node)
                } else {
                    alone
                }
            }
            Op::Dropout { .. } | Op::Rotary { .. } | Op::HeadNorm { .. } | Op::Activate { .. } => {
                alone
            }
            Op::TokenEmbedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::Sinusoid
            | Op::Norm { .. }
            | Op::Linear { .. }
            | Op::Attention { .. }
            | Op::Gate { .. } => false,
        };
        if in_place {
            self.hold(x, grad);
            return Write::InPlace;
        }
        let width = self.graph.nodes()[x].width;
        let grad = self.storage(width, self.backward_step(node));
        self.hold(x, grad);
        Write::Overwrite
    }

    /// Whether `grad` is, of the nodes before `node`, the gradient of `x` alone.
    fn only(&self, grad: usize, x: usize, node: usize) -> bool {
        let holders = &self.holders[grad];
        holders.iter().all(|other| *other >= node || *other == x)
    }

    /// See [`Plan::opens`] and [`Plan::unopened`].
    fn openings(&self) -> (Vec<bool>, Vec<Range<usize>>) {
        let params = self.graph.params();
        let (mut opens, mut touched) = (vec![false; self.len()], vec![false; params.iter().len()]);
        let mut opened = touched.clone();
        let head = self.len() - 1;
        let run = |node: &usize| *node == head || self.grads[*node].is_some();
        for node in (0..self.len()).rev().filter(run) {
            if let Some((_, weight)) = self.graph.nodes()[node].linear() {
                opens[node] = !touched[weight.index()];
                opened[weight.index()] |= opens[node];
            }
            for param in self.op(node).params() {
                touched[param.index()] = true;
            }
        }
        let unopened = params.iter().zip(opened).filter(|(_, opened)| !opened);
        (opens, unopened.map(|(param, _)| param.range()).collect())
    }

    /// First fit, in order of birth.
    fn lay_out(self, rows: usize) -> Plan {
        let mut order: Vec<usize> = (0..self.storages.len()).collect();
        order.sort_by_key(|s| self.storages[*s].first);
        let size = |s: usize| (self.storages[s].width * rows).next_multiple_of(16);
        let mut offsets = vec![0; self.storages.len()];
        let (mut room, mut live) = (Room::default(), BinaryHeap::new());
        for s in order {
            let Storage { first, last, .. } = self.storages[s];
            while let Some(Reverse((ended, dead))) = live.peek().copied()
                && ended < first
            {
                live.pop();
                room.give(offsets[dead]..offsets[dead] + size(dead));
            }
            offsets[s] = room.take(size(s));
            live.push(Reverse((last, s)));
        }
        let region = |s: usize| Region {
            offset: offsets[s],
            width: self.storages[s].width,
        };
        let (opens, unopened) = self.openings();
        Plan {
            opens,
            unopened,
            rows,
            len: (0..self.storages.len())
                .map(|s| offsets[s] + size(s))
                .max()
                .unwrap_or(0),
            slopes: (0..self.inputs.len())
                .map(|n| self.keeps_slope(n))
                .collect(),
            values: self.values.iter().map(|s| region(*s)).collect(),
            stats: self.stats.iter().map(|s| s.map(region)).collect(),
            grads: self.grads.iter().map(|s| s.map(region)).collect(),
            writes: self.writes,
        }
    }
}

/// What an op's backward reads of its forward.
struct Saved {
    /// Numbers a row that the forward leaves beside its value.
    stat: usize,
    /// What the forward wrote.
    output: bool,
    /// What the forward read.
    inputs: bool,
}

fn saved(op: &Op) -> Saved {
    let (stat, output, inputs) = match op {
        // The mean and the reciprocal deviation.
        Op::Norm { .. } => (2, false, true),
        // The reciprocal root mean square of each head.
        Op::HeadNorm { heads, .. } => (*heads, true, false),
        // The log-sum-exp of each head.
        Op::Attention { attention, .. } => (attention.heads, true, true),
        Op::Linear { .. } | Op::Activate { .. } | Op::Gate { .. } => (0, false, true),
        Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Sinusoid
        | Op::Add { .. }
        | Op::Rotary { .. }
        | Op::Dropout { .. } => (0, false, false),
    };
    Saved {
        stat,
        output,
        inputs,
    }
}
