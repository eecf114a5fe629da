//! A program's turns, and what its times come to.

use serde::Serialize;

use super::{
    turns::{Contender, Missing, Turn},
    workloads::Peer,
};

/// At most this many steps a turn, so that what is written down stays readable.
const MOST_STEPS: f64 = 4_000.0;
/// Seconds of steps before the first that counts, two steps at least unless they are long.
const WARM: f64 = 0.3;
const LONG: f64 = 1.0;

/// How long to measure.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Plan {
    pub(super) rounds: usize,
    /// Of a turn, at least.
    pub(super) seconds: f64,
}

/// What one program did.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Series {
    pub(super) program: String,
    pub(super) threads: usize,
    /// Seconds of each step, by round.
    pub(super) rounds: Vec<Vec<f64>>,
    pub(super) peak_bytes: Option<u64>,
}

/// A running program and what it did so far.
pub(super) struct Lane {
    /// `None` is ourselves.
    pub(super) peer: Option<&'static Peer>,
    contender: Contender,
    pub(super) series: Series,
    /// Seconds of a step, as last seen.
    step: f64,
}

impl Lane {
    /// Warms `contender` up: what is allocated, compiled or looked up once is behind it then.
    pub(super) fn warm(
        mut contender: Contender,
        peer: Option<&'static Peer>,
    ) -> Result<Self, Missing> {
        let first = median(&contender.turn(1)?.seconds);
        // A peer's first step may compile it. Of ours, a long one tells as much as a second would.
        let mut step = if peer.is_none() && first > LONG {
            first
        } else {
            median(&contender.turn(1)?.seconds)
        };
        let more = ((WARM - step) / step.max(1e-9)).clamp(0.0, MOST_STEPS);
        if more >= 1.0 {
            step = median(&contender.turn(more as usize)?.seconds);
        }
        Ok(Self {
            peer,
            series: Series {
                program: contender.ready.program.clone(),
                threads: contender.ready.threads,
                ..Series::default()
            },
            contender,
            step,
        })
    }

    /// One turn.
    pub(super) fn turn(&mut self, plan: Plan) -> Result<(), Missing> {
        let steps = (plan.seconds / self.step.max(1e-9)).ceil();
        let turn = self.contender.turn(steps.clamp(1.0, MOST_STEPS) as usize)?;
        self.step = median(&turn.seconds);
        self.keep(turn);
        Ok(())
    }

    fn keep(&mut self, turn: Turn) {
        let nanoseconds = |s: f64| (s * 1e9).round() / 1e9;
        self.series
            .rounds
            .push(turn.seconds.into_iter().map(nanoseconds).collect());
        self.series.peak_bytes = self.series.peak_bytes.max(turn.peak_bytes);
    }
}

impl Series {
    /// All steps' seconds, sorted.
    fn sorted(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.rounds.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Of all steps.
    pub(super) fn median(&self) -> f64 {
        median(&self.sorted())
    }

    pub(super) fn best(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    /// Half of the steps lie this far apart, as a part of the median.
    pub(super) fn spread(&self) -> f64 {
        let sorted = self.sorted();
        let at = |part: f64| {
            let place = (part * sorted.len().saturating_sub(1) as f64).round();
            sorted.get(place as usize).copied().unwrap_or(f64::NAN)
        };
        (at(0.75) - at(0.25)) / self.median()
    }

    /// How many times our time this program takes, by round.
    pub(super) fn ratios(&self, ours: &Self) -> Vec<f64> {
        let pairs = self.rounds.iter().zip(&ours.rounds);
        pairs
            .map(|(its, ours)| median(its) / median(ours))
            .collect()
    }
}

/// The middle one, or the mean of the middle two; NaN of nothing.
pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    match n {
        0 => f64::NAN,
        _ if n % 2 == 1 => sorted[n / 2],
        _ => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_ratio_is_the_other_ones_time_over_ours_round_by_round() {
        let series = |rounds: &[&[f64]]| Series {
            rounds: rounds.iter().map(|r| r.to_vec()).collect(),
            ..Series::default()
        };
        // The machine is half as fast in the second round, for both alike.
        let ours = series(&[&[1.0, 1.0, 9.0], &[2.0]]);
        let its = series(&[&[3.0], &[6.0, 6.0]]);
        assert_eq!(its.ratios(&ours), [3.0, 3.0]);
    }

    #[test]
    fn best_median_and_spread_are_of_all_steps() {
        let series = Series {
            rounds: vec![vec![5.0, 1.0], vec![3.0, 2.0, 4.0]],
            ..Series::default()
        };
        assert_eq!((series.best(), series.median()), (1.0, 3.0));
        assert_eq!(series.spread(), 2.0 / 3.0);
    }
}
