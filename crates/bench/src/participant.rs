//! A program that takes part in a comparison, and its times.

use crate::{
    Peer, TimingPlan, Timings, median,
    worker::{Sample, Unavailable, WorkerProcess},
};

/// The most steps of a turn, which keeps the recorded times readable.
const MOST_STEPS: f64 = 4_000.0;
/// The seconds of warm-up before the first counted step: at least two steps, unless they are long.
const WARM_UP: f64 = 0.3;
/// The seconds from which on a step counts as long.
const LONG: f64 = 1.0;

/// A program that is warmed up, and its times.
pub(crate) struct Participant {
    /// The peer; `None` for gptlab itself.
    pub(crate) peer: Option<&'static Peer>,
    worker: WorkerProcess,
    pub(crate) timings: Timings,
    /// The seconds of a step, as last measured.
    step: f64,
}

impl Participant {
    /// Warms `worker` up, so that everything that is allocated, compiled or looked up once is done.
    pub(crate) fn warm(
        mut worker: WorkerProcess,
        peer: Option<&'static Peer>,
    ) -> Result<Self, Unavailable> {
        let first = median(&worker.turn(1)?.seconds);
        // A peer may compile its first step. In gptlab's process a long first step is
        // representative.
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

    /// Runs the steps of one turn and records their times.
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
