//! A few whole sequences that one core takes through the model: what a run of the plan is given.

use std::ops::Range;

use super::{
    panels::Panels,
    plan::{Plan, Region},
    pool::Helpers,
    program::Program,
};
use crate::Noise;

/// Rows of a batch, and what it takes to run them.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) program: &'a Program,
    pub(super) plan: &'a Plan,
    pub(super) weights: &'a [f32],
    /// The weights of linear maps made ready; nothing where too few rows want them.
    pub(super) panels: Option<&'a Panels>,
    pub(super) inputs: &'a [u32],
    /// The chunk's sequences, as rows of the chunk.
    pub(super) sequences: &'a [Range<usize>],
    /// Where in the batch the chunk begins: what dropout masks count from.
    pub(super) first_row: u64,
    pub(super) noise: Option<Noise>,
    /// Whether nothing has been added to its gradients yet: what the plan's openings set need not
    /// be zero before.
    pub(super) fresh: bool,
    /// Who may help.
    pub(super) helpers: Helpers<'a>,
}

impl Chunk<'_> {
    pub(super) fn rows(&self) -> usize {
        self.inputs.len()
    }

    /// Where a region's rows of this chunk lie in the arena.
    pub(super) fn place(&self, region: Region) -> Range<usize> {
        region.offset..region.offset + region.width * self.rows()
    }

    pub(super) fn value(&self, node: usize) -> Range<usize> {
        self.place(self.plan.value(node))
    }

    pub(super) fn stat(&self, node: usize) -> Range<usize> {
        self.place(self.plan.stat(node))
    }

    pub(super) fn width(&self, node: usize) -> usize {
        self.program.graph.nodes()[node].width
    }
}

/// Several regions at once. The plan gives values that live at the same time disjoint memory.
pub(super) fn parts<const N: usize>(
    arena: &mut [f32],
    ranges: [Range<usize>; N],
) -> [&mut [f32]; N] {
    arena
        .get_disjoint_mut(ranges)
        .expect("the plan keeps what lives together apart")
}

/// The rows of `sequence` in a matrix of `width`.
pub(super) fn rows_of(sequence: &Range<usize>, width: usize) -> Range<usize> {
    sequence.start * width..sequence.end * width
}
