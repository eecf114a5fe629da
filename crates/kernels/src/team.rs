//! Threads that a caller lends to a kernel. A kernel says into how many tasks its work falls; who runs them, and
//! when, is the team's business, and no bit of the result depends on it.

/// Threads that can work at once.
pub trait Team: Sync {
    /// How many can.
    fn size(&self) -> usize;

    /// Calls `work` once with every number below `tasks`, in any order and on any threads, and returns when all
    /// have returned.
    fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync));
}

/// The caller's own thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Team for Alone {
    fn size(&self) -> usize {
        1
    }

    fn each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(work);
    }
}
