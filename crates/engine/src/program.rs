//! The form of a graph for one purpose, for any device: steps over named buffers.
//!
//! [`compile`] decides, from the facts of the ops alone ([`gptlab_model::OpFacts`]), which steps
//! there are, which buffer each reads and writes and for how long a buffer is needed, which step
//! computes in place, and which write of a gradient comes first and which are added to it. A device
//! places the buffers in its memory and runs the steps; its own choices (tiles, packed weights,
//! fused kernels) do not appear here. A buffer holds `width` numbers for each row (each token).

mod backward;
mod forward;
mod free_list;
mod listing;
mod placement;

use gptlab_model::{Constant, Graph, Node, OpFacts, ParamId, ROTARY_BASE, ValueId, choices};

pub use listing::Listing;
pub use placement::Placement;

/// The purpose of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The program runs forward, loss and backward.
    Train,
    /// The program runs forward and loss.
    Evaluate,
    /// The program runs forward; every value stays readable to the end, including the logits.
    Observe,
    /// The program runs forward, and computes the logits of requested rows outside of the buffers.
    Decode,
}

choices! { Purpose, "purpose":
    Train = "train", "Forward, loss and backward";
    Evaluate = "evaluate", "Forward and loss";
    Observe = "observe", "Forward, with every value kept";
    Decode = "decode", "Forward, and the logits that choose the next token";
}

/// The index of one of a program's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BufferId(usize);

impl BufferId {
    /// Returns the index in [`Program::buffers`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// The content of a buffer at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Value(ValueId),
    /// The statistics that a forward step stores for its backward step.
    Statistics(ValueId),
    /// The gradient of a value.
    Gradient(ValueId),
}

/// Memory for `width` numbers per row, needed from one step to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// The numbers for each row.
    pub width: usize,
    /// The index of the first step that writes it.
    pub first: usize,
    /// The index of the last step that reads or writes it.
    pub last: usize,
    /// The contents of the buffer, one after another, or at once where a sum passes its gradient
    /// on.
    pub contents: Vec<Content>,
}

/// The way in which a step writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// The result replaces what the step reads there. If the numbers stay the same, nothing is
    /// written.
    InPlace,
    /// The buffer holds nothing that is still needed.
    First,
    /// The step adds to what other steps have written.
    Add,
}

/// The work of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The step computes the value of a node.
    Forward(ValueId),
    /// The step computes the logits of the requested rows.
    Logits,
    /// The step computes the logits of every row and their losses, and in a program that trains
    /// also the gradients of the head's input and of its weight.
    Loss,
    /// The step computes the gradients of a node's inputs and parameters.
    Backward(ValueId),
}

/// One step of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The work of the step.
    pub work: Work,
    /// The buffers that the step reads.
    pub reads: Vec<BufferId>,
    /// The buffers that the step writes, and the way in which it writes each.
    pub writes: Vec<(BufferId, Write)>,
    /// The gradients of parameters that the step writes.
    pub param_gradients: Vec<(ParamId, Write)>,
}

/// The steps of a graph for one purpose, and their buffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    purpose: Purpose,
    buffers: Vec<Buffer>,
    steps: Vec<Step>,
    values: Vec<Option<BufferId>>,
    statistics: Vec<Option<BufferId>>,
    gradients: Vec<Option<BufferId>>,
    /// The way in which each node's backward step writes the gradient of each input.
    writes: Vec<Vec<Write>>,
}

/// Compiles `graph` for `purpose`.
pub fn compile(graph: &Graph, purpose: Purpose) -> Program {
    let mut compiler = Compiler::new(graph, purpose);
    compiler.forward();
    compiler.finish_forward();
    match purpose {
        Purpose::Train => compiler.backward(),
        Purpose::Evaluate | Purpose::Observe | Purpose::Decode => {}
    }
    compiler.program
}

impl Program {
    /// Returns the purpose that the program was compiled for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Returns the steps in the order they run.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Returns the buffers in the order in which they are first written.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Returns the buffer of a node's value; `None` for logits that have no buffer.
    pub fn value(&self, node: ValueId) -> Option<BufferId> {
        self.values[node.index()]
    }

