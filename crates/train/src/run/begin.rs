//! How a run begins: its store, what it had recorded before, and what is said of that.

use std::path::PathBuf;

use gptlab_record::{Event, Experiment, Past, SetAside, Store};

use super::Run;
use crate::{
    Checkpoint, Error, Notice, Resolved,
    resolve::{Begin, same_experiment},
};

/// What a run's past says of its beginning.
#[derive(Clone, Copy)]
pub(super) struct RecordedEnd {
    /// It had come to its end, and has no step to make.
    pub(super) complete: bool,
    /// It has made updates, and no sample after the last of them.
    pub(super) sample_is_due: bool,
}

impl RecordedEnd {
    pub(super) fn of(resolved: &Resolved, past: &[Event]) -> Self {
        let done = resolved.first_step();
        let ends = |e: &Event| matches!(e, Event::Done { step, .. } if *step == done);
        let samples = |e: &Event| e.as_sample().is_some_and(|(step, _)| step == done);
        Self {
            complete: done == resolved.experiment.hyper.steps && past.iter().any(ends),
            sample_is_due: done > 0 && !past.iter().any(samples),
        }
    }
}

impl Run<'_> {
    pub(super) fn say_how_it_begins(&mut self, past: &Past) -> Result<(), Error> {
        let step = self.done;
        if self.recorded_end.complete {
            return Ok(());
        }
        match self.resolved.begin() {
            Begin::Fresh | Begin::Load(_) => self.say_start(),
            // Killed before it could say so.
            Begin::Again if past.events.is_empty() => self.say_start(),
            Begin::Again => {
                self.emit(&Event::Resume { step })?;
                self.say_changes(past)
            }
            Begin::Resume(checkpoint) => {
                self.complete_events(checkpoint, &past.events)?;
                self.emit(&Event::Resume { step })?;
                self.say_changes(past)
            }
        }
    }

    fn say_start(&mut self) -> Result<(), Error> {
        let parameters = self.resolved.graph.params().total() as u64;
        self.emit(&Event::Start { parameters })?;
        let resolved = self.resolved;
        resolved.notices.iter().try_for_each(|n| self.say(n))
    }

    /// What is not as it was, in the record for good.
    fn say_changes(&mut self, past: &Past) -> Result<(), Error> {
        let resolved = self.resolved;
        let changes = resolved.notices.iter().filter(|notice| notice.is_change());
        changes.cloned().try_for_each(|notice| self.say(&notice))?;
        if past.lost_events {
            self.say(&Notice::EventsLost)?;
        }
        match &past.set_aside {
            Some(SetAside {
                folder,
                events,
                checkpoints,
            }) => self.say(&Notice::SetAside {
                folder: folder.display().to_string(),
                events: *events,
                checkpoints: *checkpoints,
            }),
            None => Ok(()),
        }
    }

    fn say(&mut self, notice: &Notice) -> Result<(), Error> {
        let text = notice.to_string();
        self.emit(&Event::Notice { text })
    }

    /// A kill between saving a checkpoint and saying so leaves its event to be said.
    fn complete_events(&mut self, from: &Checkpoint, past: &[Event]) -> Result<(), Error> {
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
}

/// What holds the state before the first step.
pub(super) fn saved(resolved: &Resolved) -> Vec<PathBuf> {
    match resolved.begin() {
        Begin::Fresh | Begin::Again | Begin::Load(_) => Vec::new(),
        Begin::Resume(checkpoint) => vec![checkpoint.path().to_owned()],
    }
}

/// The store in `folder`, and what stays in it.
pub(super) fn open(
    resolved: &Resolved,
    folder: Option<PathBuf>,
) -> Result<(Option<Store>, Past), Error> {
    let nothing = Past {
        events: Vec::new(),
        set_aside: None,
        lost_events: false,
    };
    let Some(folder) = folder else {
        return Ok((None, nothing));
    };
    let goes_on = match resolved.begin() {
        Begin::Fresh | Begin::Load(_) => false,
        Begin::Again => true,
        Begin::Resume(_) => Store::exists(&folder),
    };
    if !goes_on {
        let store = Store::create(&folder, &resolved.experiment)?;
        return Ok((Some(store), nothing));
    }
    let found = gptlab_record::read_experiment(&folder)?;
    same_experiment(&folder, &found, &resolved.experiment)?;
    let (store, past) = Store::resume(&folder, resolved.first_step())?;
    let now = as_it_goes_on(resolved, &found);
    if now != found {
        store.rewrite(&now)?;
    }
    Ok((Some(store), past))
}

/// The record `found` of a run that goes on, with another number of steps where that was asked for,
/// and with the instructions that make all of its steps.
fn as_it_goes_on(resolved: &Resolved, found: &Experiment) -> Experiment {
    let asked = &resolved.experiment;
    Experiment {
        hyper: asked.hyper,
        extensions: asked.extensions.clone(),
        isa: match resolved.begin() {
            Begin::Again => asked.isa.clone(),
            Begin::Fresh | Begin::Load(_) | Begin::Resume(_) => found.isa.clone(),
        },
        ..found.clone()
    }
}
