//! The head and the loss, fused: logits exist for a few rows at a time, in scratch.

use gptlab_kernels::{cross_entropy, linear};
use gptlab_model::{Graph, Op, ParamId};

use super::chunk::{Chunk, Workspace, parts};

/// About how many logits exist at once: 1 MiB of them stay in a core's second-level cache.
const LOGITS: usize = 1 << 18;

/// What the last node reads, and its weight.
pub(super) fn head(graph: &Graph) -> (usize, ParamId) {
    match graph.node(graph.logits()).op {
        Op::Linear { x, weight, .. } => (x.index(), weight),
        Op::TokenEmbedding { .. }
        | Op::PositionEmbedding { .. }
        | Op::Sinusoid
        | Op::Add { .. }
        | Op::Norm { .. }
        | Op::HeadNorm { .. }
        | Op::Rotary { .. }
        | Op::Attention { .. }
        | Op::Activate { .. }
        | Op::Gate { .. }
        | Op::Dropout { .. } => unreachable!("`lower` ends every graph with the head"),
    }
}

/// How many rows of logits are made at a time: decided by shape alone.
pub(super) fn tile(vocab_size: usize) -> usize {
    (LOGITS / vocab_size).clamp(16, 256)
}

impl Chunk<'_> {
    /// The loss of each row in nats, into `losses`.
    pub(super) fn losses(&self, work: &mut Workspace, targets: &[u32], losses: &mut [f32]) {
        let (x, weight) = head(&self.program.graph);
        let (inp, vocab) = (
            self.width(x),
            self.program.graph.node(self.program.graph.logits()).width,
        );
        let x = &work.arena[self.value(x)];
        let tile = tile(vocab);
        let rows = x
            .chunks(tile * inp)
            .zip(targets.chunks(tile))
            .zip(losses.chunks_mut(tile));
        for ((x, targets), losses) in rows {
            let (logits, scratch) = work.scratch.split_at_mut(targets.len() * vocab);
            let size = (targets.len(), inp, vocab);
            linear::forward(
                self.isa(),
                logits,
                scratch,
                x,
                self.part(weight),
                None,
                size,
            );
            cross_entropy::forward(self.isa(), Some(losses), logits, targets, vocab);
        }
    }

    /// The same, and the gradients of `scale` times their sum: the head's weight's added to `dw`, its
    /// input's left where the plan wants it.
    pub(super) fn losses_backward(
        &self,
        work: &mut Workspace,
        targets: &[u32],
        losses: &mut [f32],
        scale: f32,
        dw: &mut [f32],
    ) {
        let (x, weight) = head(&self.program.graph);
        let (inp, vocab) = (
            self.width(x),
            self.program.graph.node(self.program.graph.logits()).width,
        );
        let [dx, x] = parts(&mut work.arena, [self.grad(x), self.value(x)]);
        let dweight = self.program.part_mut(dw, weight);
        let tile = tile(vocab);
        let rows = dx.chunks_mut(tile * inp).zip(x.chunks(tile * inp));
        for ((dx, x), (targets, losses)) in
            rows.zip(targets.chunks(tile).zip(losses.chunks_mut(tile)))
        {
            let size = (targets.len(), inp, vocab);
            let (logits, scratch) = work.scratch.split_at_mut(targets.len() * vocab);
            linear::forward(
                self.isa(),
                logits,
                scratch,
                x,
                self.part(weight),
                None,
                size,
            );
            cross_entropy::forward_backward(
                self.isa(),
                Some(losses),
                logits,
                targets,
                scale,
                vocab,
            );
            linear::backward_weight(self.isa(), dweight, scratch, logits, x, size);
            linear::backward_input(
                self.isa(),
                dx,
                scratch,
                logits,
                self.part(weight),
                false,
                size,
            );
        }
    }
}
