//! A program's steps as dispatches, for a chunk of so many rows, or for rows that are decoded.

use gptlab_engine::program::{Purpose, Step, Work, Write};
use gptlab_model::{Node, ValueId};

use crate::{
    args::{self, Args},
    cache::CacheLayout,
    chunks::IndexLayout,
    dispatch::Dispatch,
    kernel::{Kernel, Product},
    layout::Layout,
    matrix_units::MatrixUnits,
    split::{Split, TILE},
    tables::GraphTables,
};

/// Turns steps into dispatches.
pub(crate) struct Steps<'a> {
    pub(crate) tables: &'a GraphTables,
    pub(crate) layout: &'a Layout,
    pub(crate) index: IndexLayout,
    /// The rows of the chunk.
    pub(crate) rows: usize,
    /// How the rows are decoded, in a program that decodes.
    pub(crate) decoding: Option<Decoding<'a>>,
    dispatches: Vec<Dispatch>,
}

/// How the rows of a program that decodes go through the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoding<'a> {
    pub(crate) cache: &'a CacheLayout,
    pub(crate) rows: DecodedRows,
    /// Whether the next tokens are chosen, by the rules among the indices.
    pub(crate) chooses: bool,
}

/// The rows that are decoded together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecodedRows {
    /// The last tokens of one text, as a sequence; the logits after the last one are wanted.
    Window,
    /// The next token of each of some texts, which attends to the cache of its text; the logits
    /// after every one are wanted.
    Step,
}

impl<'a> Steps<'a> {
    pub(crate) fn new(tables: &'a GraphTables, layout: &'a Layout, rows: usize) -> Self {
        Self {
            tables,
            layout,
            index: IndexLayout::new(&tables.graph, layout.rows),
            rows,
            decoding: None,
            dispatches: Vec::new(),
        }
    }

    /// Turns the steps of a program that decodes into dispatches.
    pub(crate) fn decoding(
        tables: &'a GraphTables,
        layout: &'a Layout,
        rows: usize,
        decoding: Decoding<'a>,
    ) -> Self {
        Self {
            tables,
            layout,
            index: IndexLayout::decoding(layout.rows),
            rows,
            decoding: Some(decoding),
            dispatches: Vec::new(),
        }
    }

    /// Returns the dispatches of all steps of the program.
    pub(crate) fn all(mut self) -> Vec<Dispatch> {
        let layout = self.layout;
        for step in layout.program.steps() {
            self.step(step);
        }
        self.dispatches
    }

    /// Returns the dispatches of the forward step of one node.
    pub(crate) fn of_node(mut self, node: ValueId) -> Vec<Dispatch> {
        self.forward(node);
        self.dispatches
    }

    /// Returns the dispatches of the losses of logits that have a buffer.
    pub(crate) fn of_losses(mut self) -> Vec<Dispatch> {
        self.losses_of_logits();
        self.dispatches
    }

    fn step(&mut self, step: &Step) {
        match step.work {
            Work::Forward(node) => self.forward(node),
            Work::Backward(node) => self.backward(node),
            Work::Loss => self.loss(),
            Work::Logits => self.logits(),
        }
    }

    pub(crate) fn trains(&self) -> bool {
        match self.layout.program.purpose() {
            Purpose::Train => true,
            Purpose::Evaluate | Purpose::Observe | Purpose::Decode => false,
        }
    }

