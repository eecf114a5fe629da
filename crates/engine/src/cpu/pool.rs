//! The thread pool of an engine. Threads take chunks one by one, and a thread that finds none left
//! helps the others with theirs.
//!
//! The assignment of work to threads happens at run time and changes no number: the tasks of a
//! batch are cut by its shape, and the parts into which [`Helpers`] cut further (rows of a matrix,
//! features of a gradient, heads) have numbers that do not depend on the cut.

use std::{
    iter,
    ops::Range,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use gptlab_kernels::Parallel as _;
use rayon::{ThreadPool, ThreadPoolBuilder, prelude::*};

/// The most threads that share one piece of work: every thread has scratch for each of them.
const MOST_HELPERS: usize = 8;

/// The threads of one engine.
#[derive(Debug)]
pub(super) struct Pool {
    /// The threads, or `None` if the caller's thread is the only one.
    rayon: Option<ThreadPool>,
}

/// Returns the most parts that anything is cut into for this number of threads.
pub(super) fn most_parts(threads: usize) -> usize {
    threads.min(MOST_HELPERS)
}

impl Pool {
    /// Starts `threads` threads, or as many as the system grants: at least the caller's alone.
    pub(super) fn new(threads: usize) -> Self {
        Self::started(threads, |threads| {
            let pool = ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(|i| format!("gptlab-{i}"));
            pool.build().ok()
        })
    }

    /// Returns the largest pool that `start` grants, with at most `threads` threads. Each attempt
    /// after a failure is three quarters as large.
    fn started(threads: usize, start: impl Fn(usize) -> Option<ThreadPool>) -> Self {
        let fewer = |threads: &usize| Some(threads - threads.div_ceil(4));
        let sizes = iter::successors(Some(threads), fewer);
        let pool = sizes.take_while(|threads| *threads > 1).find_map(start);
        Self { rayon: pool }
    }

    /// Returns the threads, if there are more than the caller's.
    pub(super) fn rayon(&self) -> Option<&ThreadPool> {
        self.rayon.as_ref()
    }

    /// Returns the number of threads, which is 1 if the caller's is the only one.
    pub(super) fn threads(&self) -> usize {
        let pool = self.rayon.as_ref();
        pool.map_or(1, ThreadPool::current_num_threads)
    }

    /// Returns the most parts into which [`Helpers`] of this pool cut anything.
    pub(super) fn most_parts(&self) -> usize {
        most_parts(self.threads())
    }

    /// Calls `work` with each of `tasks` on one thread, with the threads that can help there. Tasks
    /// that are `small` are not worth waking other threads.
    pub(super) fn for_each<T>(
        &self,
        tasks: impl Iterator<Item = T> + Send,
        small: bool,
        work: impl Fn(T, Helpers) + Sync,
    ) {
        let Some(pool) = self.rayon.as_ref().filter(|_| !small) else {
            tasks.for_each(|task| work(task, Helpers::ALONE));
            return;
        };
        let (tasks, idle) = (Mutex::new(tasks), AtomicUsize::new(0));
        let next = || {
            let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.next()
        };
        pool.broadcast(|_| {
            let helpers = Helpers { idle: Some(&idle) };
            while let Some(task) = next() {
                work(task, helpers);
            }
            // From here on this thread steals parts of other threads' tasks.
            idle.fetch_add(1, Ordering::Relaxed);
        });
    }
}

/// The threads that can help with a task: the one that runs it, and the idle ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Helpers<'a> {
    idle: Option<&'a AtomicUsize>,
}

impl Helpers<'_> {
    pub(super) const ALONE: Self = Self { idle: None };

    /// Returns the number of parts for work of `amount`, if less than `least` is not worth a
    /// thread.
    fn parts(self, amount: usize, least: usize) -> usize {
        self.threads().min(amount / least).max(1)
    }
}

impl gptlab_kernels::Parallel for Helpers<'_> {
    fn threads(&self) -> usize {
        let idle = self.idle.map_or(0, |idle| idle.load(Ordering::Relaxed));
        (1 + idle).min(MOST_HELPERS)
    }

    fn for_each(&self, tasks: usize, work: &(dyn Fn(usize) + Sync)) {
        if self.idle.is_none() || tasks < 2 {
            (0..tasks).for_each(work);
        } else {
            (0..tasks).into_par_iter().with_max_len(1).for_each(work);
        }
    }
}

/// A matrix: its numbers, and the number of columns.
pub(super) type MatrixRows<'a> = (&'a mut [f32], usize);

