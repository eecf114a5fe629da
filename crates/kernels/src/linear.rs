//! The affine map of a layer: y[n, out] = x[n, inp] Wᵀ + b with W[out, inp], the layout of
//! PyTorch's `Linear`; dx = dy W, dW += dyᵀ x, db += the column sums of dy.
//!
//! **One order of sums.** Every element is its start (the bias, zero, or what was there) plus its
//! products in the order of the sum, one multiply-add after another. So its bits do not depend on
//! how rows, outputs or inputs are split among calls, nor on whether W comes as it is or in panels;
//! dW after two calls with half of the rows each is dW after one call with all of them. The same
//! holds in bf16, except for subnormal operands, which [`crate::Kind::Avx512Bf16`] treats as zero.
//! (The instruction is defined so; the test `bf16_is_the_same_…` checks it.)
//!
//! **bf16.** Operands are rounded to the nearest bf16, ties to even, when they are copied for the
//! product; products are exact and sums are f32. NaN and infinity stay what they are.
//!
//! On one core of a Zen 5 server, 256 rows of 128 x 384 with W in panels, including the copies of
//! the other operand, reach in f32 250 (y), 250 (dx) and 238 (dW) GFLOP/s of the 250 that
//! multiply-adds alone reach, and in bf16 470, 460 and 425 of 495. Plain W costs 3 in a hundred in
//! f32, 6 in bf16. AVX2 reaches 115 and portable code 36, in both precisions.

mod bias_gradient;
pub mod naive;
pub(crate) mod pack_operands;
mod pack_weight_rows;
mod product;
mod right_panel;
#[cfg(test)]
mod tests;
mod tile;

use crate::element::{self, Element, products, words_mut};
use crate::isa::{Isa, dispatch};
use crate::operand_type::OperandType;
use crate::simd::Simd;
use bias_gradient::add_rows;
use core::ops::Range;
use pack_operands::Unpacked;
use product::{RightOperand, Sizes, product};
use right_panel::PANEL;
use tile::Start;

pub use pack_weight_rows::PanelRows;

/// How many floats of scratch every product needs, whatever its size.
pub const SCRATCH_LEN: usize = product::SCRATCH_LEN;

/// A linear map of `inp` inputs and `out` outputs, and how its products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linear {
    pub isa: Isa,
    pub precision: OperandType,
    pub inp: usize,
    pub out: usize,
}

/// The product that panels of W are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// y = x Wᵀ: sums over inputs.
    Forward,
    /// dx = dy W: sums over outputs.
    Backward,
}

impl Direction {
    /// Both directions.
    pub const ALL: [Self; 2] = [Self::Forward, Self::Backward];
}

/// The right operand of a product: W[out, inp] or, for dW, x[n, inp]. It comes as it is, or as the
/// panels that [`Linear::pack`] or [`Linear::pack_inputs`] made of it. Both give the same bits;
/// panels are faster where several calls use one operand, or many rows do.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    Plain(&'a [f32]),
    Panels(&'a [u32]),
}

/// The gradients of W and b that one call computes: those of the outputs `outs`, so that threads
/// may share a product.
#[derive(Debug)]
pub struct WeightGrads<'a> {
    /// Rows of dW[out, inp].
    pub outs: Range<usize>,
    /// dW[outs, inp], which is written.
    pub dw: &'a mut [f32],
    /// Whether dW is added to instead.
    pub accumulate_dw: bool,
    /// db[outs], which is added to.
    pub dbias: Option<&'a mut [f32]>,
}

impl Linear {
    /// Returns how many panels hold W in this direction.
    pub fn panels(&self, direction: Direction) -> usize {
        self.sides(direction).0.div_ceil(PANEL)
    }

    /// Returns how many words one panel has.
    pub fn panel_len(&self, direction: Direction) -> usize {
        let steps = self.sides(direction).1;
        PANEL * products!(self.isa, self.precision, (s, e) => product::words_of((s, e), steps))
    }

    /// Returns how many words hold W in this direction. Products are fastest where the panels begin
    /// on a cache line (64 bytes).
    pub fn panels_len(&self, direction: Direction) -> usize {
        self.panels(direction) * self.panel_len(direction)
    }

