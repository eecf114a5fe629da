//! Trains or resumes one run of a grid and evaluates it.

use std::{num::NonZeroUsize, path::PathBuf, sync::atomic::AtomicBool};

use gptlab_data::{Batches, CorpusCache, CorpusSource, SplitName, Text};
use gptlab_engine::{BackendOptions, Device, Engine, Slot, StepStats};
use gptlab_model::Batch;
use gptlab_record::{
    CellOutcome, Experiment, Store, read_events, read_experiment, read_outcome, write_outcome,
};
use gptlab_train::{
    Error, Event, Observer, Outcome, Progress, Resolved, Run, RunOptions, SampleError, SampleModel,
    Sampler, Series, Settings, evaluate, same_settings,
};

use super::observer::CellReporter;
use crate::{observe::InternalsRecorder, skill_flags};

/// The location of a run.
pub(super) struct RunLocation {
    pub(super) folder: PathBuf,
    /// Whether its last checkpoint is kept after the run has ended.
    pub(super) keep: bool,
    /// The experiment that a run in this folder must have.
    pub(super) experiment: Option<Experiment>,
}

impl RunLocation {
    /// Removes the checkpoints of a run that has ended, unless they are kept.
    fn forget_checkpoints(&self) -> Result<(), Error> {
        if !self.keep {
            Store::forget_checkpoints(&self.folder)?;
        }
        Ok(())
    }
}

/// Runs the cell to its end and returns its outcome; `None` if it was stopped before its end.
pub(super) fn run(
    place: &RunLocation,
    settings: &Settings,
    corpora: &CorpusCache<'_>,
    device: &Device,
    reporter: CellReporter<'_>,
) -> Result<Option<CellOutcome>, Error> {
    let folder = &place.folder;
    let begun = Store::exists(folder);
    if let Some(requested) = place.experiment.as_ref().filter(|_| begun) {
        same_settings(folder, &read_experiment(folder)?, requested)?;
    }
    if let Some(outcome) = read_outcome(folder)? {
        // A kill after the outcome was written leaves checkpoints behind.
        place.forget_checkpoints()?;
        return Ok(Some(outcome));
    }
    let resolved = if begun {
        Resolved::resume_run(folder, corpora, &settings.engine, settings.isa.clone())?
    } else {
        Resolved::fresh(settings, corpora)?
    };
    reporter.begun();
    let mut engine = device.engine(resolved.graph.clone(), &resolved.weights()?)?;
    let run_options = RunOptions {
        folder: Some(folder.clone()),
        keep: NonZeroUsize::new(1),
        ..RunOptions::default()
    };
    let mut observer = CellObserver {
        reporter,
        recorder: InternalsRecorder::new(settings.observe, &resolved),
        seed: settings.seed,
        resolved: &resolved,
        device,
    };
    let outcome = match Run::new(&resolved, engine.as_mut(), run_options, &mut observer)?.go()? {
        Outcome::Stopped { .. } => return Ok(None),
        Outcome::Diverged { step, .. } => diverged(settings.seed, step),
        Outcome::Finished { .. } | Outcome::Complete { .. } => {
            finished(engine.as_mut(), &resolved, corpora.text(), place, device)?
        }
    };
    write_outcome(folder, &outcome)?;
    place.forget_checkpoints()?;
    Ok(Some(outcome))
}

fn diverged(seed: u64, step: u64) -> CellOutcome {
    CellOutcome {
        seed,
        diverged_at: Some(step),
        val_loss: None,
        train_loss: None,
        grad_norm: None,
        skill_loss: None,
        sample: None,
    }
}

/// Evaluates the finished model on the whole validation split.
fn finished(
    engine: &mut dyn Engine,
    resolved: &Resolved,
    text: &Text,
    place: &RunLocation,
    device: &Device,
) -> Result<CellOutcome, Error> {
    let Resolved { model, batches, .. } = resolved;
    let seed = resolved.experiment.seed;
    let evaluation = evaluate(engine, model, batches, SplitName::Validation, u64::MAX)?;
    let sample = sample(engine, resolved, seed, device)?;
    let events = read_events(&place.folder)?;
    let last = events.iter().rev().find_map(Event::as_step);
    Ok(CellOutcome {
        seed,
        diverged_at: None,
        val_loss: evaluation.map(|e| e.loss),
        train_loss: last.map(|record| record.loss),
        grad_norm: last.map(|record| record.grad_norm),
        skill_loss: skill(engine, resolved, text)?,
        sample,
    })
}

