//! Observers of a grid and of its runs.

use std::sync::atomic::{AtomicBool, Ordering};

use gptlab_record::{Cell, CellOutcome};
use gptlab_train::Progress;

/// An observer of a grid, which several threads call.
pub trait GridObserver: Sync {
    /// A run starts or resumes.
    fn begun(&self, _cell: &Cell) {}

    /// A run has finished a step.
    fn progress(&self, _cell: &Cell, _progress: &Progress) {}

    /// A run has ended, now or in an earlier call.
    fn finished(&self, _cell: &Cell, _outcome: &CellOutcome) {}

    /// The system started threads for only `found` of the `requested` concurrent runs.
    fn fewer_at_once(&self, _found: usize, _requested: usize) {}

    /// The folder's grid had `had` seeds and is given `has`.
    fn more_seeds(&self, _had: usize, _has: usize) {}

    /// Returns whether the grid should save its runs and stop.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Reports on one run of a grid to the grid's observer, and decides whether the run should stop.
#[derive(Clone, Copy)]
pub(super) struct CellReporter<'a> {
    pub(super) observer: &'a dyn GridObserver,
    pub(super) cell: &'a Cell,
    /// Whether another run has failed, in which case this one saves and stops.
    pub(super) failed: &'a AtomicBool,
}

impl CellReporter<'_> {
    pub(super) fn begun(&self) {
        self.observer.begun(self.cell);
    }

    pub(super) fn progress(&self, progress: &Progress) {
        self.observer.progress(self.cell, progress);
    }

    pub(super) fn should_stop(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.observer.should_stop()
    }
}
