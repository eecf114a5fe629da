//! The output head and the loss, fused: only a few rows of logits exist at a time, in scratch.

use gptlab_kernels::cross_entropy;

use super::{
    chunk::{Chunk, Loss},
    forward_pass::{ForwardPass, Mapped, parts},
    pool::{MatrixRows, TaskCut, by_rows},
    products::WeightGradient,
    workspace::Workspace,
};

/// The approximate number of logits at a time: 1 MiB of them stay in a core's second-level cache.
const LOGITS: usize = 1 << 18;

/// Returns the number of rows of logits at a time, which depends on the shape alone. If a few rows
/// of logits already exceed a cache, it is large enough to make reading the head's weight worth it.
pub(super) fn tile(vocab_size: usize) -> usize {
    let rows = LOGITS / vocab_size;
    if rows < 64 { 256 } else { rows.min(256) }
}

impl Chunk<'_> {
    /// Writes the loss of each row, in nats, to `losses`.
    pub(super) fn losses(&self, work: &mut Workspace, loss: Loss) {
        let Loss { targets, losses } = loss;
        let node = self.prepared.graph.logits();
        let (x, _) = self.prepared.linear(node);
        let (inp, vocab) = (self.width(x), self.width(node));
        let Workspace { arena, scratch } = work;
        let x = &mut arena[self.value(x)];
        let tile = tile(vocab);
        let rows = x
            .chunks_mut(tile * inp)
            .zip(targets.chunks(tile))
            .zip(losses.chunks_mut(tile));
        for ((x, targets), losses) in rows {
            let (logits, scratch) = scratch.split_at_mut(targets.len() * vocab);
            let mapped = Mapped {
                y: &mut *logits,
                x: &mut *x,
                bias: None,
            };
            self.multiply(node, mapped, scratch);
            let matrices = [(logits, vocab), (losses, 1)];
            self.by_targets(targets, matrices, |[logits, losses], targets| {
                cross_entropy::forward(self.isa(), Some(losses), logits, targets, vocab);
            });
        }
    }

    /// Writes the loss of each row, and computes the gradients of `scale` times their sum: the one
    /// of the head's weight is added to `dw`, and the one of its input is written to its place in
    /// the plan.
    pub(super) fn losses_backward(
        &self,
        work: &mut Workspace,
        loss: Loss,
        scale: f32,
        dw: &mut [f32],
    ) {
        let Loss { targets, losses } = loss;
        let node = self.prepared.graph.logits();
        let (x, weight) = self.prepared.linear(node);
        let (inp, vocab) = (self.width(x), self.width(node));
        let Workspace { arena, scratch } = work;
        let [dx, x] = parts(arena, [self.gradient(x), self.value(x)]);
        let dweight = self.prepared.part_mut(dw, weight);
        let tile = tile(vocab);
        let rows = dx.chunks_mut(tile * inp).zip(x.chunks_mut(tile * inp));
        let mut accumulate_dw = !(self.fresh && self.plan.sets(node));
        for ((dx, x), (targets, losses)) in
            rows.zip(targets.chunks(tile).zip(losses.chunks_mut(tile)))
        {
            let (logits, scratch) = scratch.split_at_mut(targets.len() * vocab);
            let mapped = Mapped {
                y: &mut *logits,
                x: &mut *x,
                bias: None,
            };
            self.multiply(node, mapped, scratch);
            let matrices = [(&mut *logits, vocab), (losses, 1)];
            self.by_targets(targets, matrices, |[logits, losses], targets| {
                let losses = Some(losses);
                cross_entropy::forward_backward(self.isa(), losses, logits, targets, scale, vocab);
            });
            let gradient = WeightGradient {
                dw: &mut *dweight,
                accumulate_dw,
                dbias: None,
                dy: logits,
                x,
            };
            self.multiply_weight(node, gradient, scratch);
            accumulate_dw = true;
            self.multiply_back(node, dx, logits, false, scratch);
        }
    }

    /// Cuts the rows of logits, and the losses and targets, into parts.
    fn by_targets(
        &self,
        targets: &[u32],
        matrices: [MatrixRows; 2],
        work: impl Fn([&mut [f32]; 2], &[u32]) + Sync,
    ) {
        let cut = TaskCut {
            amount: matrices[0].0.len(),
            least: 1 << 14,
            scratch: 0,
        };
        by_rows(
            self.helpers,
            cut,
            targets.len(),
            matrices,
            &mut [],
            |rows, parts, _| {
                work(parts, &targets[rows]);
            },
        );
    }
}
