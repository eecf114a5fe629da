//! The steps of a run: batch, gradients, update.

use std::{
    num::NonZeroUsize,
    time::{Duration, Instant},
};

use gptlab_engine::{Alone, Noise, QueuedSteps, StepHyper, StepResult, StepStats};
use gptlab_model::Batch;
use gptlab_record::{NotFinite, Series};

use super::Run;
use crate::{Error, Progress, Resolved, step_hyper};

/// The time of a step and the number of its predictions.
struct Timing {
    took: Duration,
    /// The time that the observer took, which `took` does not include.
    looking: Duration,
    tokens: u64,
}

/// What a step is made from.
struct StepInputs {
    batch: Batch,
    noise: Noise,
    hyper: StepHyper,
}

/// The results of a logged step.
pub(super) struct StepOutcome {
    pub(super) series: Vec<Series>,
    pub(super) loss: f64,
    pub(super) grad_norm: f64,
    pub(super) lr: f64,
}

impl Run<'_> {
    /// Makes step `step`, or begins it if the device computes beside the host. Micro-batches are
    /// made one after another, and are waited for.
    pub(super) fn train(&mut self, step: u64) -> Result<(), Error> {
        if self.micro_batch.is_none() && self.engine.queued().is_some() {
            return self.begin_step(step);
        }
        self.train_waiting(step, false)?;
        Ok(())
    }

    /// Begins step `step`. The step before may end.
    fn begin_step(&mut self, step: u64) -> Result<(), Error> {
        let begun = Instant::now();
        let StepInputs {
            batch,
            noise,
            hyper,
        } = self.inputs(step)?;
        let queued = self.engine.queued();
        let ended = queued.and_then(|queued| queued.begin_step(&batch, noise, &hyper));
        self.saved.clear();
        let timing = Timing {
            took: begun.elapsed(),
            looking: Duration::ZERO,
            tokens: batch.tokens() as u64,
        };
        self.spent = Some(batch);
        if let Some(result) = ended {
            self.ended(&result)?;
        }
        if self.diverged.is_none() {
            self.made(&timing);
        }
        Ok(())
    }

    /// Waits for the step that was begun last. Nothing is logged, sampled or saved before its
    /// result is known.
    pub(super) fn end_step(&mut self) -> Result<(), Error> {
        let begun = Instant::now();
        let Some(result) = self.engine.queued().and_then(QueuedSteps::end_step) else {
            return Ok(());
        };
        self.stopwatch.trained(begun.elapsed(), 0);
        self.ended(&result)
    }

    /// Ends the run if a number of a step is not finite.
    fn ended(&mut self, result: &StepResult) -> Result<(), Error> {
        self.last_loss = result.loss;
        if !result.loss.is_finite() {
            self.diverge(result.step.into(), NotFinite::Loss)?;
        } else if !result.stats.grad_norm.is_finite() {
            self.diverge(result.step.into(), NotFinite::GradNorm)?;
        }
        Ok(())
    }

    /// Returns what step `step` is made from.
    fn inputs(&mut self, step: u64) -> Result<StepInputs, Error> {
        let Resolved { model, batches, .. } = self.resolved;
        // `Hyper::check` keeps every step below 2^32.
        let at = step as u32;
        Ok(StepInputs {
            batch: batches.train_in(self.spent.take(), model, at)?,
            noise: Noise {
                seed: self.resolved.experiment.seed,
                step: at,
            },
            hyper: step_hyper(self.hyper(), step),
        })
    }

    /// Makes step `step` and waits for it. The observer inspects it if it is `logged`. A loss that
    /// is not finite makes no update.
    pub(super) fn train_waiting(&mut self, step: u64, logged: bool) -> Result<StepOutcome, Error> {
        let begun = Instant::now();
        let StepInputs {
            batch,
            noise,
            hyper,
        } = self.inputs(step)?;
        let loss = self.forward_backward(&batch, noise)?;
        let (mut stats, mut series) = (StepStats::UNKNOWN, Vec::new());
        let mut looking = Duration::ZERO;
        if loss.is_finite() {
            let looked = Instant::now();
            if logged {
                self.observer.before_update(self.engine, &batch);
            }
            looking += looked.elapsed();
            stats = self.engine.update(&hyper);
            let looked = Instant::now();
            if logged {
                series = self.observer.after_update(self.engine, &stats);
            }
            looking += looked.elapsed();
            self.saved.clear();
        }
        let timing = Timing {
            took: begun.elapsed().saturating_sub(looking),
            looking,
            tokens: batch.tokens() as u64,
        };
        self.spent = Some(batch);
        self.ended(&StepResult {
            step: noise.step,
            loss,
            stats,
        })?;
        if self.diverged.is_none() {
            self.made(&timing);
        }
        Ok(StepOutcome {
            series,
            loss,
            grad_norm: stats.grad_norm,
            lr: hyper.lr,
        })
    }

    /// Counts a step.
    fn made(&mut self, timing: &Timing) {
        self.done += 1;
        self.report_progress(timing);
    }

    /// Computes the gradients of the mean loss of `batch` and returns that loss, in nats per token.
    /// The sequences run all at once or a few at a time, with the same result.
    fn forward_backward(&mut self, batch: &Batch, noise: Noise) -> Result<f64, Error> {
        let all = batch.sequences();
        // The next batch has as many sequences, and each may be as long as the context.
        let most = all * self.resolved.graph.block_size();
        self.losses.clear();
        self.losses.reserve_exact(most);
        self.losses.resize(batch.tokens(), 0.0);
        let sequences = self.micro_batch.map_or(all, NonZeroUsize::get);
        let mut first = 0;
        while first < all {
            let part = self.engine.part(batch, first, sequences);
            first = part.end;
            self.engine.accumulate(batch, part, noise, &mut self.losses);
        }
        self.engine.reduce(&mut Alone)?;
        Ok(self.losses.iter().sum::<f64>() / batch.tokens() as f64)
    }

    fn report_progress(&mut self, timing: &Timing) {
        self.stopwatch.trained(timing.took, timing.tokens);
        self.stopwatch.observed(timing.looking);
        self.observer.progress(&Progress {
            done: self.done,
            steps: self.resolved.experiment.hyper.steps,
            loss: self.last_loss,
            seconds: self.stopwatch.seconds(),
            tokens: timing.tokens,
            step_seconds: timing.took.as_secs_f64(),
            observing: self.stopwatch.observing(),
        });
    }
}
