//! The progress of a measurement.

use crate::{LimitedTraining, Peer, PeerTraining, ScalingPoint, Workload};

/// One report of progress. The caller of a measurement passes a function that receives it.
#[derive(Clone, Copy, Debug)]
pub enum BenchProgress<'a> {
    /// A workload begins.
    Begins(&'a Workload),
    /// A peer's program is started and warmed up. That takes seconds, or minutes if it compiles.
    PeerStarts {
        workload: &'a Workload,
        peer: &'a Peer,
    },
    /// A peer was left out, or all of them were.
    LeftOut {
        /// The reason, as a sentence that is also in [`crate::BenchReport::left_out`].
        sentence: &'a str,
        /// Whether installing PyTorch would help.
        is_absent: bool,
    },
    /// A point of a [`crate::Scaling`] was measured.
    Point(&'a ScalingPoint),
    /// A training of a [`crate::TimeToLoss`] has ended.
    Trained {
        seed: usize,
        training: LimitedTraining,
    },
    /// The peer of a [`crate::TimeToLoss`] has trained.
    PeerTrained {
        seed: usize,
        training: &'a PeerTraining,
    },
}
