//! Training steps that the host does not wait for: the device makes a step while the host prepares
//! the next one.

use gptlab_engine::{Noise, QueuedSteps, StepHyper, StepResult, StepStats, program::Purpose};
use gptlab_model::Batch;

use super::{GpuEngine, Pass};
use crate::{
    GpuError, chunks,
    context::{Context, Mapping},
};

/// The step that was begun last, and memory for the next.
#[derive(Debug, Default)]
pub(super) struct Queue {
    begun: Option<BegunStep>,
    spare: Option<Staging>,
}

/// A buffer that the host can read, and its length in numbers.
#[derive(Debug)]
struct Staging {
    buffer: wgpu::Buffer,
    numbers: usize,
}

/// A step that was submitted to the device. The losses of its rows, and behind them the gradients'
/// norm, will be in `staging`.
#[derive(Debug)]
struct BegunStep {
    step: u32,
    grad_clip: Option<f64>,
    rows: usize,
    staging: Staging,
    mapping: Mapping,
}

impl Queue {
    /// Returns a buffer of at least so many numbers.
    fn staging(&mut self, context: &Context, numbers: usize) -> Result<Staging, GpuError> {
        let spare = self.spare.take();
        match spare.filter(|spare| spare.numbers >= numbers) {
            Some(spare) => Ok(spare),
            None => Ok(Staging {
                buffer: context.read_buffer(numbers)?,
                numbers,
            }),
        }
    }
}

impl GpuEngine {
    fn try_begin_step(
        &mut self,
        batch: &Batch,
        noise: Noise,
        hyper: &StepHyper,
    ) -> Result<BegunStep, GpuError> {
        if let Some(failure) = self.context.failure() {
            return Err(failure);
        }
        let rows = batch.tokens();
        let staging = self.queue.staging(&self.context, rows + 1)?;
        let chunks = self.chunks(batch);
        let pass = Pass {
            purpose: Purpose::Train,
            batch,
            own: 0..chunks.len(),
            chunks: &chunks,
            noise,
            shards: chunks::shards(chunks.len(), self.most_shards).collect(),
        };
        self.submit_pass(&pass, &staging.buffer)?;
        let submission = self.submit_update(hyper, &staging.buffer, rows)?;
        let mapping = Mapping::begin(&staging.buffer, Some(submission));
        Ok(BegunStep {
            step: noise.step,
            grad_clip: hyper.grad_clip,
            rows,
            staging,
            mapping,
        })
    }

    /// Waits for a step, and keeps its buffer for the next.
    fn wait(&mut self, begun: BegunStep) -> StepResult {
        let BegunStep {
            step,
            grad_clip,
            rows,
            staging,
            mapping,
        } = begun;
        let read = self.context.wait(&staging.buffer, mapping, rows + 1);
        let numbers = read.unwrap_or_else(|error| {
            self.fail(&error);
            Vec::new()
        });
        let Some((norm, losses)) = numbers.split_last() else {
            return failed(step);
        };
        self.queue.spare = Some(staging);
        let losses = losses.iter().copied().map(f64::from);
        StepResult {
            step,
            loss: losses.sum::<f64>() / rows as f64,
            stats: StepStats::clipped(f64::from(*norm), grad_clip),
        }
    }
}

/// Returns the result of a step on a device that has stopped.
fn failed(step: u32) -> StepResult {
    StepResult {
        step,
        loss: f64::NAN,
        stats: StepStats::UNKNOWN,
    }
}

impl QueuedSteps for GpuEngine {
    fn begin_step(&mut self, batch: &Batch, noise: Noise, hyper: &StepHyper) -> Option<StepResult> {
        let begun = self.try_begin_step(batch, noise, hyper);
        let before = self.end_step();
        match begun {
            Ok(begun) => {
                self.queue.begun = Some(begun);
                before
            }
            Err(error) => {
                self.fail(&error);
                let diverged = |before: &StepResult| {
                    !(before.loss.is_finite() && before.stats.grad_norm.is_finite())
                };
                before.filter(diverged).or(Some(failed(noise.step)))
            }
        }
    }

    fn end_step(&mut self) -> Option<StepResult> {
        let begun = self.queue.begun.take()?;
        Some(self.wait(begun))
    }
}
