//! Saving checkpoints to the run's folder and file.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use gptlab_record::{Event, NotFinite};

use super::Run;
use crate::{Checkpoint, Error, SaveError, Stored};

impl Run<'_> {
    /// Returns whether a checkpoint is due, by steps or by time.
    pub(super) fn checkpoint_is_due(&self) -> bool {
        let intervals = self.resolved.experiment.intervals;
        let by_steps = intervals
            .checkpoint
            .is_some_and(|n| self.done.is_multiple_of(n.get()));
        let by_clock = intervals.checkpoint_seconds.is_some_and(|seconds| {
            let last = self.done == self.hyper().steps;
            !last
                && self
                    .checkpoint_clock
                    .is_due(Duration::from_secs(seconds.get()))
        });
        by_steps || by_clock
    }

    /// Saves to every target that does not hold the current state. A state that is not finite is
    /// not saved, and ends the run.
    pub(super) fn checkpoint(&mut self) -> Result<(), Error> {
        let step = self.done;
        let kept = self.store.as_ref().map(|s| s.checkpoint_path(step));
        let named = self.save.as_ref().map(|save| save.path().to_owned());
        let paths = kept.into_iter().chain(named);
        let paths: Vec<PathBuf> = paths.filter(|p| !self.saved.contains(p)).collect();
        if paths.is_empty() {
            // A kill between saving and removing may have left one checkpoint too many.
            return self.keep_newest();
        }
        let begun = Instant::now();
        // The events are synced first, so that after a power cut they still reach the checkpoint.
        if let Some(store) = &self.store {
            store.sync()?;
        }
        // Both places are tried: one may succeed where another fails.
        let tried: Vec<Result<bool, Error>> =
            paths.into_iter().map(|path| self.save_to(path)).collect();
        if !tried
            .into_iter()
            .collect::<Result<Vec<bool>, Error>>()?
            .iter()
            .all(|finite| *finite)
        {
            return self.diverge(step, NotFinite::State);
        }
        self.keep_newest()?;
        self.checkpoint_clock.saved(begun.elapsed());
        Ok(())
    }

    fn keep_newest(&self) -> Result<(), Error> {
        if let (Some(store), Some(keep)) = (&self.store, self.keep) {
            store.keep_newest(keep.get())?;
        }
        Ok(())
    }

    /// Saves the state to `path`, and returns whether it is finite.
    fn save_to(&mut self, path: PathBuf) -> Result<bool, Error> {
        if let Some(save) = self.save.as_ref().filter(|save| save.path() == path) {
            save.check()?;
        }
        match self.write_to(&path) {
            Ok(()) => {}
            Err(SaveError::NotFinite(_)) => return Ok(false),
            Err(SaveError::File(error)) => return Err(error.into()),
        }
        let file = match &self.store {
            Some(store) => store.name_of(&path),
            None => path.display().to_string(),
        };
        self.saved.push(path);
        let step = self.done;
        self.emit(&Event::Checkpoint { step, file })?;
        Ok(true)
    }

    fn write_to(&self, path: &Path) -> Result<(), SaveError> {
        let (header, table) = (
            self.resolved.header(self.done),
            self.resolved.graph.params(),
        );
        let numbers = |stored: Stored| self.engine.export(stored.slot());
        Checkpoint::save(path, &header, table, numbers)
    }

    /// Saves to the file [`RunOptions::save`](crate::RunOptions::save) after the record could not
    /// be written. Nothing is saved in the run's folder, because its record would lack the steps
    /// before the checkpoint.
    pub(super) fn save_named(&mut self) {
        // The caller receives the first error, so a second one is ignored.
        let _ = self.end_step();
        let Some(save) = &self.save else { return };
        let path = save.path().to_owned();
        let trained = self.done > self.resolved.first_step() && self.diverged.is_none();
        if trained && !self.saved.contains(&path) && save.check().is_ok() {
            let _ = self.write_to(&path);
        }
    }
}
