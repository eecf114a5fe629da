//! The products of a linear map, shared with idle threads.

use gptlab_kernels::linear::{self, Direction, Linear, Operand, WeightGrads};

use gptlab_model::ValueId;

use super::{
    chunk::Chunk,
    forward_pass::Mapped,
    pool::{TaskCut, by_rows},
};

/// The fewest multiply-adds that a thread gets: with fewer, the distribution costs more than it
/// saves.
const LEAST: usize = 1 << 20;
/// The fewest numbers that a thread copies, for the same reason.
const LEAST_COPIED: usize = 1 << 15;

/// The gradients of a linear map's parameters, and their operands.
pub(super) struct WeightGradient<'a> {
    pub(super) dw: &'a mut [f32],
    /// Whether dW is added to what is there; else it is set.
    pub(super) accumulate_dw: bool,
    pub(super) dbias: Option<&'a mut [f32]>,
    pub(super) dy: &'a [f32],
    pub(super) x: &'a [f32],
}

impl Chunk<'_> {
    /// Computes y = x Wᵀ + b for the linear `node` and any number of rows.
    pub(super) fn multiply(&self, node: ValueId, mapped: Mapped, scratch: &mut [f32]) {
        let Mapped { y, x, bias } = mapped;
        let map = self.prepared.map(node);
        let weight = self.weight(node, Direction::Forward);
        let n = x.len() / map.inp;
        let (cut, matrices) = (cut(n * map.inp * map.out), [(y, map.out), (x, map.inp)]);
        by_rows(
            self.helpers,
            cut,
            n,
            matrices,
            scratch,
            |rows, [y, x], scratch| {
                map.forward(y, scratch, x, weight, bias, rows.len());
            },
        );
    }

    /// Computes dx = dy W, or dx += dy W if `add`.
    pub(super) fn multiply_back(
        &self,
        node: ValueId,
        dx: &mut [f32],
        dy: &mut [f32],
        add: bool,
        scratch: &mut [f32],
    ) {
        let map = self.prepared.map(node);
        let weight = self.weight(node, Direction::Backward);
        let n = dy.len() / map.out;
        let (cut, matrices) = (cut(n * map.inp * map.out), [(dx, map.inp), (dy, map.out)]);
        by_rows(
            self.helpers,
            cut,
            n,
            matrices,
            scratch,
            |rows, [dx, dy], scratch| {
                map.backward_input(dx, scratch, dy, weight, add, rows.len());
            },
        );
    }

    /// Computes dW = dyᵀ x, and db += the sums of dy if there is a db.
    pub(super) fn multiply_weight(
        &self,
        node: ValueId,
        gradient: WeightGradient,
        scratch: &mut [f32],
    ) {
        let WeightGradient {
            dw,
            accumulate_dw,
            dbias,
            dy,
            x,
        } = gradient;
        let map = self.prepared.map(node);
        let n = x.len() / map.inp;
        let (inputs, scratch) = scratch.split_at_mut(map.inputs_len(n));
        let x = self.inputs(&map, inputs, x, n);
        let biased = dbias.is_some();
        let matrices = [
            (dw, map.inp),
            (dbias.unwrap_or_default(), usize::from(biased)),
        ];
        let cut = cut(n * map.inp * map.out);
        by_rows(
            self.helpers,
            cut,
            map.out,
            matrices,
            scratch,
            |outs, [dw, db], scratch| {
                let grads = WeightGrads {
                    outs,
                    dw,
                    accumulate_dw,
                    dbias: biased.then_some(db),
                };
                map.backward_weight(grads, scratch, dy, x, n);
            },
        );
    }

    /// Returns x as the right operand of dW: packed once in `panels`, unless `panels` is empty.
    fn inputs<'x>(
        &self,
        map: &Linear,
        panels: &'x mut [f32],
        x: &'x [f32],
        n: usize,
    ) -> Operand<'x> {
        if panels.is_empty() {
            return Operand::Plain(x);
        }
        let len = map.inputs_panel_len(n);
        let cut = TaskCut {
            amount: x.len(),
            least: LEAST_COPIED,
            scratch: 0,
        };
        let (count, matrix) = (panels.len() / len, (&mut *panels, len));
        by_rows(
            self.helpers,
            cut,
            count,
            [matrix],
            &mut [],
            |numbers, [panels], _| {
                map.pack_inputs(panels, numbers.start, x, n);
            },
        );
        linear::made(panels)
    }

    /// Returns the weight of the linear `node` for products in `direction`.
    fn weight(&self, node: ValueId, direction: Direction) -> Operand<'_> {
        let (_, weight) = self.prepared.linear(node);
        self.panels.of(weight, direction)
    }
}

/// Returns the cut of a product with `amount` multiply-adds.
fn cut(amount: usize) -> TaskCut {
    TaskCut {
        amount,
        least: LEAST,
        scratch: linear::SCRATCH_LEN,
    }
}
