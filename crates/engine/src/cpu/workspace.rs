//! The working memory of threads: as many workspaces as threads work at a time, reused every step.

use std::sync::{Mutex, PoisonError};

use super::aligned::Aligned;

/// One thread's working memory: the plan's arena and the scratch of kernels.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    pub(super) arena: Aligned<f32>,
    pub(super) scratch: Aligned<f32>,
}

impl Workspace {
    /// Grows to at least these sizes, in numbers.
    pub(super) fn fit(&mut self, arena: usize, scratch: usize) {
        self.arena.grow(arena);
        self.scratch.grow(scratch);
    }
}

/// The workspaces that no thread uses at present.
#[derive(Debug, Default)]
pub(super) struct Workspaces(Mutex<Vec<Workspace>>);

impl Workspaces {
    /// Makes sure that `threads` threads can each borrow this much at a time without an allocation.
    pub(super) fn fit(&mut self, threads: usize, arena: usize, scratch: usize) {
        let free = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        if free.len() < threads {
            free.resize_with(threads, Workspace::default);
        }
        // The largest are lent first, and no others grow: an arena can have gigabytes.
        free.sort_unstable_by_key(|work| work.arena.len());
        let others = free.len() - threads;
        for work in &mut free[others..] {
            work.fit(arena, scratch);
        }
    }

    /// Lends `f` a workspace that no other thread uses.
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

    fn sizes(workspaces: &Workspaces) -> [(usize, usize); 2] {
        let size = |work: &Workspace| (work.arena.len(), work.scratch.len());
        workspaces.lend(|a| workspaces.lend(|b| [size(a), size(b)]))
    }

    #[test]
    fn as_many_as_work_have_the_requested_sizes() {
        let mut workspaces = Workspaces::default();
        workspaces.fit(2, 10, 1);
        workspaces.fit(2, 1, 20);
        assert_eq!(sizes(&workspaces), [(10, 20); 2]);
    }

    /// A step of one chunk alternates with an update of one matrix: the workspace returned last is
    /// lent first.
    #[test]
    fn an_arena_is_made_for_those_alone_who_need_one() {
        let mut workspaces = Workspaces::default();
        for _ in 0..3 {
            workspaces.fit(1, 10, 1);
            workspaces.lend(|work| assert_eq!(work.arena.len(), 10));
            workspaces.fit(2, 0, 20);
            let mut arenas = sizes(&workspaces).map(|(arena, _)| arena);
            arenas.sort_unstable();
            assert_eq!(arenas, [0, 10]);
        }
    }
}