    /// Returns the buffer of a node's statistics, if it has any.
    pub fn statistics(&self, node: ValueId) -> Option<BufferId> {
        self.statistics[node.index()]
    }

    /// Returns the buffer of the gradient of a node's value, if it has one.
    pub fn gradient(&self, node: ValueId) -> Option<BufferId> {
        self.gradients[node.index()]
    }

    /// Returns the way in which the backward step of `node` writes the gradient of input `input`.
    pub fn write(&self, node: ValueId, input: usize) -> Write {
        self.writes[node.index()][input]
    }

    /// Returns the program as text, for readers and golden files.
    pub fn listing<'a>(&'a self, graph: &'a Graph) -> Listing<'a> {
        Listing {
            graph,
            program: self,
        }
    }
}

/// Returns the numbers of a constant for sequences of up to `block_size` tokens.
pub fn constant_values(constant: Constant, block_size: usize) -> Vec<f32> {
    match constant {
        Constant::Sinusoids { width } => (0..block_size)
            .flat_map(|t| (0..width).map(move |i| gptlab_model::sinusoid(t, i, width)))
            .collect(),
        Constant::Rotations { head_dim } => {
            let mut table = vec![0.0; constant.len(block_size)];
            let (cos, sin) = table.split_at_mut(constant.len(block_size) / 2);
            gptlab_kernels::rope::fill_table(cos, sin, head_dim, ROTARY_BASE);
            table
        }
        Constant::AlibiSlopes { heads } => gptlab_model::alibi_slopes(heads),
    }
}

/// A program under construction.
struct Compiler<'a> {
    graph: &'a Graph,
    facts: Vec<OpFacts>,
    /// The readers of each node's value, in order; a node that reads it twice is listed twice.
    readers: Vec<Vec<ValueId>>,
    /// Whether a step has written each parameter's gradient.
    written: Vec<bool>,
    program: Program,
}

impl<'a> Compiler<'a> {
    fn new(graph: &'a Graph, purpose: Purpose) -> Self {
        let facts: Vec<OpFacts> = graph.nodes().iter().map(Node::facts).collect();
        let mut readers = vec![Vec::new(); facts.len()];
        for node in graph.ids() {
            for x in &facts[node.index()].inputs {
                readers[x.index()].push(node);
            }
        }
        let inputs = facts.iter().map(|facts| facts.inputs.len());
        Self {
            graph,
            program: Program {
                purpose,
                buffers: Vec::new(),
                steps: Vec::new(),
                values: vec![None; readers.len()],
                statistics: vec![None; readers.len()],
                gradients: vec![None; readers.len()],
                writes: inputs.map(|count| vec![Write::First; count]).collect(),
            },
            written: vec![false; graph.params().iter().len()],
            readers,
            facts,
        }
    }

    fn facts(&self, node: ValueId) -> &OpFacts {
        &self.facts[node.index()]
    }

    fn width(&self, node: ValueId) -> usize {
        self.graph.node(node).width
    }

    /// Adds a buffer that the next step writes.
    fn buffer(&mut self, width: usize) -> BufferId {
        let step = self.program.steps.len();
        self.program.buffers.push(Buffer {
            width,
            first: step,
            last: step,
            contents: Vec::new(),
        });
        BufferId(self.program.buffers.len() - 1)
    }

    /// Records that a buffer holds `content` from the next step on.
    fn hold(&mut self, buffer: BufferId, content: Content) {
        let of_kind = match content {
            Content::Value(_) => &mut self.program.values,
            Content::Statistics(_) => &mut self.program.statistics,
            Content::Gradient(_) => &mut self.program.gradients,
        };
        let (Content::Value(node) | Content::Statistics(node) | Content::Gradient(node)) = content;
        of_kind[node.index()] = Some(buffer);
        self.program.buffers[buffer.index()].contents.push(content);
    }

    /// Appends a step, and extends the lifetimes of the buffers that it reads and writes.
    fn push(&mut self, step: Step) {
        let number = self.program.steps.len();
        let written = step.writes.iter().map(|(buffer, _)| buffer);
        for buffer in step.reads.iter().chain(written) {
            self.program.buffers[buffer.index()].last = number;
        }
        self.program.steps.push(step);
    }
}
