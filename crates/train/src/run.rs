//! The training loop: batch, forward and backward, update, event.

mod begin;
mod checkpoint_clock;
mod save;
mod steps;
mod stopwatch;

use std::{mem, num::NonZeroUsize, path::PathBuf};

use gptlab_data::SplitName;
use gptlab_engine::Engine;
use gptlab_model::Batch;
use gptlab_recipe::Hyper;
use gptlab_record::{Event, NotFinite, Observation, Series, StepRecord, Store, atomic::ChosenFile};

use crate::{
    Error, Evaluation, Observer, Outcome, Resolved, RunOptions, Stored, evaluate, is_checkpoint,
    resolve::Begin,
};

use self::{
    begin::RecordedEnd, checkpoint_clock::CheckpointClock, steps::StepOutcome, stopwatch::Stopwatch,
};

/// A run of an experiment.
///
/// ```
/// use gptlab_data::Text;
/// use gptlab_engine::Device;
/// use gptlab_model::Preset;
/// use gptlab_recipe::TextOrigin;
/// use gptlab_train::{Event, Observer, Outcome, Resolved, Run, Settings, RunOptions};
///
/// struct Losses(Vec<f64>);
///
/// impl Observer for Losses {
///     fn event(&mut self, event: &Event) {
///         self.0.extend(event.as_step().map(|record| record.loss));
///     }
/// }
///
/// let names = "emma\nolivia\nava\nisabella\nsophia\nmia\n".repeat(9);
/// let text = Text::from_bytes(names.into_bytes(), TextOrigin::Other("six names".into()))?;
/// let resolved = Resolved::fresh(&Settings::of(Preset::Microgpt, Some(20)), &text)?;
/// let device = Device::cpu(1);
/// let mut engine = device.engine(resolved.graph.clone(), &resolved.weights()?)?;
///
/// // With the default options, the run writes no files.
/// let mut losses = Losses(Vec::new());
/// let run = Run::new(&resolved, engine.as_mut(), RunOptions::default(), &mut losses)?;
/// let outcome = run.go()?;
/// assert!(matches!(outcome, Outcome::Finished { step: 20, .. }));
/// assert!(losses.0[19] < losses.0[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Run<'a> {
    resolved: &'a Resolved,
    engine: &'a mut dyn Engine,
    observer: &'a mut dyn Observer,
    store: Option<Store>,
    save: Option<ChosenFile>,
    /// The number of updates made.
    done: u64,
    /// The files that hold the current state.
    saved: Vec<PathBuf>,
    /// The last step's batch, whose memory the next batch reuses.
    spent: Option<Batch>,
    /// The losses of the last step's batch by token, in nats. The buffer is reused.
    losses: Vec<f64>,
    /// The loss of the last step whose result is known.
    last_loss: f64,
    stopwatch: Stopwatch,
    checkpoint_clock: CheckpointClock,
    keep: Option<NonZeroUsize>,
    /// The number of sequences that the engine runs at a time; `None` runs all at once.
    micro_batch: Option<NonZeroUsize>,
    /// The step and number that were not finite, once the run has diverged.
    diverged: Option<Divergence>,
    recorded_end: RecordedEnd,
    /// Whether the last sample that was due could not be generated completely.
    unsampled: bool,
}

/// The step at which a run diverged, and the first of its numbers that was not finite.
#[derive(Clone, Copy)]
struct Divergence {
    step: u64,
    what: NotFinite,
}

