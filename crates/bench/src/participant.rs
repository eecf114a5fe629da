//! A program that takes part, and what it did so far.

use crate::{
    Peer, TimingPlan, Timings, median,
    worker::{Sample, Unavailable, WorkerProcess},
};

/// A turn has at most so many steps, so that what is written down stays readable.
const MOST_STEPS: f64 = 4_000.0;
/// Seconds of steps before the first that counts, two steps at least unless they are long.
const WARM_UP: f64 = 0.3;
/// Seconds from which on a step is long.
const LONG: f64 = 1.0;

/// A warm program and its times.
pub(crate) struct Participant {
    /// `None` is our own program.
    pub(crate) peer: Option<&'static Peer>,
    worker: WorkerProcess,
    pub(crate) timings: Timings,
    /// Seconds of a step, as last seen.
    step: f64,
}

impl Participant {
    /// Warms `worker` up: what is allocated, compiled or looked up once is behind it then.
    pub(crate) fn warm(
        mut worker: WorkerProcess,
        peer: Option<&'static Peer>,
    ) -> Result<Self, Unavailable> {
        let first = median(&worker.turn(1)?.seconds);
        // A peer's first step may compile it. Of ours, a long one tells as much as a second would.
        let mut step = if peer.is_none() && first > LONG {
            first
        } else {
            median(&worker.turn(1)?.seconds)
        };
        let more = ((WARM_UP - step) / step.max(1e-9)).clamp(0.0, MOST_STEPS);
        if more >= 1.0 {
            step = median(&worker.turn(more as usize)?.seconds);
        }
        Ok(Self {
            peer,
            timings: Timings {
                program: worker.ready.program.clone(),
                threads: worker.ready.threads,
                ..Timings::default()
            },
            worker,
            step,
        })
    }

    /// Runs the steps of one turn and keeps their times.
    pub(crate) fn turn(&mut self, plan: TimingPlan) -> Result<(), Unavailable> {
        let steps = (plan.seconds / self.step.max(1e-9)).ceil();
        let sample = self.worker.turn(steps.clamp(1.0, MOST_STEPS) as usize)?;
        self.step = median(&sample.seconds);
        self.keep(sample);
        Ok(())
    }

    fn keep(&mut self, sample: Sample) {
        let nanoseconds = |s: f64| (s * 1e9).round() / 1e9;
        self.timings
            .rounds
            .push(sample.seconds.into_iter().map(nanoseconds).collect());
        self.timings.peak_bytes = self.timings.peak_bytes.max(sample.peak_bytes);
    }
}
