//! The loop: batch, forward and backward, update, event.

mod watch;

use std::{
    path::{Path, PathBuf},
    time::Instant,
};

use gptlab_data::Part;
use gptlab_engine::{Engine, Noise, StepHyper};
use gptlab_model::Batch;
use gptlab_record::{Event, Hyper, Observation, Series, StepRecord, Store, atomic};

use crate::{
    Checkpoint, Error, Evaluation, Observer, Outcome, Progress, Resolved, Stored, Targets, Update,
    evaluate,
    resolve::{Begin, same_experiment},
    step_hyper,
};

use self::watch::Watch;

/// An experiment under way.
pub struct Run<'a> {
    resolved: &'a Resolved,
    engine: &'a mut dyn Engine,
    observer: &'a mut dyn Observer,
    store: Option<Store>,
    save: Option<PathBuf>,
    /// Updates made.
    done: u64,
    /// The files that hold the state as it is.
    saved: Vec<PathBuf>,
    /// The last step's batch, whose memory the next one takes.
    spent: Option<Batch>,
    watch: Watch,
    keep: Option<usize>,
    /// The first step whose loss was no finite number.
    diverged: Option<u64>,
}

impl<'a> Run<'a> {
    /// Writes the experiment down, or finds it again. `engine` must be new and have been made with
    /// [`Resolved::weights`]; a resumed run's optimiser is imported into it.
    ///
    /// # Errors
    /// When a target cannot be written to, holds another run, or the engine runs another model.
    pub fn new(
        resolved: &'a Resolved,
        engine: &'a mut dyn Engine,
        targets: Targets,
        observer: &'a mut dyn Observer,
    ) -> Result<Self, Error> {
        if let Some(path) = &targets.save {
            atomic::probe(path)?;
        }
        if let Begin::Resume(checkpoint) = resolved.begin() {
            for stored in Stored::ALL {
                engine.import(stored.slot(), &checkpoint.read(stored)?)?;
            }
        }
        let (store, past) = open(resolved, targets.folder.as_deref())?;
        let before = past.iter().filter_map(Event::seconds).next_back();
        let mut run = Self {
            resolved,
            engine,
            observer,
            store,
            save: targets.save,
            done: resolved.first_step(),
            saved: saved(resolved),
            spent: None,
            watch: Watch::since(before.unwrap_or(0.0)),
            keep: targets.keep,
            diverged: None,
        };
        run.say_how_it_begins(&past)?;
        Ok(run)
    }

    /// Updates made.
    pub fn done(&self) -> u64 {
        self.done
    }

    /// Trains until all steps are made or the observer asks to stop, and saves.
    ///
    /// # Errors
    /// When something cannot be written. What was saved before is unchanged.
    pub fn go(mut self) -> Result<Outcome, Error> {
        while self.done < self.hyper().steps {
            if self.observer.should_stop() {
                return self.stop();
            }
            self.step()?;
            if let Some(step) = self.diverged
                && self.observer.ends_diverged()
            {
                return self.end_diverged(step);
            }
        }
        self.finish()
    }