    /// Copies W into as many whole panels as `panels` holds, the first of them being number
    /// `first`: threads may share the work. (Panels are for one instruction set: they are never
    /// stored.)
    pub fn pack(&self, direction: Direction, panels: &mut [u32], first: usize, w: &[f32]) {
        assert!(w.len() == self.out * self.inp, "linear sizes");
        let len = self.panel_len(direction).max(1);
        assert!(panels.len().is_multiple_of(len), "part of a panel");
        assert!(
            first + panels.len() / len <= self.panels(direction),
            "more panels than W has"
        );
        products!(self.isa, self.precision, (s, e) => self.pack_with((s, e), direction, panels, first, w));
    }

    /// Returns how many floats of scratch the panels of x[n, inp] need that serve all rows of dW:
    /// none where these are so few that no panel would be made twice.
    pub fn inputs_len(&self, n: usize) -> usize {
        let rows = products!(self.isa, self.precision, (s, e) => product::rows_at_once((s, e)));
        if self.out > rows {
            self.inputs(n).panels_len(Direction::Backward)
        } else {
            0
        }
    }

    /// Returns how many floats of scratch one of these panels needs.
    pub fn inputs_panel_len(&self, n: usize) -> usize {
        self.inputs(n).panel_len(Direction::Backward)
    }

    /// Copies x[n, inp] into as many whole panels of dW's right operand as `panels` holds, from
    /// number `first` on.
    pub fn pack_inputs(&self, panels: &mut [f32], first: usize, x: &[f32], n: usize) {
        self.inputs(n)
            .pack(Direction::Backward, words_mut(panels), first, x);
    }

    /// x[n, inp] is to dW = dyᵀ x what a weight of `n` outputs is to dx = dy W.
    fn inputs(&self, n: usize) -> Self {
        Self { out: n, ..*self }
    }

    #[inline(always)]
    fn pack_with<S: Simd, E: Element<S>>(
        &self,
        (s, e): (S, E),
        direction: Direction,
        panels: &mut [u32],
        first: usize,
        w: &[f32],
    ) {
        let (columns, steps) = self.sides(direction);
        let len = self.panel_len(direction).max(1);
        for (panel, p) in panels.chunks_exact_mut(len).zip(first..) {
            let column = p * PANEL;
            let lines = column..columns.min(column + PANEL);
            self.unpacked(direction, w)
                .pack((s, e), panel, lines, 0..steps);
        }
    }

    /// y[n, out] = x[n, inp] Wᵀ + b.
    pub fn forward(
        &self,
        y: &mut [f32],
        scratch: &mut [f32],
        x: &[f32],
        weight: Operand<'_>,
        bias: Option<&[f32]>,
        n: usize,
    ) {
        assert!(
            y.len() == n * self.out && x.len() == n * self.inp,
            "linear sizes"
        );
        assert!(
            bias.is_none_or(|bias| bias.len() == self.out),
            "bias is not [out]"
        );
        let start = bias.map_or(Start::Zero, Start::Bias);
        let x = Unpacked::Along {
            data: x,
            stride: self.inp,
        };
        let w = self.right_operand(Direction::Forward, weight);
        let sizes = Sizes {
            rows: n,
            columns: self.out,
            steps: self.inp,
        };
        self.run(y, scratch, start, x, w, sizes);
    }

    /// dx[n, inp] = dy[n, out] W, added to dx where `accumulate`.
    pub fn backward_input(
        &self,
        dx: &mut [f32],
        scratch: &mut [f32],
        dy: &[f32],
        weight: Operand<'_>,
        accumulate: bool,
        n: usize,
    ) {
        assert!(
            dx.len() == n * self.inp && dy.len() == n * self.out,
            "linear sizes"
        );
        let start = start_of(accumulate);
        let dy = Unpacked::Along {
            data: dy,
            stride: self.out,
        };
        let w = self.right_operand(Direction::Backward, weight);
        let sizes = Sizes {
            rows: n,
            columns: self.inp,
            steps: self.out,
        };
        self.run(dx, scratch, start, dy, w, sizes);
    }

