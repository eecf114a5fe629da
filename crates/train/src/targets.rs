//! Where a run writes.

use std::{num::NonZeroUsize, path::PathBuf};

use gptlab_recipe::Intervals;

/// Where a run leaves what it makes, and how much of a batch it runs at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// A folder for the experiment, events, checkpoints and samples.
    pub folder: Option<PathBuf>,
    /// A file that always holds the newest checkpoint.
    pub save: Option<PathBuf>,
    /// How many checkpoints the folder keeps, the newest; `None`: all.
    pub keep: Option<NonZeroUsize>,
    /// How many sequences of a batch the engine runs at a time; `None`: all. It changes no number.
    pub micro_batch: Option<NonZeroUsize>,
}

impl Targets {
    /// How many checkpoints a run's folder keeps where nobody says: the newest few of those that
    /// are made by the clock, and all of those that are made by steps.
    pub fn usual_keep(intervals: &Intervals) -> Option<NonZeroUsize> {
        intervals.checkpoint_seconds.map(|_| NEWEST)
    }
}

/// How many checkpoints by the clock are kept.
const NEWEST: NonZeroUsize = NonZeroUsize::new(3).expect("three are some");
