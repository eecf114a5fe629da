//! Threads that a caller lends to a kernel. A kernel says into how many tasks its work falls; which
//! thread runs a task, and when, is up to the caller, and no bit of the result depends on it.

/// Threads that can run tasks at the same time.
pub trait Parallel: Sync {
    /// How many threads can run tasks now.
    fn threads(&self) -> usize;

    /// Calls `work` once with every number below `tasks`, in any order and on any threads, and
    /// returns when all calls have returned.
    fn for_each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync));
}

/// The caller's own thread, and no other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sequential;

impl Parallel for Sequential {
    fn threads(&self) -> usize {
        1
    }

    fn for_each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(work);
    }
}
