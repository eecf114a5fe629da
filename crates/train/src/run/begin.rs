//! The beginning of a run: its store, its past, and the events that report both.

use std::path::PathBuf;

use gptlab_record::{Event, Experiment, Past, SetAside, Store};

use super::Run;
use crate::{
    Checkpoint, Error, Notice, Resolved,
    resolve::{Begin, same_experiment},
};

/// What the past of a resumed run implies for its beginning.
#[derive(Clone, Copy)]
pub(super) struct RecordedEnd {
    /// Whether the run had finished and has no step left to make.
    pub(super) complete: bool,
    /// Whether the run has made updates and recorded no sample after the last of them.
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
    pub(super) fn emit_opening_events(&mut self, past: &Past) -> Result<(), Error> {
        let step = self.done;
        if self.recorded_end.complete {
            return Ok(());
        }
        match self.resolved.begin() {
            Begin::Fresh | Begin::Load(_) => self.emit_start(),
            // The run was killed before it could record its start.
            Begin::Again if past.events.is_empty() => self.emit_start(),
            Begin::Again => {
                self.emit(&Event::Resume { step })?;
                self.emit_changes(past)
            }
            Begin::Resume(checkpoint) => {
                self.complete_events(checkpoint, &past.events)?;
                self.emit(&Event::Resume { step })?;
                self.emit_changes(past)
            }
        }
    }

    fn emit_start(&mut self) -> Result<(), Error> {
        let parameters = self.resolved.graph.params().total() as u64;
        self.emit(&Event::Start { parameters })?;
        let resolved = self.resolved;
        resolved
            .notices
            .iter()
            .try_for_each(|n| self.emit_notice(n))
    }

    /// Records the notices about changes, so that they stay in the events.
    fn emit_changes(&mut self, past: &Past) -> Result<(), Error> {
        let resolved = self.resolved;
        let changes = resolved.notices.iter().filter(|notice| notice.is_change());
        changes
            .cloned()
            .try_for_each(|notice| self.emit_notice(&notice))?;
        if past.lost_events {
            self.emit_notice(&Notice::EventsLost)?;
        }
        match &past.set_aside {
            Some(SetAside {
                folder,
                events,
                checkpoints,
            }) => self.emit_notice(&Notice::SetAside {
                folder: folder.display().to_string(),
                events: *events,
                checkpoints: *checkpoints,
            }),
            None => Ok(()),
        }
    }

    fn emit_notice(&mut self, notice: &Notice) -> Result<(), Error> {
        let text = notice.to_string();
        self.emit(&Event::Notice { text })
    }

    /// Appends the event of the checkpoint `from` if a kill came between saving it and recording
    /// it.
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

/// Returns the files that hold the state before the first step.
pub(super) fn saved(resolved: &Resolved) -> Vec<PathBuf> {
    match resolved.begin() {
        Begin::Fresh | Begin::Again | Begin::Load(_) => Vec::new(),
        Begin::Resume(checkpoint) => vec![checkpoint.path().to_owned()],
    }
}

/// Opens the store in `folder`, and returns it with the run's past.
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
    let resumes = match resolved.begin() {
        Begin::Fresh | Begin::Load(_) => false,
        Begin::Again => true,
        Begin::Resume(_) => Store::exists(&folder),
    };
    if !resumes {
        let store = Store::create(&folder, &resolved.experiment)?;
        return Ok((Some(store), nothing));
    }
    let found = gptlab_record::read_experiment(&folder)?;
    same_experiment(&folder, &found, &resolved.experiment)?;
    let now = resumed_record(resolved, &found);
    let step = resolved.first_step();
    if now == found {
        let (store, past) = Store::resume(&folder, step)?;
        return Ok((Some(store), past));
    }
    let (store, past) = Store::resume_changed(&folder, step)?;
    store.rewrite(&now)?;
    Ok((Some(store), past))
}

/// Returns the record `found` with the changes of the resumed run: its number of steps and, if it
/// begins again from step 0, its instructions.
fn resumed_record(resolved: &Resolved, found: &Experiment) -> Experiment {
    let requested = &resolved.experiment;
    Experiment {
        hyper: requested.hyper,
        extensions: requested.extensions.clone(),
        isa: match resolved.begin() {
            Begin::Again => requested.isa.clone(),
            Begin::Fresh | Begin::Load(_) | Begin::Resume(_) => found.isa.clone(),
        },
        ..found.clone()
    }
}
