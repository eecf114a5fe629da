//! Where everything lies in the arena: a few scalars, the losses, a program's buffers, and scratch.

use gptlab_engine::program::{BufferId, Placement, Program, Purpose, compile};
use gptlab_model::{Node, Op, ValueId};

use crate::{GpuError, split::Split, tables::GraphTables};

/// The numbers at the start of the arena that kernels leave for each other.
pub(crate) const NORM: u32 = 0;
pub(crate) const CLIP: u32 = 1;
pub(crate) const INVERSE_NORM: u32 = 2;
/// The length of that part, and the numbers at whose multiples buffers begin.
pub(crate) const LINE: usize = 64;
/// The offset of the losses of a chunk's rows.
pub(crate) const LOSSES: usize = LINE;
/// The offset of the tokens that the device has chosen, in a program that decodes.
pub(crate) const CHOSEN: usize = LINE;

/// The most rows of a chunk, where memory allows them: more do not make a large GPU faster.
const MOST_ROWS: usize = 1 << 13;
/// The numbers in a block of logits: a large vocabulary is taken a few rows at a time.
const MOST_LOGITS: usize = 1 << 24;

/// The layout of the arena for a program and at most `rows` rows.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) program: Program,
    pub(crate) rows: usize,
    offsets: Vec<usize>,
    pub(crate) scratch: usize,
    /// The length of the arena in numbers.
    pub(crate) len: usize,
}

impl Layout {
    pub(crate) fn new(tables: &GraphTables, purpose: Purpose, rows: usize) -> Self {
        let logits = logit_rows(tables.graph.vocab_size(), rows);
        Self::with_logits(tables, purpose, rows, logits)
    }

    /// Returns the layout of a program that decodes `rows` rows, and computes the logits of
    /// `logits` of them.
    pub(crate) fn decoding(tables: &GraphTables, rows: usize, logits: usize) -> Self {
        Self::with_logits(tables, Purpose::Decode, rows, logits)
    }

    /// Returns the layout of a program with scratch for the logits of `logits` rows at a time.
    fn with_logits(tables: &GraphTables, purpose: Purpose, rows: usize, logits: usize) -> Self {
        let program = compile(&tables.graph, purpose);
        let first = LINE + rows.next_multiple_of(LINE);
        let Placement { offsets, len } = Placement::new(&program, rows, LINE);
        let scratch = first + len;
        Self {
            offsets: offsets.into_iter().map(|offset| first + offset).collect(),
            scratch,
            len: scratch + scratch_len(tables, purpose, rows, logits),
            program,
            rows,
        }
    }

    /// Returns the most rows that a chunk of a program can have in an arena of `numbers` numbers,
    /// at least the longest sequence's and at most `wanted`.
    pub(crate) fn most_rows(
        tables: &GraphTables,
        purpose: Purpose,
        numbers: usize,
        wanted: Option<usize>,
    ) -> Result<usize, GpuError> {
        let least = tables.graph.block_size();
        let mut rows = wanted.unwrap_or(MOST_ROWS).max(least);
        loop {
            let needed = Self::new(tables, purpose, rows).len;
            if needed <= numbers {
                return Ok(rows);
            }
            if rows == least {
                return Err(too_long(rows, needed, numbers));
            }
            rows = (rows - rows.div_ceil(5)).max(least);
        }
    }

    /// Refuses a layout for a sequence that needs more than an arena of `numbers` numbers.
    pub(crate) fn check(&self, numbers: usize) -> Result<(), GpuError> {
        if self.len <= numbers {
            return Ok(());
        }
        Err(too_long(self.rows, self.len, numbers))
    }

    pub(crate) fn buffer(&self, buffer: BufferId) -> usize {
        self.offsets[buffer.index()]
    }

    /// Returns the offset of a node's value.
    pub(crate) fn value(&self, node: ValueId) -> usize {
        self.program.value(node).map_or(0, |b| self.buffer(b))
    }

    /// Returns the offset of a node's statistics.
    pub(crate) fn statistics(&self, node: ValueId) -> usize {
        self.program.statistics(node).map_or(0, |b| self.buffer(b))
    }

    /// Returns the offset of the gradient of a node's value.
    pub(crate) fn gradient(&self, node: ValueId) -> usize {
        self.program.gradient(node).map_or(0, |b| self.buffer(b))
    }
}

fn too_long(tokens: usize, needed: usize, numbers: usize) -> GpuError {
    GpuError::Limit {
        what: format!("a sequence of {tokens} tokens of this model"),
        needed: format!("{} MiB in one buffer", needed >> 18),
        granted: format!("{} MiB", numbers >> 18),
        remedy: "use a shorter context, fewer layers or a smaller width, or the CPU",
    }
}

/// Returns the rows of a block of logits, of `rows` rows in all.
pub(crate) fn logit_rows(vocab: usize, rows: usize) -> usize {
    (MOST_LOGITS / vocab.max(1)).max(1).min(rows)
}

/// Returns the most scratch that a step of a program needs, with `logits` rows of logits.
fn scratch_len(tables: &GraphTables, purpose: Purpose, rows: usize, logits: usize) -> usize {
    let graph = &tables.graph;
    let backward = match purpose {
        Purpose::Train => true,
        Purpose::Evaluate | Purpose::Observe | Purpose::Decode => false,
    };
    let of_node = |node: &Node| {
        if backward {
            backward_scratch(tables, node, rows)
        } else {
            0
        }
    };
    let most = graph.nodes().iter().map(of_node).max().unwrap_or(0);
    let head = graph.vocab_size() * logits;
    head.next_multiple_of(LINE) + most
}

/// Returns the scratch of the backward step of `node`.
fn backward_scratch(tables: &GraphTables, node: &Node, rows: usize) -> usize {
    let columns = Split::of_columns(rows).parts * node.width;
    match &node.op {
        Op::Linear { x, .. } => {
            Split::weight_scratch(rows, node.width, tables.width(*x)).max(columns)
        }
        Op::Norm { .. } => columns,
        Op::Attention { attention, .. } => rows * attention.heads,
        Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Sinusoid
        | Op::Add { .. }
        | Op::HeadNorm { .. }
        | Op::Rotary { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => 0,
    }
}
