//! A batch that runs node by node: every value is read back for a hook, and written again where the
//! hook changes it. The arithmetic has the bits of [`gptlab_engine::Engine::losses`], because no
//! row depends on how rows are split.

use gptlab_engine::{Hook, program::Purpose};
use gptlab_model::{Batch, ValueId};

use super::GpuEngine;
use crate::{
    GpuError,
    buffers::{ChunkArgs, Lengths, Place},
    chunks::{Chunk, IndexLayout},
    dispatch::{Dispatch, Recording},
    layout::{LOSSES, Layout},
    steps::Steps,
};

impl GpuEngine {
    /// Runs every node, calls the hook after each, and returns the loss of every token.
    pub(super) fn observed(
        &mut self,
        batch: &Batch,
        hook: &mut Hook,
    ) -> Result<Vec<f64>, GpuError> {
        let rows = batch.tokens();
        let layout = Layout::new(&self.tables, Purpose::Observe, rows);
        let index = IndexLayout::new(&self.tables.graph, rows);
        let lengths = Lengths {
            arena: layout.len,
            indices: index.len as usize,
            ..Lengths::default()
        };
        self.buffers.fit(&self.context, lengths)?;
        let chunk = Chunk {
            sequences: 0..batch.sequences(),
            rows: 0..rows,
        };
        let indices = index.of_chunk(batch, &chunk);
        self.context
            .write(self.buffers.at(Place::Indices), 0, &indices);
        self.buffers.set_chunk(&self.context, ChunkArgs::default());
        for id in self.tables.graph.ids() {
            self.submit(&Steps::new(&self.tables, &layout, rows).of_node(id))?;
            self.show(id, layout.value(id), rows, hook)?;
        }
        self.submit(&Steps::new(&self.tables, &layout, rows).of_losses())?;
        let arena = self.buffers.at(Place::Arena);
        let losses = self.context.read(arena, LOSSES, rows)?;
        Ok(losses.into_iter().map(f64::from).collect())
    }

    fn submit(&self, dispatches: &[Dispatch]) -> Result<(), GpuError> {
        let recording = Recording::new(&self.context, dispatches)?;
        let mut encoder = self.context.encoder();
        recording.encode(&mut encoder, self.buffers.bindings());
        self.context.submit(encoder);
        Ok(())
    }

    /// Passes the value of a node, which begins at `at`, to the hook.
    fn show(&self, id: ValueId, at: usize, rows: usize, hook: &mut Hook) -> Result<(), GpuError> {
        let node = self.tables.graph.node(id);
        let arena = self.buffers.at(Place::Arena);
        let mut value = self.context.read(arena, at, rows * node.width)?;
        let before = value.clone();
        hook(id, node, &mut value);
        let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits();
        if !value.iter().zip(&before).all(same) {
            self.context.write(arena, at, &value);
        }
        Ok(())
    }
}