    /// Makes one step, and logs, samples and saves where it is its turn; nothing where all are made.
    ///
    /// # Errors
    /// As [`Run::go`].
    pub fn step(&mut self) -> Result<(), Error> {
        let step = self.done;
        if step >= self.hyper().steps {
            return Ok(());
        }
        let intervals = self.resolved.experiment.intervals;
        let logged = step.is_multiple_of(intervals.log.get()) || step + 1 == self.hyper().steps;
        let validation = if logged { self.validate()? } else { None };
        let made = self.train(step, logged)?;
        if !made.loss.is_finite() {
            self.diverged = self.diverged.or(Some(step));
        }
        if logged {
            self.log(step, &made, validation)?;
            self.observation(step, made.series)?;
        }
        let last = self.done == self.hyper().steps;
        if let Some(every) = intervals.sample
            && (last || self.done.is_multiple_of(every.get()))
        {
            self.sample()?;
        }
        if let Some(every) = intervals.checkpoint
            && self.done.is_multiple_of(every.get())
        {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn hyper(&self) -> &'a Hyper {
        &self.resolved.experiment.hyper
    }

    fn say_how_it_begins(&mut self, past: &[Event]) -> Result<(), Error> {
        let step = self.done;
        match self.resolved.begin() {
            Begin::Fresh | Begin::Load(_) => self.say_start(),
            // Killed before it could say so.
            Begin::Again if past.is_empty() => self.say_start(),
            Begin::Again => self.emit(&Event::Resume { step }),
            Begin::Resume(checkpoint) => {
                self.complete(checkpoint, past)?;
                self.emit(&Event::Resume { step })
            }
        }
    }

    fn say_start(&mut self) -> Result<(), Error> {
        let parameters = self.resolved.graph.params().total() as u64;
        self.emit(&Event::Start { parameters })?;
        let resolved = self.resolved;
        resolved.notices.iter().try_for_each(|notice| {
            let text = notice.to_string();
            self.emit(&Event::Notice { text })
        })
    }

    /// A kill between saving a checkpoint and saying so leaves its event to be said.
    fn complete(&mut self, from: &Checkpoint, past: &[Event]) -> Result<(), Error> {
        let step = self.done;
        let Some(store) = &mut self.store else {
            return Ok(());
        };
        let file = store.name_of(from.path());
        let event = Event::Checkpoint { step, file };
        if *from.path() == *store.checkpoint_path(step) && !past.contains(&event) {
            store.append(&event)?;
        }
        Ok(())
    }

    fn validate(&mut self) -> Result<Option<Evaluation>, Error> {
        let Resolved { model, batches, .. } = self.resolved;
        let most = self.resolved.experiment.intervals.val_tokens;
        Ok(evaluate(
            self.engine,
            model,
            batches,
            Part::Validation,
            most,
        )?)
    }

    /// Makes step `step`, and lets the observer look into one that is `logged`.
    fn train(&mut self, step: u64, logged: bool) -> Result<Made, Error> {
        let begun = Instant::now();
        let Resolved { model, batches, .. } = self.resolved;
        // `Hyper::check` keeps every step below 2^32.
        let at = step as u32;
        let batch = batches.train_in(self.spent.take(), model, at)?;
        let noise = Noise {
            seed: self.resolved.experiment.seed,
            step: at,
        };
        let loss = self.engine.forward_backward(&batch, noise);
        let hyper = step_hyper(self.hyper(), step);
        let (looked, observer) = (Instant::now(), &mut self.observer);
        if logged {
            observer.before_update(self.engine, &batch);
        }
        let mut looking = looked.elapsed();
        let stats = self.engine.update(&hyper);
        let (looked, mut series) = (Instant::now(), Vec::new());
        if logged {
            series = observer.after_update(self.engine, &update(&hyper, stats.grad_norm));
        }
        looking += looked.elapsed();
        self.done += 1;
        self.saved.clear();
        let (took, tokens) = (
            begun.elapsed().saturating_sub(looking),
            batch.tokens() as u64,
        );
        self.watch.trained(took, tokens);
        self.watch.observed(looking);
        self.observer.progress(&Progress {
            done: self.done,
            steps: self.resolved.experiment.hyper.steps,
            loss,
            seconds: self.watch.seconds(),
            tokens,
            step_seconds: took.as_secs_f64(),
            observing: self.watch.observing(),
        });
        self.spent = Some(batch);
        Ok(Made {
            series,
            loss,
            grad_norm: stats.grad_norm,
            lr: hyper.lr,
        })
    }

    fn observation(&mut self, step: u64, series: Vec<Series>) -> Result<(), Error> {
        if series.is_empty() {
            return Ok(());
        }
        self.emit(&Event::Observation(Observation { step, series }))
    }

    fn log(&mut self, step: u64, made: &Made, validation: Option<Evaluation>) -> Result<(), Error> {
        let record = StepRecord {
            step,
            loss: made.loss,
            grad_norm: made.grad_norm,
            lr: made.lr,
            seconds: self.watch.seconds(),
            tokens_per_second: self.watch.lap(),
            val_loss: validation.map(|v| v.loss),
            val_bits_per_char: validation.map(|v| v.bits_per_char),
        };
        self.emit(&Event::Step(record))
    }

    fn sample(&mut self) -> Result<(), Error> {
        let step = self.done;
        let Some(text) = self.observer.sample(&*self.engine, step) else {
            return Ok(());
        };
        if let Some(store) = &self.store {
            store.sample(step, &text)?;
        }
        self.emit(&Event::Sample { step, text })
    }

    /// Saves to every target that does not hold the state as it is.
    fn checkpoint(&mut self) -> Result<(), Error> {
        let step = self.done;
        let kept = self.store.as_ref().map(|s| s.checkpoint_path(step));
        let paths = kept.into_iter().chain(self.save.clone());
        let paths: Vec<PathBuf> = paths.filter(|p| !self.saved.contains(p)).collect();
        if paths.is_empty() {
            return Ok(());
        }
        // Were the power cut after the rename, the record would still reach up to the checkpoint.
        if let Some(store) = &self.store {
            store.sync()?;
        }
        let (header, table) = (self.resolved.header(step), self.resolved.graph.params());
        for path in paths {
            Checkpoint::save(&path, &header, table, |stored| {
                self.engine.export(stored.slot())
            })?;
            let file = match &self.store {
                Some(store) => store.name_of(&path),
                None => path.display().to_string(),
            };
            self.saved.push(path);
            self.emit(&Event::Checkpoint { step, file })?;
        }
        if let (Some(store), Some(keep)) = (&self.store, self.keep) {
            store.keep_newest(keep)?;
        }
        Ok(())
    }

    fn stop(mut self) -> Result<Outcome, Error> {
        self.checkpoint()?;
        let (step, seconds) = (self.done, self.watch.seconds());
        self.emit(&Event::Stop { step, seconds })?;
        Ok(Outcome::Stopped {
            step,
            saved: self.saved,
        })
    }

    fn end_diverged(mut self, step: u64) -> Result<Outcome, Error> {
        let seconds = self.watch.seconds();
        self.emit(&Event::Diverged { step, seconds })?;
        Ok(Outcome::Diverged { step })
    }

    fn finish(mut self) -> Result<Outcome, Error> {
        self.checkpoint()?;
        let validation = self.validate()?;
        let step = self.done;
        let seconds = self.watch.seconds();
        self.emit(&Event::Done {
            step,
            seconds,
            val_loss: validation.map(|v| v.loss),
            val_bits_per_char: validation.map(|v| v.bits_per_char),
        })?;
        Ok(Outcome::Finished {
            step,
            saved: self.saved,
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

/// What holds the state before the first step.
fn saved(resolved: &Resolved) -> Vec<PathBuf> {
    match resolved.begin() {
        Begin::Fresh | Begin::Again | Begin::Load(_) => Vec::new(),
        Begin::Resume(checkpoint) => vec![checkpoint.path().to_owned()],
    }
}

/// The store in `folder`, and the events that stay in it.
fn open(resolved: &Resolved, folder: Option<&Path>) -> Result<(Option<Store>, Vec<Event>), Error> {
    let Some(folder) = folder else {
        return Ok((None, Vec::new()));
    };
    let goes_on = match resolved.begin() {
        Begin::Fresh | Begin::Load(_) => false,
        Begin::Again => true,
        Begin::Resume(_) => Store::exists(folder),
    };
    if !goes_on {
        let store = Store::create(folder, &resolved.experiment)?;
        return Ok((Some(store), Vec::new()));
    }
    let found = gptlab_record::read_experiment(folder)?;
    same_experiment(folder, &found, &resolved.experiment)?;
    let (store, past) = Store::resume(folder, resolved.first_step())?;
    Ok((Some(store), past))
}

fn update(hyper: &StepHyper, grad_norm: f64) -> Update {
    let factor = |most: f64| (most / (grad_norm + 1e-6)).min(1.0);
    Update {
        grad_norm,
        clip_factor: hyper.grad_clip.map_or(1.0, factor),
    }
}

/// What a step made.
struct Made {
    series: Vec<Series>,
    loss: f64,
    grad_norm: f64,
    lr: f64,
}

#[cfg(test)]
mod tests;
