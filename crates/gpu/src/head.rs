//! The output head: logits, losses and their gradients, a few rows at a time, so that the logits of
//! a large vocabulary need not exist all at once.

use gptlab_model::{Op, ParamId, ValueId};

use crate::{
    args,
    dispatch::Dispatch,
    kernel::{Kernel, Product},
    layout::{CHOSEN, LINE, LOSSES, logit_rows},
    steps::{DecodedRows, Steps, WeightGradient},
};

/// The linear map that computes the logits.
#[derive(Clone, Copy)]
struct Head {
    id: ValueId,
    x: ValueId,
    weight: ParamId,
    bias: Option<ParamId>,
}

impl Steps<'_> {
    fn head(&self) -> Option<Head> {
        let id = self.tables.graph.logits();
        let Op::Linear { x, weight, bias } = self.node(id).op else {
            return None;
        };
        Some(Head {
            id,
            x,
            weight,
            bias,
        })
    }

    /// Adds the logits that choose the next token, at the start of the scratch: of the last row of
    /// a window, or of every row of a step.
    pub(crate) fn logits(&mut self) {
        let Some(head) = self.head() else { return };
        let forward = self.linear_args(head.id, head.x, head.weight, head.bias);
        let first = if self.decodes(DecodedRows::Step) {
            0
        } else {
            self.rows.saturating_sub(1)
        };
        let rows = self.rows - first;
        self.product_of_rows(args::Product {
            m: rows as u32,
            left: forward.left + (first * self.width(head.x)) as u32,
            out: self.layout.scratch as u32,
            ..forward
        });
        if self.decoding.is_some_and(|decoding| decoding.chooses) {
            self.choose(rows);
        }
    }

    /// Adds the choice of the tokens after `rows` rows, by their logits in the scratch.
    fn choose(&mut self, rows: usize) {
        let vocab = self.tables.graph.vocab_size();
        let args = args::Choose {
            rows: rows as u32,
            vocab: vocab as u32,
            token_bits: usize::BITS - vocab.saturating_sub(1).leading_zeros(),
            logits: self.layout.scratch as u32,
            rules: self.index.rules,
            chosen: CHOSEN as u32,
        };
        self.push(Dispatch::of_groups(Kernel::Choose, &args, rows));
    }

    /// Adds the losses of all rows, and in training the gradients of the head.
    pub(crate) fn loss(&mut self) {
        let Some(head) = self.head() else { return };
        let id = head.id;
        let block = logit_rows(self.width(id), self.layout.rows);
        for first in (0..self.rows).step_by(block) {
            self.loss_of_rows(head, first, block.min(self.rows - first));
        }
    }

    fn loss_of_rows(&mut self, head: Head, first: usize, rows: usize) {
        let (vocab, width) = (self.width(head.id), self.width(head.x));
        let logits = self.layout.scratch as u32;
        let own = |offset: u32| offset + (first * width) as u32;
        let forward = self.linear_args(head.id, head.x, head.weight, head.bias);
        let product = args::Product {
            m: rows as u32,
            left: own(forward.left),
            out: logits,
            ..forward
        };
        self.product(Product::Forward, product);
        self.cross_entropy(logits, first, rows);
        if !self.trains() {
            return;
        }
        let product = args::Product {
            m: rows as u32,
            n: width as u32,
            k: vocab as u32,
            k_of_part: vocab as u32,
            left: logits,
            left_pitch: vocab as u32,
            right: forward.right,
            right_pitch: width as u32,
            out: own(self.gradient(head.x)),
            bf16: self.tables.bf16,
            ..args::Product::default()
        };
        self.product(Product::BackwardInput, product);
        let scratch = logits + (logit_rows(vocab, self.layout.rows) * vocab) as u32;
        let scratch = scratch.next_multiple_of(LINE as u32);
        self.weight_gradient(WeightGradient {
            dy: logits,
            x: own(forward.left),
            rows,
            out: vocab,
            inp: width,
            parameter: forward.right,
            scratch,
        });
        if let Some(bias) = head.bias {
            let sums = args::ColumnSums {
                rows: rows as u32,
                width: vocab as u32,
                dy: logits,
                parts: scratch,
                ..args::ColumnSums::default()
            };
            self.column_sums(sums, self.tables.parameter(bias));
        }
    }

    /// Adds the losses of logits that the program keeps.
    pub(crate) fn losses_of_logits(&mut self) {
        let logits = self.value(self.tables.graph.logits());
        self.cross_entropy(logits, 0, self.rows);
    }

    fn cross_entropy(&mut self, logits: u32, first: usize, rows: usize) {
        let args = args::CrossEntropy {
            rows: rows as u32,
            vocab: self.tables.graph.vocab_size() as u32,
            logits,
            targets: self.index.targets + first as u32,
            losses: (LOSSES + first) as u32,
            backward: self.trains().into(),
        };
        self.push(Dispatch::of_groups(Kernel::CrossEntropy, &args, rows));
    }
}
