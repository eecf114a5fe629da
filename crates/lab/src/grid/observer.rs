//! Who follows a grid, and one run of it.

use std::sync::atomic::{AtomicBool, Ordering};

use gptlab_record::{Cell, CellOutcome};
use gptlab_train::Progress;

/// Follows a grid, from several threads.
pub trait GridObserver: Sync {
    /// A run begins, or goes on.
    fn begun(&self, _cell: &Cell) {}

    /// A run has made a step.
    fn progress(&self, _cell: &Cell, _progress: &Progress) {}

    /// A run has come to its end, now or before.
    fn finished(&self, _cell: &Cell, _outcome: &CellOutcome) {}

    /// The system gave threads for only `found` runs side by side.
    fn fewer_at_once(&self, _found: usize, _asked: usize) {}

    /// Whether to save and stop.
    fn should_stop(&self) -> bool {
        false
    }
}

/// Reports on one run of a grid to the grid's observer, and says whether the run is to stop.
#[derive(Clone, Copy)]
pub(super) struct CellReporter<'a> {
    pub(super) observer: &'a dyn GridObserver,
    pub(super) cell: &'a Cell,
    /// Whether another run has failed: this one saves and stops.
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
