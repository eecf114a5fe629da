//! The speed of a run, measured on its first steps.

use std::time::{Duration, Instant};

use gptlab_data::SplitName;
use gptlab_engine::Engine;
use gptlab_record::Event;

use crate::{Error, Observer, Progress, Resolved, Run, RunOptions, evaluate};

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
        let mut speed = observer.speed(first);
        if !speed.validation.is_zero() {
            // The first validation includes allocations, and on other devices the compilation of
            // kernels.
            let Resolved { model, batches, .. } = resolved;
            let most = resolved.experiment.intervals.val_tokens;
            let begun = Instant::now();
            evaluate(engine, model, batches, SplitName::Validation, most)?;
            speed.validation = begun.elapsed();
        }
        Ok(speed)
    }

    /// Returns the number of steps that fit into `time` with their validations, at least 1.
    /// `log_interval` is the number of steps from one log to the next in a run of so many steps.
    pub fn steps_in(&self, time: Duration, log_interval: impl Fn(u64) -> u64) -> u64 {
        let takes = |steps: u64| {
            let validations = validations(steps, log_interval(steps)) as f64;
            steps as f64 * self.step.as_secs_f64() + validations * self.validation.as_secs_f64()
        };
        let fits = |steps: &u64| takes(*steps) <= time.as_secs_f64();
        let most = (time.as_secs_f64() / self.step.as_secs_f64().max(1e-9)) as u64;
        let (mut fitting, mut over) = (1, most.saturating_add(1).max(2));
        while over - fitting > 1 {
            let middle = fitting + (over - fitting) / 2;
            if fits(&middle) {
                fitting = middle;
            } else {
                over = middle;
            }
        }
        fitting
    }
}

/// Returns the number of validations of a run: at the logged steps, of which the first and the last
/// step are always ones, and at the end.
fn validations(steps: u64, log_interval: u64) -> u64 {
    let interval = log_interval.max(1);
    let logged = steps.div_ceil(interval);
    let last = u64::from(!(steps - 1).is_multiple_of(interval));
    logged + last + 1
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
        // Steps 0, 500, ..., 2,000, the last one, and the end.
        assert_eq!(validations(2_330, 500), 7);
        assert_eq!(
            speed.steps_in(Duration::from_secs_f64(120.01), |_| 500),
            2_330
        );
        assert_eq!(speed.steps_in(Duration::from_secs(1), |_| 500), 1);
        // A log at each step, and the end.
        assert_eq!(validations(9, 1), 10);
        assert_eq!(speed.steps_in(Duration::from_secs_f64(5.46), |_| 1), 9);
    }

    #[test]
    fn the_first_step_is_no_measure_of_the_others() {
        let times = StepTimes(vec![3.0, 0.2, 0.1, 0.4]);
        let speed = times.speed(Duration::from_secs(5));
        assert_eq!(speed.step, Duration::from_millis(200));
        assert_eq!(speed.validation, Duration::from_secs(2));
    }
}