    /// dW[out, inp] = dyᵀ x and db += the column sums of dy, of the outputs that `grads` holds,
    /// with x[n, inp] and all of dy[n, out]. The sums of db are f32, in the order of the rows.
    pub fn backward_weight(
        &self,
        grads: WeightGrads<'_>,
        scratch: &mut [f32],
        dy: &[f32],
        x: Operand<'_>,
        n: usize,
    ) {
        let WeightGrads {
            outs,
            dw,
            accumulate_dw,
            dbias,
        } = grads;
        assert!(
            dw.len() == outs.len() * self.inp && outs.end <= self.out,
            "dW is not [outs, inp]"
        );
        assert!(dy.len() == n * self.out, "linear sizes");
        assert!(
            dbias.as_ref().is_none_or(|db| db.len() == outs.len()),
            "dbias is not [outs]"
        );
        if n == 0 && !accumulate_dw {
            dw.fill(0.0);
        }
        if n == 0 || outs.is_empty() {
            return;
        }
        let dy = &dy[outs.start..];
        if let Some(dbias) = dbias {
            dispatch!(self.isa, s => add_rows(s, dbias, dy, self.out, n));
        }
        let dy = Unpacked::Across {
            data: dy,
            stride: self.out,
        };
        let x = self.inputs(n).right_operand(Direction::Backward, x);
        let sizes = Sizes {
            rows: outs.len(),
            columns: self.inp,
            steps: n,
        };
        self.run(dw, scratch, start_of(accumulate_dw), dy, x, sizes);
    }

    /// C = start + A B. Products are compiled here and nowhere else, once for each instruction set
    /// and precision.
    fn run(
        &self,
        c: &mut [f32],
        scratch: &mut [f32],
        start: Start<'_>,
        a: Unpacked<'_>,
        b: RightOperand<'_>,
        sizes: Sizes,
    ) {
        assert!(
            scratch.len() >= SCRATCH_LEN,
            "scratch is shorter than SCRATCH_LEN"
        );
        let scratch = words_mut(scratch);
        products!(self.isa, self.precision, (s, e) => product((s, e), c, scratch, start, a, b, sizes));
    }

    /// Returns how many columns the product has, and how many steps its sum.
    fn sides(&self, direction: Direction) -> (usize, usize) {
        match direction {
            Direction::Forward => (self.out, self.inp),
            Direction::Backward => (self.inp, self.out),
        }
    }

    fn unpacked<'a>(&self, direction: Direction, w: &'a [f32]) -> Unpacked<'a> {
        let (data, stride) = (w, self.inp);
        match direction {
            Direction::Forward => Unpacked::Along { data, stride },
            Direction::Backward => Unpacked::Across { data, stride },
        }
    }

    fn right_operand<'a>(&self, direction: Direction, weight: Operand<'a>) -> RightOperand<'a> {
        match weight {
            Operand::Plain(w) => {
                assert!(w.len() == self.out * self.inp, "linear sizes");
                RightOperand::Plain(self.unpacked(direction, w))
            }
            Operand::Panels(panels) => {
                assert!(
                    panels.len() == self.panels_len(direction),
                    "not panels of this W"
                );
                RightOperand::Panels(panels)
            }
        }
    }
}

/// Returns what a product without a bias starts from.
fn start_of(accumulate: bool) -> Start<'static> {
    if accumulate {
        Start::Accumulate
    } else {
        Start::Zero
    }
}

/// Returns the panels that [`Linear::pack_inputs`] made in scratch as an operand.
pub fn made(panels: &[f32]) -> Operand<'_> {
    Operand::Panels(element::words(panels))
}

/// db[out] += the column sums of dy, rows in order.
pub fn backward_bias(isa: Isa, dbias: &mut [f32], dy: &[f32], n: usize, out: usize) {
    assert!(dbias.len() == out && dy.len() == n * out, "linear sizes");
    dispatch!(isa, s => add_rows(s, dbias, dy, out, n));
}
