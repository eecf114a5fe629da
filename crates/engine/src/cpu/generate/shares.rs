//! Which worker computes what of one token: outputs of products, heads of attention.
//!
//! The cut is that of Megatron-LM (Shoeybi et al. 2019), with one change. Heads and hidden units
//! are split, so that a thread keeps queries, keys, values and hidden units to itself until they
//! are mixed; but where Megatron adds partial sums, which would show in the last bits, every output
//! of a product is summed whole, by one thread. What is cut is cut between numbers that do not
//! depend on each other, so no bit shows how. Norms, residual sums, embeddings and small products
//! cost less than exchanging them: every worker computes them whole.

use std::ops::Range;

use gptlab_kernels::{Isa, packed};
use gptlab_model::{AttentionOp, Graph, Op};

use super::layout::Layout;

/// A product of fewer weights is read in the time that exchanging its results takes.
const LEAST: usize = 1 << 14;

/// Which worker computes what of each node.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) workers: usize,
    /// By node; `None` where everyone computes all of it.
    by_node: Vec<Option<Share>>,
    /// Where nothing that a token computed is overwritten, so that any part can be made again.
    pub(super) layout: Layout,
    /// The last node whose columns are gathered.
    pub(super) last: usize,
}

#[derive(Debug)]
pub(super) struct Share {
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
    /// The nodes since the gather before this one, up to this node.
    pub(super) since: Range<usize>,
    /// How many weights those nodes have.
    pub(super) weights: usize,
}

impl Shares {
    /// For up to `threads` threads; `None` where one is as fast.
    pub(super) fn new(graph: &Graph, isa: Isa, threads: usize) -> Option<Self> {
        let workers = threads.min(most_workers(graph));
        if workers < 2 {
            return None;
        }
        let (panel, mut first, mut round) = (packed::panel(isa), 0, 0);
        let shares: Vec<Option<Share>> = (0..graph.nodes().len())
            .map(|node| {
                let columns = columns(graph, node, panel, workers)?;
                let gather = (!read_in_parts(graph, node, panel, workers)).then(|| {
                    let since = first..node + 1;
                    first = node + 1;
                    let weights = since.clone().map(|n| weights(graph, n)).sum();
                    round += 1;
                    Gather {
                        round: round - 1,
                        since,
                        weights,
                    }
                });
                Some(Share { columns, gather })
            })
            .collect();
        let gathered = |share: &Option<Share>| share.as_ref().is_some_and(|s| s.gather.is_some());
        let last = shares.iter().rposition(gathered)?;
        Some(Self {
            workers,
            by_node: shares,
            layout: Layout::spread(graph),
            last,
        })
    }

    /// The shares of a node; `None` where every worker computes all of it.
    pub(super) fn of(&self, node: usize) -> Option<&Share> {
        self.by_node[node].as_ref()
    }
}

fn weights(graph: &Graph, node: usize) -> usize {
    let weight = graph.nodes()[node].linear().map(|(_, weight)| weight);
    weight.map_or(0, |w| graph.params().get(w).range().len())
}

/// So many that the largest product is still worth cutting, and each has a head.
fn most_workers(graph: &Graph) -> usize {
    let all = 0..graph.nodes().len();
    let largest = all.map(|node| weights(graph, node)).max();
    let attentions = graph.nodes().iter().filter_map(|n| n.attention());
    let heads = attentions.map(|(_, op)| op.kv_heads).min();
    (largest.unwrap_or(0) / LEAST).min(heads.unwrap_or(1))
}

