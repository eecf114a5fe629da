//! What a graph becomes for one purpose, whatever device runs it: steps over named buffers.
//!
//! [`compile`] decides, from the facts of the ops alone ([`gptlab_model::OpFacts`]), which steps
//! there are, which buffer each reads and writes and for how long a buffer is needed, which step
//! computes in place, and which write of a gradient comes first and which are added to it. A device
//! places the buffers in its memory and runs the steps; what else it does (tiles, packed weights,
//! kernels that are fused) is its own affair. A buffer holds `width` numbers for each row (each
//! token).

mod backward;
mod forward;
mod listing;

use gptlab_model::{Constant, Graph, Node, OpFacts, ParamId, ROTARY_BASE, ValueId, choices};

pub use listing::Listing;

/// What a program is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Forward, loss and backward.
    Train,
    /// Forward and loss.
    Evaluate,
    /// Forward; every value stays readable to the end, the logits among them.
    Observe,
    /// Forward, and the logits of the rows that are asked for, outside of the buffers.
    Decode,
}

choices! { Purpose, "purpose":
    Train = "train", "Forward, loss and backward";
    Evaluate = "evaluate", "Forward and loss";
    Observe = "observe", "Forward, with every value kept";
    Decode = "decode", "Forward, and the logits that choose the next token";
}

/// Which of a program's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BufferId(usize);

impl BufferId {
    pub fn index(self) -> usize {
        self.0
    }
}

/// What a buffer holds for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Value(ValueId),
    /// What a forward leaves for its backward beside its value.
    Statistics(ValueId),
    /// The gradient of a value.
    Gradient(ValueId),
}

/// Memory for `width` numbers a row, needed from one step to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    pub width: usize,
    /// The step that writes it first.
    pub first: usize,
    /// The last step that reads or writes it.
    pub last: usize,
    /// What it holds, one after another or, where a sum hands its gradient on, at once.
    pub contents: Vec<Content>,
}

/// How a step writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// What is written replaces what the step reads there. Where the numbers stay the same, nothing
    /// is written.
    InPlace,
    /// Nobody has written there before, or what was written is not needed any more.
    First,
    /// The step adds to what others have written.
    Add,
}

/// The work of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// The value of a node.
    Forward(ValueId),
    /// The logits of the rows that are asked for.
    Logits,
    /// The logits of every row and their losses; in a program that trains also the gradients of the
    /// head's input and of its weight.
    Loss,
    /// The gradients of a node's inputs and parameters.
    Backward(ValueId),
}

/// What is done at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub work: Work,
    pub reads: Vec<BufferId>,
    pub writes: Vec<(BufferId, Write)>,
    /// The gradients of parameters that it writes.
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
    /// By node and input: how its backward writes the input's gradient.
    writes: Vec<Vec<Write>>,
}

/// Makes the program of `graph` for `purpose`.
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
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// In the order they run.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// In the order in which they are first written.
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Where the value of a node is; nothing for logits that have no buffer.
    pub fn value(&self, node: ValueId) -> Option<BufferId> {
        self.values[node.index()]
    }

    /// Where a node's statistics are, if it keeps any.
    pub fn statistics(&self, node: ValueId) -> Option<BufferId> {
        self.statistics[node.index()]
    }

    /// Where the gradient of a node's value is, if it has one.
    pub fn gradient(&self, node: ValueId) -> Option<BufferId> {
        self.gradients[node.index()]
    }

    /// How the backward of `node` writes the gradient of its input number `input`.
    pub fn write(&self, node: ValueId, input: usize) -> Write {
        self.writes[node.index()][input]
    }

    /// The program as text: what a person reads, and what golden files hold.
    pub fn listing<'a>(&'a self, graph: &'a Graph) -> Listing<'a> {
        Listing {
            graph,
            program: self,
        }
    }
}

/// The numbers of a constant for sequences of up to `block_size` tokens.
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

/// A program that is being written.
struct Compiler<'a> {
    graph: &'a Graph,
    facts: Vec<OpFacts>,
    /// Who reads each node's value, in order; one that reads it twice stands there twice.
    readers: Vec<Vec<ValueId>>,
    /// By parameter: whether a step has written its gradient.
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

    /// A new buffer that the next step writes.
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

    /// Has a buffer hold `content` from the next step on.
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

    /// Appends a step, which needs all that it reads and writes.
    fn push(&mut self, step: Step) {
        let number = self.program.steps.len();
        let written = step.writes.iter().map(|(buffer, _)| buffer);
        for buffer in step.reads.iter().chain(written) {
            self.program.buffers[buffer.index()].last = number;
        }
        self.program.steps.push(step);
    }
}
