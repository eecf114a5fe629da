//! The products of a linear map, shared with whoever is idle.

use gptlab_kernels::linear::{self, Direction, Linear, Operand, WeightGrads};

use gptlab_model::ValueId;

use super::{
    chunk::Chunk,
    forward_pass::Mapped,
    pool::{TaskCut, by_rows},
};

/// The multiply-adds that a thread has to be given: fewer would cost more to hand out than they
/// save.
const LEAST: usize = 1 << 20;
/// The same of numbers that are copied.
const LEAST_COPIED: usize = 1 << 15;

/// The gradients of a linear map's parameters, and what they are computed from.
pub(super) struct WeightGradient<'a> {
    pub(super) dw: &'a mut [f32],
    /// Whether dW is added to what is there; else it is set.
    pub(super) accumulate_dw: bool,
    pub(super) dbias: Option<&'a mut [f32]>,
    pub(super) dy: &'a [f32],
    pub(super) x: &'a [f32],
}

impl Chunk<'_> {
    /// y = x Wᵀ + b for the linear `node` and any number of rows.
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

    /// dx = dy W, added to dx where `add`.
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

    /// dW = dyᵀ x, and db += the sums of dy where there is a db.
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

    /// x as the right operand of dW: made ready once in `panels`, unless there are none.
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

    /// The weight of the linear `node` for products in `direction`.
    fn weight(&self, node: ValueId, direction: Direction) -> Operand<'_> {
        let (_, weight) = self.prepared.linear(node);
        self.panels.of(weight, direction)
    }
}

/// How to cut a product of so many multiply-adds.
fn cut(amount: usize) -> TaskCut {
    TaskCut {
        amount,
        least: LEAST,
        scratch: linear::SCRATCH_LEN,
    }
}
