//! What is told while it is measured.

use crate::{Peer, ScalingPoint, Workload};

/// One piece of news. Whoever measures hands over a function that takes it.
#[derive(Clone, Copy, Debug)]
pub enum BenchProgress<'a> {
    /// A workload begins.
    Begins(&'a Workload),
    /// A peer's program is started and warmed up, which takes seconds, or minutes if it compiles.
    PeerStarts {
        workload: &'a Workload,
        peer: &'a Peer,
    },
    /// A peer is left out, or all of them are.
    LeftOut {
        /// A sentence with the reason; it stands in [`crate::BenchReport::left_out`] as well.
        sentence: &'a str,
        /// Whether an installed PyTorch would help.
        is_absent: bool,
    },
    /// A point of a [`crate::Scaling`] was measured.
    Point(&'a ScalingPoint),
}
