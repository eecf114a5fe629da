//! How a kernel shares its work among threads. A kernel cuts its work into tasks and starts no
//! thread itself: the caller runs the tasks, on whichever threads and in whichever order it likes,
//! and no bit of the result depends on that.

/// Something of the caller's that runs tasks, perhaps several at the same time.
pub trait Parallel: Sync {
    /// Returns how many tasks can run at the same time now.
    fn threads(&self) -> usize;

    /// Calls `work` once with every number below `tasks`, in any order and on any threads, and
    /// returns when all calls have returned.
    fn for_each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync));
}

/// The threads that share a kernel, and the scratch that they work in.
pub struct Threads<'a> {
    pub parallel: &'a dyn Parallel,
    /// As much as the kernel asks for on [`Parallel::threads`] threads.
    pub scratch: &'a mut [f32],
}

/// Runs all tasks on the caller's own thread.
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
