//! Where the values of a row lie while it goes through the model.

use gptlab_model::{Graph, Op};

/// The place of every node's value among the numbers of one row. `n` rows take `n` times as much: a
/// value of `width` at `offset` lies at `n * offset` and is `n * width` long.
#[derive(Debug)]
pub(super) struct Layout {
    /// By node; the head has no place here.
    places: Vec<Place>,
    /// How many numbers a row takes.
    pub(super) len: usize,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: usize,
    width: usize,
}

/// So that every value begins on a cache line.
const LINE: usize = 16;

impl Layout {
    /// A value is forgotten after its last reader, and its place given to the next of its width.
    pub(super) fn new(graph: &Graph) -> Self {
        let nodes = &graph.nodes()[..graph.nodes().len() - 1];
        let last_reader = last_readers(graph);
        let mut layout = Self {
            places: Vec::with_capacity(nodes.len()),
            len: 0,
        };
        let mut free: Vec<Place> = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            let heir = taken_over(&node.op).filter(|x| last_reader[*x] == i);
            let place = match heir {
                Some(x) => layout.places[x],
                None => layout.place(&mut free, node.width),
            };
            layout.places.push(place);
            let mut read: Vec<usize> = node.op.inputs().iter().map(|x| x.index()).collect();
            read.dedup();
            let dead = |x: &usize| last_reader[*x] == i && Some(*x) != heir;
            free.extend(read.into_iter().filter(dead).map(|x| layout.places[x]));
        }
        layout
    }

    /// Every value has a place of its own, the logits too.
    pub(super) fn spread(graph: &Graph) -> Self {
        let mut layout = Self {
            places: Vec::new(),
            len: 0,
        };
        for node in graph.nodes() {
            let place = layout.place(&mut Vec::new(), node.width);
            layout.places.push(place);
        }
        layout
    }

    fn place(&mut self, free: &mut Vec<Place>, width: usize) -> Place {
        if let Some(i) = free.iter().position(|p| p.width == width) {
            return free.swap_remove(i);
        }
        let offset = self.len;
        self.len += width.next_multiple_of(LINE);
        Place { offset, width }
    }

    /// Where the value of `node` lies for `rows` rows.
    pub(super) fn value(&self, node: usize, rows: usize) -> std::ops::Range<usize> {
        let Place { offset, width } = self.places[node];
        offset * rows..(offset + width) * rows
    }
}

/// By node: the last that reads its value.
fn last_readers(graph: &Graph) -> Vec<usize> {
    let mut last = vec![0; graph.nodes().len()];
    for (i, node) in graph.nodes().iter().enumerate() {
        for x in node.op.inputs() {
            last[x.index()] = i;
        }
    }
    last
}

/// The input whose place an op writes its value to, if nobody reads that input later.
fn taken_over(op: &Op) -> Option<usize> {
    match op {
        Op::Add { a, b } => {
            let (first, second) = (a.index(), b.index());
            (first != second).then_some(second)
        }
        Op::Dropout { x, .. } | Op::Rotary { x, .. } | Op::HeadNorm { x, .. } => Some(x.index()),
        Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Sinusoid
        | Op::Norm { .. }
        | Op::Linear { .. }
        | Op::Attention { .. }
        | Op::Activate { .. }
        | Op::Gate { .. } => None,
    }
}
