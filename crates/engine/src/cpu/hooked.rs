//! A batch that runs through the graph node by node, with every value kept and passed to a hook
//! that can change it. The arithmetic has the bits of [`crate::Engine::losses`].

use std::ops::Range;

use gptlab_kernels::{cross_entropy, linear::Direction};
use gptlab_model::Batch;

use super::{
    CpuEngine, batch_run,
    chunk::Chunk,
    forward_pass::ForwardPass,
    plan::{ArenaPlan, Purpose},
    pool::Helpers,
    workspace::Workspace,
};
use crate::Hook;

impl CpuEngine {
    /// Runs every node on one thread, calls the hook after each, and returns the loss of every
    /// token.
    pub(super) fn hooked(&mut self, batch: &Batch, hook: &mut Hook) -> Vec<f64> {
        let (pool, prepared, forward) = (&self.pool, &self.prepared, [Direction::Forward]);
        self.panels.refresh(pool, prepared, &self.weights, &forward);
        let plan = ArenaPlan::new(&prepared.graph, batch.tokens(), Purpose::Observe);
        let sequences: Vec<Range<usize>> = (0..batch.sequences()).map(|i| batch.rows(i)).collect();
        let chunk = Chunk {
            prepared,
            plan: &plan,
            weights: &self.weights,
            panels: &self.panels,
            inputs: batch.inputs(),
            sequences: &sequences,
            first_row: 0,
            noise: None,
            fresh: false,
            helpers: Helpers::ALONE,
        };
        self.workspaces.lend(|work| {
            work.fit(plan.len, batch_run::scratch_len(prepared, plan.rows, 1));
            chunk.forward_with(work, hook);
            chunk.losses_of_logits(work, batch.targets())
        })
    }
}

impl Chunk<'_> {
    fn forward_with(&self, work: &mut Workspace, hook: &mut Hook) {
        let graph = &self.prepared.graph;
        for id in graph.ids() {
            self.forward_node(id, &mut work.arena, &mut work.scratch);
            hook(id, graph.node(id), &mut work.arena[self.value(id)]);
        }
    }

    /// Returns the loss of each row, from the logits in the arena.
    fn losses_of_logits(&self, work: &Workspace, targets: &[u32]) -> Vec<f64> {
        let node = self.prepared.graph.logits();
        let logits = &work.arena[self.value(node)];
        let mut losses = vec![0.0; targets.len()];
        let vocab = self.width(node);
        cross_entropy::forward(self.isa(), Some(&mut losses), logits, targets, vocab);
        losses.into_iter().map(f64::from).collect()
    }
}