    pub(crate) fn node(&self, id: ValueId) -> &'a Node {
        self.tables.graph.node(id)
    }

    pub(crate) fn width(&self, id: ValueId) -> usize {
        self.tables.width(id)
    }

    /// Returns the offset of a node's value.
    pub(crate) fn value(&self, id: ValueId) -> u32 {
        self.layout.value(id) as u32
    }

    pub(crate) fn statistics(&self, id: ValueId) -> u32 {
        self.layout.statistics(id) as u32
    }

    /// Returns the offset of the gradient of a node's value.
    pub(crate) fn gradient(&self, id: ValueId) -> u32 {
        self.layout.gradient(id) as u32
    }

    pub(crate) fn rows32(&self) -> u32 {
        self.rows as u32
    }

    /// Returns how the backward step of `node` writes the gradient of input `input`.
    pub(crate) fn write(&self, node: ValueId, input: usize) -> Write {
        self.layout.program.write(node, input)
    }

    pub(crate) fn push(&mut self, dispatch: Dispatch) {
        self.dispatches.push(dispatch);
    }

    /// Adds a dispatch of a thread for each number.
    pub(crate) fn each(&mut self, kernel: Kernel, args: &dyn Args, threads: usize) {
        self.push(Dispatch::of_threads(kernel, args, threads));
    }

    /// Adds a product of `[m, k]` and `[k, n]`.
    pub(crate) fn product(&mut self, form: Product, args: args::Product) {
        self.push(product(form, args, self.tables.units));
    }

    /// Adds `dy^T x` over `rows` rows to the gradient of a weight, in parts that use `scratch`.
    pub(crate) fn weight_gradient(&mut self, gradient: WeightGradient) {
        let WeightGradient {
            dy,
            x,
            rows,
            out,
            inp,
            parameter,
            scratch,
        } = gradient;
        let split = Split::of_weight(rows, out, inp);
        let whole = args::Product {
            m: out as u32,
            n: inp as u32,
            k: rows as u32,
            k_of_part: split.rows as u32,
            left: dy,
            left_pitch: out as u32,
            right: x,
            right_pitch: inp as u32,
            out: parameter,
            bf16: self.tables.bf16,
            ..args::Product::default()
        };
        if split.parts == 1 {
            self.product(Product::BackwardWeight, whole);
            return;
        }
        let in_parts = args::Product {
            out: scratch,
            ..whole
        };
        self.product(Product::TransposedLeft, in_parts);
        self.sum_parts(out * inp, split.parts, scratch, parameter);
    }

    /// Adds the sums over rows of `sums.dy`, which may be multiplied by a normed input, to the
    /// gradient of a vector.
    pub(crate) fn column_sums(&mut self, sums: args::ColumnSums, parameter: u32) {
        let (rows, width) = (sums.rows as usize, sums.width as usize);
        let split = Split::of_columns(rows);
        let args = args::ColumnSums {
            block: split.rows as u32,
            ..sums
        };
        let groups = [width.div_ceil(64), split.parts, 1];
        self.push(Dispatch::new(Kernel::ColumnSums, &args, groups));
        self.sum_parts(width, split.parts, sums.parts, parameter);
    }

    fn sum_parts(&mut self, count: usize, parts: usize, first: u32, parameter: u32) {
        let args = args::SumParts {
            count: count as u32,
            parts: parts as u32,
            first,
            parameter,
        };
        self.each(Kernel::SumParts, &args, count);
    }
}

/// The gradient of a weight `[out, inp]`: offsets and sizes of its operands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WeightGradient {
    pub(crate) dy: u32,
    pub(crate) x: u32,
    pub(crate) rows: usize,
    pub(crate) out: usize,
    pub(crate) inp: usize,
    pub(crate) parameter: u32,
    pub(crate) scratch: u32,
}

/// Returns a dispatch of a product by one of `units`, if it can: a group for each tile and part.
pub(crate) fn product(form: Product, args: args::Product, units: MatrixUnits) -> Dispatch {
    let tiles = |n: u32| (n as usize).div_ceil(TILE);
    let parts = args.k.div_ceil(args.k_of_part.max(1)) as usize;
    let groups = [tiles(args.n), tiles(args.m), parts];
    let unit = units.unit(args.bf16 == 1);
    Dispatch::new(Kernel::Product(form, unit), &args, groups)
}

/// Returns 1 where a result is added to what is there, 0 where it replaces that.
pub(crate) fn adds(write: Write) -> u32 {
    match write {
        Write::Add => 1,
        Write::First | Write::InPlace => 0,
    }
}
