//! A batch taken through the graph node by node, with every value kept and any of them changed on
//! the way.
//!
//! The hook is what activation patching (Meng et al. 2022), ablation and steering are made of: it
//! sees each node's value before any later node reads it, as in `TransformerLens` (Nanda & Bloom
//! 2022). The arithmetic is that of [`crate::Engine::losses`], to the bit: a trace with
//! [`untouched`] shows what the engine computes.

use std::ops::Range;

use gptlab_kernels::{cross_entropy, linear::Direction};
use gptlab_model::{Batch, Node, ValueId};

use super::{
    CpuEngine,
    chunk::Chunk,
    forward::Forward,
    plan::{Plan, Purpose},
    pool::Helpers,
    run,
    workspace::Workspace,
};
use crate::Matrix;

/// Called after each node, in the graph's order, with its value: row-major, one row a token,
/// `node.width` numbers a row. What it writes is what later nodes, and the losses, are computed
/// from.
pub type Hook<'a> = dyn FnMut(&Node, &mut [f32]) + 'a;

/// The hook that changes nothing.
pub fn untouched(_: &Node, _: &mut [f32]) {}

/// Everything that one pass over a batch computed, as the hook left it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    names: Vec<String>,
    /// By node.
    values: Vec<Matrix>,
    losses: Vec<f64>,
}

impl Trace {
    /// The value of the node called `name`, e.g. `block0.attn.mix`; rows are the batch's.
    pub fn value(&self, name: &str) -> Option<&Matrix> {
        let at = self.names.iter().position(|n| n == name)?;
        Some(&self.values[at])
    }

    /// The value of the graph's node `id`.
    pub fn of(&self, id: ValueId) -> &Matrix {
        &self.values[id.index()]
    }

    /// Scores of every next token before the softmax, `[tokens, vocab_size]`.
    pub fn logits(&self) -> &Matrix {
        self.values.last().expect("a graph ends with its logits")
    }

    /// By token, in nats.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// In nats a token.
    pub fn mean_loss(&self) -> f64 {
        self.losses.iter().sum::<f64>() / self.losses.len() as f64
    }
}

impl CpuEngine {
    /// Runs `batch` without dropout, on one thread, calls `hook` after every node and keeps every
    /// value. Changes nothing of the engine.
    pub fn trace(&mut self, batch: &Batch, hook: &mut Hook) -> Trace {
        self.hooked(batch, hook, |chunk, work, losses| {
            let nodes = chunk.prepared.graph.nodes();
            let value = |id: ValueId| Matrix {
                rows: chunk.rows(),
                cols: chunk.width(id),
                values: work.arena[chunk.value(id)].to_vec(),
            };
            Trace {
                names: nodes.iter().map(|n| n.name.clone()).collect(),
                values: chunk.prepared.graph.ids().map(value).collect(),
                losses,
            }
        })
    }

    /// [`CpuEngine::trace`] without its values: the loss of every token in nats.
    pub fn losses_with(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        self.hooked(batch, hook, |_, _, losses| losses)
    }

    /// Runs every node with its hook and hands what there is then to `keep`.
    fn hooked<T>(
        &mut self,
        batch: &Batch,
        hook: &mut Hook,
        keep: impl FnOnce(&Chunk, &Workspace, Vec<f64>) -> T,
    ) -> T {
        let (pool, prepared, forward) = (&self.pool, &self.prepared, [Direction::Forward]);
        self.panels.refresh(pool, prepared, &self.weights, &forward);
        let plan = Plan::new(&prepared.graph, batch.tokens(), Purpose::Observe);
        let sequences: Vec<Range<usize>> = (0..batch.sequences()).map(|i| batch.rows(i)).collect();
        let chunk = Chunk {
            prepared,
            plan: &plan,
            weights: &self.weights,
            panels: Some(&self.panels),
            inputs: batch.inputs(),
            sequences: &sequences,
            first_row: 0,
            noise: None,
            fresh: false,
            helpers: Helpers::ALONE,
        };
        self.workspaces.lend(|work| {
            work.fit(plan.len, run::scratch_len(prepared, plan.rows, 1));
            chunk.forward_with(work, hook);
            let losses = chunk.losses_of_logits(work, batch.targets());
            keep(&chunk, work, losses)
        })
    }
}

impl Chunk<'_> {
    fn forward_with(&self, work: &mut Workspace, hook: &mut Hook) {
        for id in self.prepared.graph.ids() {
            self.forward_node(id, &mut work.arena, &mut work.scratch);
            hook(
                self.prepared.graph.node(id),
                &mut work.arena[self.value(id)],
            );
        }
    }

    /// The loss of each row, from logits that stand in the arena.
    fn losses_of_logits(&self, work: &Workspace, targets: &[u32]) -> Vec<f64> {
        let node = self.prepared.graph.logits();
        let logits = &work.arena[self.value(node)];
        let mut losses = vec![0.0; targets.len()];
        let vocab = self.width(node);
        cross_entropy::forward(self.isa(), Some(&mut losses), logits, targets, vocab);
        losses.into_iter().map(f64::from).collect()
    }
}