impl<'a> Run<'a> {
    /// Writes the experiment, or reopens the record of a resumed run. `engine` must be new and hold
    /// [`Resolved::weights`]. The optimiser's state of a resumed run is imported into it.
    ///
    /// # Errors
    /// Returns an error if a target cannot be written to or holds another run, or the engine runs
    /// another model.
    pub fn new(
        resolved: &'a Resolved,
        engine: &'a mut dyn Engine,
        run_options: RunOptions,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, Error> {
        let RunOptions {
            folder,
            save,
            keep,
            micro_batch,
        } = run_options;
        let save = save.map(|path| ChosenFile::new(&path, is_checkpoint));
        let save = save.transpose()?;
        if let Begin::Resume(checkpoint) = resolved.begin() {
            for stored in Stored::ALL {
                engine.import(stored.slot(), &checkpoint.read(stored)?)?;
            }
        }
        let (store, past) = begin::open(resolved, folder)?;
        let before = past.events.iter().filter_map(Event::seconds).next_back();
        let mut run = Self {
            resolved,
            engine,
            observer,
            store,
            save,
            done: resolved.first_step(),
            saved: begin::saved(resolved),
            spent: None,
            losses: Vec::new(),
            last_loss: f64::NAN,
            stopwatch: Stopwatch::since(before.unwrap_or(0.0)),
            checkpoint_clock: CheckpointClock::start(),
            keep,
            micro_batch,
            diverged: None,
            recorded_end: RecordedEnd::of(resolved, &past.events),
            unsampled: false,
        };
        run.emit_opening_events(&past)?;
        Ok(run)
    }

    /// Returns the number of updates made.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Trains until all steps are made, the observer stops the run, or a number is not finite. The
    /// state is saved at the end unless it is not finite.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written. Earlier checkpoints are unchanged, and the
    /// file [`RunOptions::save`] holds the last state if it can still be written.
    pub fn go(mut self) -> Result<Outcome, Error> {
        let outcome = self.train_to_the_end();
        if outcome.is_err() {
            self.save_named();
        }
        outcome
    }

    fn train_to_the_end(&mut self) -> Result<Outcome, Error> {
        if self.recorded_end.complete {
            return self.complete();
        }
        self.sample_again()?;
        while self.done < self.hyper().steps {
            if self.observer.should_stop() {
                return self.stop();
            }
            self.step()?;
            if let Some(divergence) = self.diverged {
                return self.end_diverged(divergence);
            }
        }
        // A sample that was cut short is generated again when the run is resumed.
        if self.unsampled && self.observer.should_stop() {
            return self.stop();
        }
        self.finish()
    }

    /// Makes one step, and logs, samples and saves if they are due. Does nothing if all steps are
    /// made or the run has diverged.
    ///
    /// # Errors
    /// Returns the errors of [`Run::go`].
    pub fn step(&mut self) -> Result<(), Error> {
        let step = self.done;
        if step >= self.hyper().steps || self.diverged.is_some() {
            return Ok(());
        }
        let intervals = self.resolved.experiment.intervals;
        let logged = step.is_multiple_of(intervals.log.get()) || step + 1 == self.hyper().steps;
        if logged {
            self.train_and_log(step)?;
        } else {
            self.train(step)?;
        }
        let (sampled, saved) = (self.is_turn_of_sample(), self.checkpoint_is_due());
        if sampled || saved {
            self.end_step()?;
        }
        if self.diverged.is_some() {
            return Ok(());
        }
        if sampled {
            self.sample()?;
        }
        if saved {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Makes step `step` with its validation, observation and record.
    fn train_and_log(&mut self, step: u64) -> Result<(), Error> {
        self.end_step()?;
        if self.diverged.is_some() {
            return Ok(());
        }
        let validation = self.validate()?;
        if self.diverged.is_some() {
            return Ok(());
        }
        let made = self.train_waiting(step, true)?;
        self.log(step, &made, validation)?;
        self.observation(step, made.series)
    }

    /// Returns whether a sample is due after the updates made so far.
    fn is_turn_of_sample(&self) -> bool {
        let last = self.done == self.hyper().steps;
        let every = self.resolved.experiment.intervals.sample;
        every.is_some_and(|every| last || self.done.is_multiple_of(every.get()))
    }

    /// Generates the sample that a stopped run did not reach or did not complete.
    fn sample_again(&mut self) -> Result<(), Error> {
        if self.recorded_end.sample_is_due && self.is_turn_of_sample() {
            self.sample()?;
        }
        Ok(())
    }

    fn hyper(&self) -> &'a Hyper {
        &self.resolved.experiment.hyper
    }

    /// Returns the loss on the validation split. A loss that is not finite ends the run.
    fn validate(&mut self) -> Result<Option<Evaluation>, Error> {
        let Resolved { model, batches, .. } = self.resolved;
        let most = self.resolved.experiment.intervals.val_tokens;
        let found = evaluate(self.engine, model, batches, SplitName::Validation, most)?;
        if found.is_some_and(|found| !found.loss.is_finite()) {
            self.diverge(self.done, NotFinite::ValLoss)?;
        }
        Ok(found)
    }

    /// Ends the run at a number that is not finite.
    ///
    /// # Errors
    /// Returns the reason if the device has stopped computing, which is no divergence.
    fn diverge(&mut self, step: u64, what: NotFinite) -> Result<(), Error> {
        Error::unless_stopped(self.engine)?;
        self.diverged = self.diverged.or(Some(Divergence { step, what }));
        Ok(())
    }

    fn observation(&mut self, step: u64, series: Vec<Series>) -> Result<(), Error> {
        if series.is_empty() {
            return Ok(());
        }
        self.emit(&Event::Observation(Observation { step, series }))
    }

    fn log(
        &mut self,
        step: u64,
        made: &StepOutcome,
        validation: Option<Evaluation>,
    ) -> Result<(), Error> {
        let record = StepRecord {
            step,
            loss: made.loss,
            grad_norm: made.grad_norm,
            lr: made.lr,
            seconds: self.stopwatch.seconds(),
            tokens_per_second: self.stopwatch.lap(),
            val_loss: validation.map(|v| v.loss),
            val_bits_per_char: validation.map(|v| v.bits_per_char),
        };
        self.emit(&Event::Step(record))
    }

    fn sample(&mut self) -> Result<(), Error> {
        let step = self.done;
        let text = self.observer.sample(&*self.engine, step);
        self.unsampled = text.is_none();
        let Some(text) = text else {
            return Ok(());
        };
        if let Some(store) = &self.store {
            store.sample(step, &text)?;
        }
        self.emit(&Event::Sample { step, text })
    }

    fn stop(&mut self) -> Result<Outcome, Error> {
        self.end_step()?;
        if self.diverged.is_none() {
            self.checkpoint()?;
        }
        if let Some(divergence) = self.diverged {
            return self.end_diverged(divergence);
        }
        let (step, seconds) = (self.done, self.stopwatch.seconds());
        self.emit(&Event::Stop { step, seconds })?;
        Ok(Outcome::Stopped {
            step,
            saved: mem::take(&mut self.saved),
        })
    }

    fn end_diverged(&mut self, Divergence { step, what }: Divergence) -> Result<Outcome, Error> {
        let seconds = self.stopwatch.seconds();
        self.emit(&Event::Diverged {
            step,
            seconds,
            what: Some(what),
        })?;
        Ok(Outcome::Diverged { step, what })
    }

    fn finish(&mut self) -> Result<Outcome, Error> {
        let validation = self.validate()?;
        if self.diverged.is_none() {
            self.checkpoint()?;
        }
        if let Some(divergence) = self.diverged {
            return self.end_diverged(divergence);
        }
        let step = self.done;
        let seconds = self.stopwatch.seconds();
        self.emit(&Event::Done {
            step,
            seconds,
            val_loss: validation.map(|v| v.loss),
            val_bits_per_char: validation.map(|v| v.bits_per_char),
        })?;
        Ok(Outcome::Finished {
            step,
            saved: mem::take(&mut self.saved),
        })
    }

    /// Ends a run that had already finished, with its state in every target.
    fn complete(&mut self) -> Result<Outcome, Error> {
        self.checkpoint()?;
        Ok(Outcome::Complete {
            step: self.done,
            saved: mem::take(&mut self.saved),
        })
    }

    fn emit(&mut self, event: &Event) -> Result<(), Error> {
        if let Some(store) = &mut self.store {
            store.append(event)?;
        }
        self.observer.event(event);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
