//! Which worker computes what of one token: outputs of products, heads of attention.
//!
//! The cut is that of Megatron-LM (Shoeybi et al. 2019), with one change. Heads and hidden units
//! are split, so that a thread keeps queries, keys, values and hidden units to itself until they
//! are mixed; but where Megatron adds partial sums, which would show in the last bits, every output
//! of a product is summed whole, by one thread. What is cut is cut between numbers that do not
//! depend on each other, so no bit shows how. Norms, residual sums, embeddings and small products
//! cost less than exchanging them: every worker computes them whole.

use std::{mem, ops::Range};

use gptlab_kernels::{Isa, decode_linear};
use gptlab_model::{AttentionOp, Graph, Mixes, Node, ValueId};

use crate::cpu::plan::{ArenaPlan, Purpose};

/// A product of fewer weights is read in the time that exchanging its results takes.
const LEAST: usize = 1 << 14;

/// Which worker computes what of each node.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) workers: usize,
    /// By node; `None` where everyone computes all of it.
    by_node: Vec<Option<NodeShare>>,
    /// Where nothing that a token computed is overwritten, so that any part can be computed again.
    pub(super) plan: ArenaPlan,
    /// The last node whose columns are gathered.
    pub(super) last: ValueId,
}

#[derive(Debug)]
pub(super) struct NodeShare {
    /// By worker: the columns it computes, first to last.
    pub(super) columns: Vec<Vec<Range<usize>>>,
    /// How the columns are gathered, where the other workers read them too.
    pub(super) gather: Option<Gather>,
}

/// An all-gather of a node's columns.
#[derive(Clone, Debug)]
pub(super) struct Gather {
    /// How many gathers the same token has had before this one.
    pub(super) round: u64,
    /// The first node after the gather before this one.
    pub(super) first: ValueId,
    /// How many weights the nodes from there to this one have.
    pub(super) weights: usize,
}

impl Shares {
    /// For up to `threads` threads; `None` where one is as fast.
    pub(super) fn new(graph: &Graph, isa: Isa, threads: usize) -> Option<Self> {
        let workers = threads.min(most_workers(graph));
        if workers < 2 {
            return None;
        }
        let cut = Cutter::new(graph, decode_linear::panel(isa), workers);
        let (mut round, mut weights, mut first) = (0, 0, None);
        let shares = graph.ids().map(|node| {
            weights += cut.weights(node);
            let since = *first.get_or_insert(node);
            let columns = cut.columns(node)?;
            let gather = (!cut.is_read_in_parts(node)).then(|| {
                first = None;
                round += 1;
                Gather {
                    round: round - 1,
                    first: since,
                    weights: mem::take(&mut weights),
                }
            });
            Some(NodeShare { columns, gather })
        });
        let shares: Vec<Option<NodeShare>> = shares.collect();
        let gathered = |node: &ValueId| {
            let share = shares[node.index()].as_ref();
            share.is_some_and(|s| s.gather.is_some())
        };
        let last = graph.ids().rev().find(gathered)?;
        Some(Self {
            workers,
            by_node: shares,
            plan: ArenaPlan::new(graph, 1, Purpose::Observe),
            last,
        })
    }

    /// The shares of a node; `None` where every worker computes all of it.
    pub(super) fn of(&self, node: ValueId) -> Option<&NodeShare> {
        self.by_node[node.index()].as_ref()
    }
}

/// How many weights a linear map has; none for every other op.
fn weights(graph: &Graph, node: &Node) -> usize {
    let weight = node.linear().map(|(_, weight)| weight);
    weight.map_or(0, |w| graph.params().get(w).len())
}

/// So many that the largest product is still worth cutting, and each has a head.
fn most_workers(graph: &Graph) -> usize {
    let all = graph.nodes().iter().map(|node| weights(graph, node));
    let attentions = graph.nodes().iter().filter_map(Node::attention);
    let heads = attentions.map(|(_, op)| op.kv_heads).min();
    (all.max().unwrap_or(0) / LEAST).min(heads.unwrap_or(1))
}

/// Cuts the columns of a graph's nodes.
struct Cutter<'a> {
    graph: &'a Graph,
    /// How many columns a panel of packed weights has.
    panel: usize,
    workers: usize,
    /// By node.
    readers: Vec<Vec<ValueId>>,
}

