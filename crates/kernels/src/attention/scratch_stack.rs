//! The scratch of a caller, from which a task takes its buffers one after another.

/// What is left of the caller's scratch.
pub(super) struct ScratchStack<'a>(pub(super) &'a mut [f32]);

impl<'a> ScratchStack<'a> {
    /// Takes `len` floats.
    pub(super) fn take(&mut self, len: usize) -> &'a mut [f32] {
        let (taken, rest) = core::mem::take(&mut self.0).split_at_mut(len);
        self.0 = rest;
        taken
    }
}