/// Generates a few lines for the table and the report; `None` if the logits are not finite. One
/// thread generates them, because other runs use the others.
///
/// # Errors
/// Returns an error if the device has stopped computing.
fn sample(
    engine: &dyn Engine,
    resolved: &Resolved,
    seed: u64,
    device: &Device,
) -> Result<Option<String>, Error> {
    let experiment = &resolved.experiment;
    let device = device.with_options(BackendOptions {
        threads: 1,
        precision: experiment.hyper.precision,
    });
    let model = SampleModel {
        graph: &resolved.graph,
        weights: &engine.export(Slot::Weights),
        tokenizer: &resolved.tokenizer,
    };
    let sampling = &experiment.sampling;
    let never = AtomicBool::new(false);
    let written = Sampler::new(&device, model, sampling, seed)
        .and_then(|sampler| sampler.sample(&sampling.prompt, 0, &never, |_| {}));
    match written {
        Ok(written) => Ok(Some(written.prompt + &written.text)),
        Err(SampleError::Device(reason)) => Err(Error::Device(reason)),
        Err(
            SampleError::Sampling(_)
            | SampleError::Import(_)
            | SampleError::Characters(_)
            | SampleError::Prompt(_)
            | SampleError::Diverged
            | SampleError::Unended,
        ) => Ok(None),
    }
}

/// Returns the mean loss over the whole validation split of the predictions that require the skill
/// of a diagnostic text. The text must be split into documents.
fn skill(engine: &mut dyn Engine, resolved: &Resolved, text: &Text) -> Result<Option<f64>, Error> {
    let (batches, model): (&Batches, _) = (&resolved.batches, &resolved.model);
    let Some(flags) = flags(batches, text) else {
        return Ok(None);
    };
    let (mut flags, mut sum, mut tokens) = (flags.into_iter(), 0.0, 0u64);
    for batch in batches.covering(model, SplitName::Validation, usize::MAX) {
        let losses = engine.losses(&batch?);
        // A whole covering contains every prediction once, in order.
        for (loss, _) in losses.iter().zip(&mut flags).filter(|(_, skill)| *skill) {
            (sum, tokens) = (sum + loss, tokens + 1);
        }
    }
    Ok((tokens > 0).then(|| sum / tokens as f64))
}

/// Returns whether each prediction of the validation split requires the skill.
fn flags(batches: &Batches, text: &Text) -> Option<Vec<bool>> {
    let diagnostic = text.recipe()?.diagnostic()?;
    let corpus = batches.corpus();
    skill_flags::of_documents(
        diagnostic,
        &skill_flags::lines(corpus, corpus.validation()?)?,
    )
}

/// Forwards the run's progress to the grid's observer, and generates the run's samples.
struct CellObserver<'a> {
    reporter: CellReporter<'a>,
    recorder: InternalsRecorder,
    seed: u64,
    resolved: &'a Resolved,
    device: &'a Device,
}

impl Observer for CellObserver<'_> {
    fn event(&mut self, _event: &Event) {}

    fn progress(&mut self, progress: &Progress) {
        self.reporter.progress(progress);
    }

    fn sample(&mut self, engine: &dyn Engine, step: u64) -> Option<String> {
        // Each step has its own random stream.
        let seed = self.seed ^ (step << 32);
        // The run itself fails at the next number of a device that has stopped.
        sample(engine, self.resolved, seed, self.device).unwrap_or(None)
    }

    fn before_update(&mut self, engine: &mut dyn Engine, batch: &Batch) {
        self.recorder.before_update(engine, batch);
    }

    fn after_update(&mut self, engine: &mut dyn Engine, update: &StepStats) -> Vec<Series> {
        self.recorder.after_update(engine, update)
    }

    fn should_stop(&self) -> bool {
        self.reporter.should_stop()
    }
}

#[cfg(test)]
mod tests;
