//! The duration of a measurement, and the statistics of a program's times.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The largest allowed number of rounds.
pub const MOST_ROUNDS: usize = 1_000;
/// The largest allowed number of seconds of a turn.
pub const MOST_SECONDS: f64 = 3_600.0;

/// The duration of a measurement. In each round every program has one turn, in which it runs steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingPlan {
    /// The number of rounds.
    pub rounds: usize,
    /// The least duration of a turn, in seconds. A step is never interrupted.
    pub seconds: f64,
}

impl Default for TimingPlan {
    fn default() -> Self {
        Self {
            rounds: 3,
            seconds: 0.7,
        }
    }
}

impl TimingPlan {
    /// Makes the plan of `rounds` rounds with turns of `seconds` seconds.
    ///
    /// # Errors
    /// Returns an error if `rounds` is not between 1 and [`MOST_ROUNDS`], or `seconds` is not
    /// between 0 and [`MOST_SECONDS`].
    pub fn new(rounds: usize, seconds: f64) -> Result<Self, Error> {
        if !(1..=MOST_ROUNDS).contains(&rounds) {
            return Err(Error::Rounds(rounds));
        }
        if !(0.0..=MOST_SECONDS).contains(&seconds) {
            return Err(Error::Seconds(seconds));
        }
        Ok(Self { rounds, seconds })
    }
}

/// The times of one program's steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// The program's name and version, as it reports them.
    pub program: String,
    /// The number of threads that the program used.
    pub threads: usize,
    /// The time of each step in seconds, by round.
    pub rounds: Vec<Vec<f64>>,
    /// The peak memory of the program's process, in bytes; `None` when the system does not report
    /// it.
    pub peak_bytes: Option<u64>,
}

impl Timings {
    /// Returns the times of all steps in seconds, sorted.
    fn sorted(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.rounds.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Returns the median time of all steps, in seconds; NaN when there is none.
    pub fn median(&self) -> f64 {
        median(&self.sorted())
    }

    /// Returns the time of the shortest step, in seconds; NaN when there is none.
    pub fn best(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    /// Returns the interquartile range of the times of all steps, as a fraction of their median.
    pub fn spread(&self) -> f64 {
        let sorted = self.sorted();
        let at = |part: f64| {
            let place = (part * sorted.len().saturating_sub(1) as f64).round();
            sorted.get(place as usize).copied().unwrap_or(f64::NAN)
        };
        (at(0.75) - at(0.25)) / self.median()
    }

    /// Returns this program's median time divided by that of `ours`, for each round.
    pub fn ratios(&self, ours: &Self) -> Vec<f64> {
        let pairs = self.rounds.iter().zip(&ours.rounds);
        pairs
            .map(|(its, ours)| median(its) / median(ours))
            .collect()
    }
}

/// Returns the middle value, or the mean of the two middle values; NaN when there is no value.
pub fn median(values: &[f64]) -> f64 {
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
    fn a_plan_has_its_limits() {
        assert!(TimingPlan::new(1, 0.0).is_ok());
        assert_eq!(
            TimingPlan::new(0, 1.0).unwrap_err().to_string(),
            "rounds must be from 1 to 1000, found 0"
        );
        assert_eq!(
            TimingPlan::new(3, f64::NAN).unwrap_err().to_string(),
            "seconds must be from 0 to 3600, found NaN"
        );
    }

    #[test]
    fn a_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn a_ratio_is_the_other_ones_time_over_ours_round_by_round() {
        let timings = |rounds: &[&[f64]]| Timings {
            rounds: rounds.iter().map(|r| r.to_vec()).collect(),
            ..Timings::default()
        };
        // The machine is half as fast in the second round, for both programs.
        let ours = timings(&[&[1.0, 1.0, 9.0], &[2.0]]);
        let its = timings(&[&[3.0], &[6.0, 6.0]]);
        assert_eq!(its.ratios(&ours), [3.0, 3.0]);
    }

    #[test]
    fn best_median_and_spread_are_of_all_steps() {
        let timings = Timings {
            rounds: vec![vec![5.0, 1.0], vec![3.0, 2.0, 4.0]],
            ..Timings::default()
        };
        assert_eq!((timings.best(), timings.median()), (1.0, 3.0));
        assert_eq!(timings.spread(), 2.0 / 3.0);
    }
}
