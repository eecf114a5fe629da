//! How long to measure, and what a program's times come to.

use serde::{Deserialize, Serialize};

use crate::Error;

/// The most rounds that may be asked for.
pub const MOST_ROUNDS: usize = 1_000;
/// The most seconds that a turn may be asked to last.
pub const MOST_SECONDS: f64 = 3_600.0;

/// How long to measure. In a round every program has one turn, and runs steps in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimingPlan {
    pub rounds: usize,
    /// How long a turn lasts, at least; a step is never cut.
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
    /// Returns the plan of so many rounds and seconds.
    ///
    /// # Errors
    /// When there are not from 1 to [`MOST_ROUNDS`] rounds, or from 0 to [`MOST_SECONDS`] seconds.
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
    /// Its name and version, as it says them.
    pub program: String,
    /// How many threads it used.
    pub threads: usize,
    /// Seconds of each step, by round.
    pub rounds: Vec<Vec<f64>>,
    /// The most memory that its process ever held, where the system tells.
    pub peak_bytes: Option<u64>,
}

impl Timings {
    /// All steps' seconds, sorted.
    fn sorted(&self) -> Vec<f64> {
        let mut all: Vec<f64> = self.rounds.iter().flatten().copied().collect();
        all.sort_by(f64::total_cmp);
        all
    }

    /// Returns the median of all steps, in seconds; NaN where there is none.
    pub fn median(&self) -> f64 {
        median(&self.sorted())
    }

    /// Returns the shortest step, in seconds; NaN where there is none.
    pub fn best(&self) -> f64 {
        self.sorted().first().copied().unwrap_or(f64::NAN)
    }

    /// Returns the interquartile range of all steps, as a part of their median.
    pub fn spread(&self) -> f64 {
        let sorted = self.sorted();
        let at = |part: f64| {
            let place = (part * sorted.len().saturating_sub(1) as f64).round();
            sorted.get(place as usize).copied().unwrap_or(f64::NAN)
        };
        (at(0.75) - at(0.25)) / self.median()
    }

    /// Returns how many times as long as `ours` this program takes, round by round: the medians'
    /// ratio.
    pub fn ratios(&self, ours: &Self) -> Vec<f64> {
        let pairs = self.rounds.iter().zip(&ours.rounds);
        pairs
            .map(|(its, ours)| median(its) / median(ours))
            .collect()
    }
}

/// Returns the middle value, or the mean of the middle two; NaN of no values.
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
        // The machine is half as fast in the second round, for both alike.
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
