//! The speed of a run, measured on its first steps.

use std::time::{Duration, Instant};

use gptlab_engine::Engine;
use gptlab_record::Event;

use crate::{Error, Observer, Progress, Resolved, Run, RunOptions};

/// The least number of steps that are measured after the first one, which allocates memory.
const LEAST_STEPS: usize = 3;
/// The largest number of steps that are measured.
const MOST_STEPS: usize = 50;

/// The time that the parts of a run take on this machine under its present load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Speed {
    /// The median time of a step.
    pub step: Duration,
    /// The time of one validation.
    pub validation: Duration,
}

impl Speed {
    /// Runs the first steps of `resolved` on `engine` for about `time`, at least four of them, and
    /// writes no file. The engine must be new. It cannot train the run afterwards, because its
    /// weights have changed.
    ///
    /// # Errors
    /// Returns the errors of [`Run::new`] and [`Run::step`].
    pub fn measure(
        resolved: &Resolved,
        engine: &mut dyn Engine,
        run_options: &RunOptions,
        time: Duration,
    ) -> Result<Self, Error> {
        let mut observer = StepTimes::default();
        let begun = Instant::now();
        let run_options = RunOptions {
            micro_batch: run_options.micro_batch,
            ..RunOptions::default()
        };
        let mut run = Run::new(resolved, engine, run_options, &mut observer)?;
        run.step()?;
        let first = begun.elapsed();
        let mut made = 1;
        while made <= LEAST_STEPS || made <= MOST_STEPS && begun.elapsed() < time {
            run.step()?;
            made += 1;
        }
        drop(run);
        Ok(observer.speed(first))
    }

    /// Returns the number of steps that fit into `time` beside that number of `validations`; at
    /// least 1.
    pub fn steps_in(&self, time: Duration, validations: u64) -> u64 {
        let validating = self.validation.as_secs_f64() * validations as f64;
        let training = (time.as_secs_f64() - validating).max(0.0);
        ((training / self.step.as_secs_f64().max(1e-9)) as u64).max(1)
    }
}

/// An observer that keeps the seconds of every step.
#[derive(Default)]
struct StepTimes(Vec<f64>);

impl StepTimes {
    /// Returns the speed, if the first step and its validation took `first`.
    fn speed(mut self, first: Duration) -> Speed {
        let own = self.0.first().copied().unwrap_or_default();
        if self.0.len() > 1 {
            self.0.remove(0);
        }
        self.0.sort_by(f64::total_cmp);
        let median = self.0.get(self.0.len() / 2).copied().unwrap_or(own);
        Speed {
            step: Duration::from_secs_f64(median.max(0.0)),
            validation: first.saturating_sub(Duration::from_secs_f64(own.max(0.0))),
        }
    }
}

impl Observer for StepTimes {
    fn event(&mut self, _event: &Event) {}

    fn progress(&mut self, progress: &Progress) {
        self.0.push(progress.step_seconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_fill_the_time_that_validating_leaves() {
        let speed = Speed {
            step: Duration::from_millis(50),
            validation: Duration::from_millis(500),
        };
        assert_eq!(speed.steps_in(Duration::from_mins(2), 10), 2_300);
        assert_eq!(speed.steps_in(Duration::from_secs(1), 10), 1);
    }

    #[test]
    fn the_first_step_is_no_measure_of_the_others() {
        let times = StepTimes(vec![3.0, 0.2, 0.1, 0.4]);
        let speed = times.speed(Duration::from_secs(5));
        assert_eq!(speed.step, Duration::from_millis(200));
        assert_eq!(speed.validation, Duration::from_secs(2));
    }
}