impl<'a> Cutter<'a> {
    fn new(graph: &'a Graph, panel: usize, workers: usize) -> Self {
        let mut readers = vec![Vec::new(); graph.nodes().len()];
        for node in graph.ids() {
            for x in graph.node(node).inputs() {
                readers[x.index()].push(node);
            }
        }
        Self {
            graph,
            panel,
            workers,
            readers,
        }
    }

    fn weights(&self, node: ValueId) -> usize {
        weights(self.graph, self.graph.node(node))
    }

    /// By worker: the columns of a node that it computes; `None` where everyone computes all.
    fn columns(&self, node: ValueId) -> Option<Vec<Vec<Range<usize>>>> {
        let n = self.graph.node(node);
        if let Some((_, attention)) = n.attention() {
            return Some(self.by_worker(|share| vec![queries(attention, share)]));
        }
        let large = self.weights(node) >= LEAST;
        let elements = n.is_activation() && self.reads_only_shared(n);
        if !large && !elements {
            return None;
        }
        Some(match self.heads_of(node) {
            Some(op) if large && self.whole_panels(op, n.width) => {
                self.by_worker(|share| packed_heads(op, share).to_vec())
            }
            Some(_) | None => self.by_worker(|share| vec![self.cut(n.width, share)]),
        })
    }

    /// Whether all that an op reads are products that are cut.
    fn reads_only_shared(&self, node: &Node) -> bool {
        let mut inputs = node.inputs().into_iter();
        inputs.all(|x| self.weights(x) >= LEAST)
    }

    fn by_worker<T>(&self, part: impl Fn(HeadShare) -> T) -> Vec<T> {
        let share = |index| HeadShare {
            index,
            count: self.workers,
        };
        (0..self.workers).map(|index| part(share(index))).collect()
    }

    /// A worker's columns of `width`, in whole panels.
    fn cut(&self, width: usize, share: HeadShare) -> Range<usize> {
        let panels = width.div_ceil(self.panel);
        let bound = |i: usize| (panels * i / share.count * self.panel).min(width);
        bound(share.index)..bound(share.index + 1)
    }

    /// Whether every reader of a node wants the columns of its own worker alone.
    fn is_read_in_parts(&self, node: ValueId) -> bool {
        let n = self.graph.node(node);
        if n.linear().is_none() || node == self.graph.logits() {
            return false;
        }
        let by_heads = self.heads_of(node);
        let mut readers = self.readers[node.index()].iter();
        by_heads.is_some_and(|op| self.whole_panels(op, n.width))
            || readers.all(|reader| self.graph.node(*reader).is_activation())
    }

    /// The attention that alone reads a node, through whatever works on each head by itself.
    fn heads_of(&self, node: ValueId) -> Option<&AttentionOp> {
        let [reader] = self.readers[node.index()][..] else {
            return None;
        };
        let reads = self.graph.node(reader);
        match reads.facts().mixes {
            Mixes::Sequence => Some(reads.attention()?.1),
            Mixes::Head => self.heads_of(reader),
            Mixes::Nothing | Mixes::Row => None,
        }
    }

    /// Whether every worker's heads begin and end where panels do.
    fn whole_panels(&self, op: &AttentionOp, width: usize) -> bool {
        let whole = |at: usize| at.is_multiple_of(self.panel) || at == width;
        let all = self.by_worker(|share| packed_heads(op, share));
        let mut all = all.iter().flatten();
        all.all(|columns| whole(columns.start) && whole(columns.end))
    }
}

/// One of several shares of the heads.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadShare {
    pub(super) index: usize,
    pub(super) count: usize,
}

/// A share's heads of keys and values.
pub(super) fn kv_heads(op: &AttentionOp, share: HeadShare) -> Range<usize> {
    let HeadShare { index, count } = share;
    op.kv_heads * index / count..op.kv_heads * (index + 1) / count
}

/// The columns of its queries, and of what it mixes.
fn queries(op: &AttentionOp, share: HeadShare) -> Range<usize> {
    let (heads, width) = (kv_heads(op, share), op.heads / op.kv_heads * op.head_dim);
    heads.start * width..heads.end * width
}

/// The columns of its queries, keys and values in a row of all.
pub(super) fn packed_heads(op: &AttentionOp, share: HeadShare) -> [Range<usize>; 3] {
    let heads = kv_heads(op, share);
    let columns =
        |first: usize| (first + heads.start) * op.head_dim..(first + heads.end) * op.head_dim;
    [
        queries(op, share),
        columns(op.heads),
        columns(op.heads + op.kv_heads),
    ]
}
