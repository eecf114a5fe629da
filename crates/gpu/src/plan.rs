//! A program laid out in the arena, and its recordings for some numbers of rows.

use crate::{
    GpuError,
    context::Context,
    dispatch::{Dispatch, Recording},
    layout::Layout,
};

/// The recordings that a plan keeps, of different numbers of rows.
const KEPT: usize = 8;

/// A program laid out for a number of rows, and recorded for some numbers of rows up to that.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) layout: Layout,
    recordings: Vec<(RecordingKey, Recording)>,
}

/// What distinguishes the recordings of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordingKey {
    pub(crate) rows: usize,
    /// Whether the next tokens are chosen.
    pub(crate) chooses: bool,
}

impl Plan {
    pub(crate) fn new(layout: Layout) -> Self {
        Self {
            layout,
            recordings: Vec::new(),
        }
    }

    /// Returns the recording for `key`; `dispatches` makes what is recorded the first time.
    pub(crate) fn recording(
        &mut self,
        context: &Context,
        key: RecordingKey,
        dispatches: impl FnOnce(&Layout) -> Vec<Dispatch>,
    ) -> Result<&Recording, GpuError> {
        let known = self.recordings.iter().position(|(of, _)| *of == key);
        let at = if let Some(at) = known {
            at
        } else {
            let recording = Recording::new(context, &dispatches(&self.layout))?;
            if self.recordings.len() == KEPT {
                self.recordings.remove(0);
            }
            self.recordings.push((key, recording));
            self.recordings.len() - 1
        };
        Ok(&self.recordings[at].1)
    }
}
