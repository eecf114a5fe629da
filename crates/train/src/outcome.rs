//! The ways in which a run ends.

use std::path::PathBuf;

use gptlab_record::NotFinite;

/// The way a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All `step` updates are made, and the state was saved to the files `saved`.
    Finished { step: u64, saved: Vec<PathBuf> },
    /// The observer stopped the run after `step` updates. `saved` is empty when no target was
    /// given.
    Stopped { step: u64, saved: Vec<PathBuf> },
    /// A number of step `step` was not finite. The checkpoints hold the states before it.
    Diverged { step: u64, what: NotFinite },
    /// The run had already finished before it was resumed.
    Complete { step: u64, saved: Vec<PathBuf> },
}