/// By worker: the columns of a node that it computes.
fn columns(
    graph: &Graph,
    node: usize,
    panel: usize,
    workers: usize,
) -> Option<Vec<Vec<Range<usize>>>> {
    let n = &graph.nodes()[node];
    match &n.op {
        Op::Linear { .. } if weights(graph, node) < LEAST => None,
        Op::Linear { .. } => Some(match heads_of(graph, node) {
            Some(op) if whole_panels(op, panel, workers, n.width) => {
                by_worker(workers, |m| packed_heads(op, (m, workers)).to_vec())
            }
            Some(_) | None => by_worker(workers, |m| vec![cut(n.width, panel, workers, m)]),
        }),
        Op::Activate { .. } | Op::Gate { .. } if is_cut(graph, &n.op) => {
            Some(by_worker(workers, |m| {
                vec![cut(n.width, panel, workers, m)]
            }))
        }
        Op::Attention { attention, .. } => Some(by_worker(workers, |m| {
            vec![queries(attention, (m, workers))]
        })),
        Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Sinusoid
        | Op::Add { .. }
        | Op::Norm { .. }
        | Op::HeadNorm { .. }
        | Op::Rotary { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => None,
    }
}

/// Whether all that an op reads are products that are cut.
fn is_cut(graph: &Graph, op: &Op) -> bool {
    let mut inputs = op.inputs().into_iter();
    inputs.all(|x| weights(graph, x.index()) >= LEAST)
}

fn by_worker<T>(workers: usize, part: impl Fn(usize) -> T) -> Vec<T> {
    (0..workers).map(part).collect()
}

/// A worker's columns of `width`, in whole panels.
fn cut(width: usize, panel: usize, workers: usize, worker: usize) -> Range<usize> {
    let bound = |m: usize| (width.div_ceil(panel) * m / workers * panel).min(width);
    bound(worker)..bound(worker + 1)
}

/// Whether every reader of a node wants the columns of its own worker alone.
fn read_in_parts(graph: &Graph, node: usize, panel: usize, workers: usize) -> bool {
    let n = &graph.nodes()[node];
    let by_heads = heads_of(graph, node)
        .is_some_and(|op| n.linear().is_some() && whole_panels(op, panel, workers, n.width));
    let by_columns = n.linear().is_some()
        && node + 1 < graph.nodes().len()
        && readers(graph, node).all(|reader| match &graph.nodes()[reader].op {
            Op::Activate { .. } | Op::Gate { .. } => true,
            Op::TokenEmbedding { .. }
            | Op::PositionEmbedding { .. }
            | Op::Sinusoid
            | Op::Add { .. }
            | Op::Norm { .. }
            | Op::Linear { .. }
            | Op::HeadNorm { .. }
            | Op::Rotary { .. }
            | Op::Attention { .. }
            | Op::Dropout { .. } => false,
        });
    by_heads || by_columns
}

fn readers(graph: &Graph, node: usize) -> impl Iterator<Item = usize> {
    let nodes = graph.nodes().iter().enumerate();
    nodes.filter_map(move |(i, n)| {
        let mut inputs = n.op.inputs().into_iter();
        inputs.any(|x| x.index() == node).then_some(i)
    })
}

/// The attention that alone reads a node, through whatever works on each head by itself.
fn heads_of(graph: &Graph, node: usize) -> Option<&AttentionOp> {
    let mut all = readers(graph, node);
    let (reader, None) = (all.next()?, all.next()) else {
        return None;
    };
    match &graph.nodes()[reader].op {
        Op::Attention { attention, .. } => Some(attention),
        Op::HeadNorm { .. } | Op::Rotary { .. } => heads_of(graph, reader),
        Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Sinusoid
        | Op::Add { .. }
        | Op::Norm { .. }
        | Op::Linear { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => None,
    }
}

/// One of several shares of the heads.
pub(super) type Part = (usize, usize);

/// A share's heads of keys and values.
pub(super) fn kv_heads(op: &AttentionOp, (part, parts): Part) -> Range<usize> {
    op.kv_heads * part / parts..op.kv_heads * (part + 1) / parts
}

/// The columns of its queries, and of what it mixes.
pub(super) fn queries(op: &AttentionOp, part: Part) -> Range<usize> {
    let (heads, width) = (kv_heads(op, part), op.heads / op.kv_heads * op.head_dim);
    heads.start * width..heads.end * width
}

/// The columns of its queries, keys and values in a row of all.
pub(super) fn packed_heads(op: &AttentionOp, part: Part) -> [Range<usize>; 3] {
    let heads = kv_heads(op, part);
    let columns =
        |first: usize| (first + heads.start) * op.head_dim..(first + heads.end) * op.head_dim;
    [
        queries(op, part),
        columns(op.heads),
        columns(op.heads + op.kv_heads),
    ]
}

/// Whether every worker's heads begin and end where panels do.
fn whole_panels(op: &AttentionOp, panel: usize, workers: usize, width: usize) -> bool {
    let whole = |at: usize| at.is_multiple_of(panel) || at == width;
    (0..workers)
        .flat_map(|m| packed_heads(op, (m, workers)))
        .all(|columns| whole(columns.start) && whole(columns.end))
}
