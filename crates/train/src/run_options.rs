//! How a run is carried out: the files that it writes, and how much of a batch it runs at a time.

use std::{num::NonZeroUsize, path::PathBuf};

use gptlab_recipe::Intervals;

/// The files that a run writes, and the size of its micro-batches. None of them changes a number,
/// and the record of a run holds none of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunOptions {
    /// The folder for the experiment, events, checkpoints and samples.
    pub folder: Option<PathBuf>,
    /// The file that always holds the newest checkpoint.
    pub save: Option<PathBuf>,
    /// The number of newest checkpoints to keep in the folder; `None` keeps all.
    pub keep: Option<NonZeroUsize>,
    /// The number of sequences of a batch that the engine runs at a time; `None` runs all at once.
    pub micro_batch: Option<NonZeroUsize>,
}

impl RunOptions {
    /// Returns the default number of checkpoints to keep: a few when checkpoints are saved at
    /// intervals of time, and all when they are saved at intervals of steps.
    pub fn usual_keep(intervals: &Intervals) -> Option<NonZeroUsize> {
        intervals.checkpoint_seconds.map(|_| NEWEST)
    }
}

/// The number of checkpoints to keep when they are saved at intervals of time.
const NEWEST: NonZeroUsize = NonZeroUsize::new(3).expect("three are some");
