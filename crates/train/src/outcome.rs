//! How a run ends.

use std::path::PathBuf;

use gptlab_record::NotFinite;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Finished {
        step: u64,
        saved: Vec<PathBuf>,
    },
    /// The observer asked for it. Where nothing was `saved`, there was nowhere to.
    Stopped {
        step: u64,
        saved: Vec<PathBuf>,
    },
    /// A number of step `step` was not finite. Checkpoints are of the steps before.
    Diverged {
        step: u64,
        what: NotFinite,
    },
    /// It had come to its end before.
    Complete {
        step: u64,
        saved: Vec<PathBuf>,
    },
}