/// The rule by which work on rows is cut.
#[derive(Clone, Copy)]
pub(super) struct TaskCut {
    /// The cost of all rows, and the least cost that is worth a thread, in one unit.
    pub(super) amount: usize,
    pub(super) least: usize,
    /// The scratch that each part needs.
    pub(super) scratch: usize,
}

/// Calls `work` with ranges of rows that together cover `0..rows`, with those rows of each matrix,
/// and with scratch of its own.
pub(super) fn by_rows<const N: usize>(
    helpers: Helpers,
    cut: TaskCut,
    rows: usize,
    matrices: [MatrixRows; N],
    scratch: &mut [f32],
    work: impl Fn(Range<usize>, [&mut [f32]; N], &mut [f32]) + Sync,
) {
    let parts = helpers.parts(cut.amount, cut.least);
    halve(parts, cut.scratch, 0..rows, matrices, scratch, &work);
}

/// The height of tiles in rows: a cut elsewhere would make more tiles.
const TILE: usize = 12;

fn halve<const N: usize>(
    parts: usize,
    scratch_len: usize,
    rows: Range<usize>,
    mut matrices: [MatrixRows; N],
    scratch: &mut [f32],
    work: &(impl Fn(Range<usize>, [&mut [f32]; N], &mut [f32]) + Sync),
) {
    let first = parts / 2;
    let middle = (rows.len() * first / parts).next_multiple_of(TILE);
    if first == 0 || middle >= rows.len() {
        work(rows, matrices.map(|(numbers, _)| numbers), scratch);
        return;
    }
    let low = matrices.each_mut().map(|(numbers, width)| {
        let (before, after) = std::mem::take(numbers).split_at_mut(middle * *width);
        *numbers = after;
        (before, *width)
    });
    let (mine, theirs) = scratch.split_at_mut(scratch_len * first);
    let middle = rows.start + middle;
    rayon::join(
        || halve(first, scratch_len, rows.start..middle, low, mine, work),
        || {
            halve(
                parts - first,
                scratch_len,
                middle..rows.end,
                matrices,
                theirs,
                work,
            );
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_task_runs_once_for_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let pool = Pool::new(threads);
            let counts: Vec<AtomicUsize> = (0..17).map(|_| AtomicUsize::new(0)).collect();
            pool.for_each(0..17, false, |i: usize, helpers| {
                helpers.for_each(3, &|_| {
                    counts[i].fetch_add(1, Ordering::Relaxed);
                });
            });
            assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 3));
        }
    }

    /// The system starts no more than `given` threads.
    #[test]
    fn fewer_threads_will_do() {
        for (requested, given, expected) in [
            (8, 8, 8),
            (8, 7, 6),
            (64, 5, 4),
            (3, 2, 2),
            (2, 0, 1),
            (1, 0, 1),
        ] {
            let pool = Pool::started(requested, |n| {
                let pool = ThreadPoolBuilder::new().num_threads(n);
                (n <= given).then(|| pool.build().expect("threads"))
            });
            assert_eq!(
                pool.threads(),
                expected,
                "{requested} requested for, {given} given"
            );
            let count = AtomicUsize::new(0);
            pool.for_each(0..9, false, |_: usize, _| {
                count.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(count.into_inner(), 9);
        }
    }

    #[test]
    fn idle_threads_join_the_last_task() {
        let pool = Pool::new(3);
        pool.for_each(0..1, false, |_, helpers| {
            while helpers.threads() < 3 {
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn parts_cover_the_rows_of_every_matrix() {
        for (parts, rows) in [(1, 5), (2, 100), (3, 37), (8, 1000), (8, 7)] {
            let (mut a, mut b) = (vec![0.0; rows * 3], vec![0.0; rows]);
            let mut scratch = vec![0.0; parts * 2];
            let matrices = [(a.as_mut_slice(), 3), (b.as_mut_slice(), 1)];
            halve(
                parts,
                2,
                0..rows,
                matrices,
                &mut scratch,
                &|range, [a, b], scratch| {
                    assert!(scratch.len() >= 2);
                    assert_eq!((a.len(), b.len()), (range.len() * 3, range.len()));
                    for a in &mut *a {
                        *a += 1.0;
                    }
                    b.iter_mut().zip(range).for_each(|(b, row)| *b = row as f32);
                },
            );
            assert!(a.iter().all(|a| *a == 1.0));
            assert!(b.iter().enumerate().all(|(i, b)| *b == i as f32));
        }
    }
}
