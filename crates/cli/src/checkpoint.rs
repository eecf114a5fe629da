//! Loading and opening checkpoints for commands.

use std::path::Path;

use gptlab_record::Store;
use gptlab_report::RecordedRun;
use gptlab_train::{Checkpoint, Header, Newest, NonFinite, TrainedModel};

use crate::{
    exit::{CommandResult, Stop},
    folders::no_run,
    memory,
};

/// A checkpoint's model in memory, and the checkpoint's header.
pub(crate) struct Loaded {
    pub(crate) header: Header,
    pub(crate) model: TrainedModel,
}

/// Loads the checkpoint at `path`.
pub(crate) fn load(path: &Path) -> CommandResult<Loaded> {
    load_with(path, NonFinite::Refused)
}

/// Loads the checkpoint at `path`, and accepts numbers that are not finite if `non_finite` does.
pub(crate) fn load_with(path: &Path, non_finite: NonFinite) -> CommandResult<Loaded> {
    let checkpoint = open(path)?;
    memory::check_loading(checkpoint.graph())?;
    Ok(Loaded {
        header: checkpoint.header().clone(),
        model: checkpoint.trained_model(non_finite)?,
    })
}

/// Opens the checkpoint at `path`, or the newest one of the run in the folder `path`, and verifies
/// that it is complete. Its numbers are read on demand.
pub(crate) fn open(path: &Path) -> CommandResult<Checkpoint> {
    if path.is_dir() {
        return newest(path);
    }
    let checkpoint = Checkpoint::open(path)
        .and_then(|checkpoint| checkpoint.verify().map(|()| checkpoint))
        .map_err(Stop::from);
    checkpoint.map_err(|stop| {
        if path.exists() {
            return stop;
        }
        stop.hint("`gptlab train` makes a checkpoint, and says where")
    })
}

/// Opens the newest whole checkpoint of the run in `folder`.
fn newest(folder: &Path) -> CommandResult<Checkpoint> {
    if !Store::exists(folder) {
        return Err(no_run(folder, "a checkpoint or the folder of a run"));
    }
    let newest = Newest::of(folder)?.ok_or_else(|| {
        let run = RecordedRun::read(folder).ok();
        let found = match run.and_then(|run| run.diverged_at()) {
            Some(step) => format!("diverged at step {step}, before it saved one"),
            None => "has saved none yet".to_owned(),
        };
        Stop::data(format_args!(
            "{}: expected a run with a checkpoint, found one that {found}",
            folder.display()
        ))
    })?;
    // What was asked for is the newest; that another stands in for it is for the user to decide.
    match newest.damaged.into_iter().next() {
        None => Ok(newest.checkpoint),
        Some(damaged) => Err(Stop::from(damaged.error).hint(format!(
            "the newest whole checkpoint of this run is {}",
            newest.checkpoint.path().display()
        ))),
    }
}
