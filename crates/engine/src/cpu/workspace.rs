//! What a thread works in, and who has which: as many as work at a time, kept from step to step.

use std::sync::{Mutex, PoisonError};

use super::memory::Aligned;

/// One core's memory: the plan's arena and what kernels scribble on.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) arena: Aligned<f32>,
    pub(super) scratch: Aligned<f32>,
}

impl Workspace {
    /// Grows to so many numbers.
    pub(super) fn fit(&mut self, arena: usize, scratch: usize) {
        self.arena.grow(arena);
        self.scratch.grow(scratch);
    }
}

/// Those that nobody uses at the moment.
#[derive(Debug, Default)]
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Makes sure that `threads` can each borrow so many numbers at a time, and nothing is allocated for it then.
    pub(super) fn fit(&mut self, threads: usize, arena: usize, scratch: usize) {
        let free = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if free.len() < threads {
            free.resize_with(threads, Workspace::default);
        }
        for work in free {
            work.fit(arena, scratch);
        }
    }

    /// Lends `f` one that nobody else uses.
    pub(super) fn lend<T>(&self, f: impl FnOnce(&mut Workspace) -> T) -> T {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut work = lock().pop().unwrap_or_default();
        let made = f(&mut work);
        lock().push(work);
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_as_large_as_the_largest_asked_for() {
        let mut workspaces = Workspaces::default();
        workspaces.fit(2, 10, 1);
        workspaces.fit(1, 1, 20);
        let size = |work: &Workspace| (work.arena.len(), work.scratch.len());
        let sizes = workspaces.lend(|a| workspaces.lend(|b| [size(a), size(b)]));
        assert_eq!(sizes, [(10, 20); 2]);
    }
}
