//! Who of a team computes what of one token: outputs of products, heads of attention.
//!
//! The cut is that of Megatron-LM (Shoeybi et al. 2019), with one change. Heads and hidden units are split, so that a
//! thread keeps queries, keys, values and hidden units to itself until they are mixed; but where Megatron adds partial
//! sums, which would show in the last bits, every output of a product is summed whole, by one thread. What is cut is
//! cut between numbers that do not depend on each other, so no bit shows how. Norms, residual sums, embeddings and small
//! products cost less than telling each other about them: everyone computes them whole.

use std::ops::Range;

use gptlab_kernels::{Isa, packed};
use gptlab_model::{AttentionOp, Graph, Op};

use super::layout::Layout;

/// A product of fewer weights is read in the time that telling its results takes.
const LEAST: usize = 1 << 14;

/// What a team does with each node.
#[derive(Debug)]
pub(super) struct Shares {
    pub(super) members: usize,
    /// By node; `None` where everyone computes all of it.
    by_node: Vec<Option<Share>>,
    /// Where nothing that a token computed is overwritten, so that any part can be made again.
    pub(super) layout: Layout,
    /// The last node of which members tell each other.
    pub(super) last: usize,
}

#[derive(Debug)]
pub(super) struct Share {
    /// By member: the columns it computes, first to last.
    pub(super) columns: Vec<Vec<Range<usize>>>,
    /// Where the others read them too.
    pub(super) told: Option<Told>,
}

/// What members tell each other.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// How often they have told each other something before, in the same token.
    pub(super) turn: u64,
    /// The nodes since they were last told something.
    pub(super) since: Range<usize>,
    /// How many weights those have.
    pub(super) weights: usize,
}

impl Shares {
    /// For up to `threads` threads; `None` where one is as fast.
    pub(super) fn new(graph: &Graph, isa: Isa, threads: usize) -> Option<Self> {
        let members = threads.min(most_members(graph));
        if members < 2 {
            return None;
        }
        let (panel, mut first, mut turn) = (packed::panel(isa), 0, 0);
        let shares: Vec<Option<Share>> = (0..graph.nodes().len())
            .map(|node| {
                let columns = columns(graph, node, panel, members)?;
                let told = (!read_in_parts(graph, node, panel, members)).then(|| {
                    let since = first..node + 1;
                    first = node + 1;
                    let weights = since.clone().map(|n| weights(graph, n)).sum();
                    turn += 1;
                    Told {
                        turn: turn - 1,
                        since,
                        weights,
                    }
                });
                Some(Share { columns, told })
            })
            .collect();
        let tells = |share: &Option<Share>| share.as_ref().is_some_and(|s| s.told.is_some());
        let last = shares.iter().rposition(tells)?;
        Some(Self {
            members,
            by_node: shares,
            layout: Layout::spread(graph),
            last,
        })
    }

    /// `None` where everyone computes all of a node.
    pub(super) fn of(&self, node: usize) -> Option<&Share> {
        self.by_node[node].as_ref()
    }
}

fn weights(graph: &Graph, node: usize) -> usize {
    let weight = graph.nodes()[node].linear().map(|(_, weight)| weight);
    weight.map_or(0, |w| graph.params().get(w).range().len())
}

/// So many that the largest product is still worth cutting, and each has a head.
fn most_members(graph: &Graph) -> usize {
    let all = 0..graph.nodes().len();
    let largest = all.map(|node| weights(graph, node)).max();
    let attentions = graph.nodes().iter().filter_map(|n| n.attention());
    let heads = attentions.map(|(_, op)| op.kv_heads).min();
    (largest.unwrap_or(0) / LEAST).min(heads.unwrap_or(1))
}

/// By member: the columns of a node that it computes.
fn columns(
    graph: &Graph,
    node: usize,
    panel: usize,
    members: usize,
) -> Option<Vec<Vec<Range<usize>>>> {
    let n = &graph.nodes()[node];
    match &n.op {
        Op::Linear { .. } if weights(graph, node) < LEAST => None,
        Op::Linear { .. } => Some(match heads_of(graph, node) {
            Some(op) if whole_panels(op, panel, members, n.width) => {
                by_member(members, |m| packed_heads(op, (m, members)).to_vec())
            }
            Some(_) | None => by_member(members, |m| vec![cut(n.width, panel, members, m)]),
        }),
        Op::Activate { .. } | Op::Gate { .. } if is_cut(graph, &n.op) => {
            Some(by_member(members, |m| {
                vec![cut(n.width, panel, members, m)]
            }))
        }
        Op::Attention { attention, .. } => Some(by_member(members, |m| {
            vec![queries(attention, (m, members))]
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

fn by_member<T>(members: usize, part: impl Fn(usize) -> T) -> Vec<T> {
    (0..members).map(part).collect()
}

/// A member's columns of `width`, in whole panels.
fn cut(width: usize, panel: usize, members: usize, member: usize) -> Range<usize> {
    let bound = |m: usize| (width.div_ceil(panel) * m / members * panel).min(width);
    bound(member)..bound(member + 1)
}

/// Whether every reader of a node wants the columns of its own member alone.
fn read_in_parts(graph: &Graph, node: usize, panel: usize, members: usize) -> bool {
    let n = &graph.nodes()[node];
    let by_heads = heads_of(graph, node)
        .is_some_and(|op| n.linear().is_some() && whole_panels(op, panel, members, n.width));
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

/// Whether every member's heads begin and end where panels do.
fn whole_panels(op: &AttentionOp, panel: usize, members: usize, width: usize) -> bool {
    let whole = |at: usize| at.is_multiple_of(panel) || at == width;
    (0..members)
        .flat_map(|m| packed_heads(op, (m, members)))
        .all(|columns| whole(columns.start) && whole(columns.end))
}
