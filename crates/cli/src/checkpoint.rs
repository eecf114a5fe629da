//! Checkpoints, as commands need them.

use std::path::Path;

use gptlab_record::Store;
use gptlab_train::{Checkpoint, Header, Newest, NonFinite, TrainedModel};

use crate::{
    exit::{CommandResult, Stop},
    memory,
};

/// A checkpoint's model in memory, and what the checkpoint says of its run.
pub(crate) struct Loaded {
    pub(crate) header: Header,
    pub(crate) model: TrainedModel,
}

/// Reads the checkpoint at `path`.
pub(crate) fn load(path: &Path) -> CommandResult<Loaded> {
    load_with(path, NonFinite::Refused)
}

/// [`load`] for whoever may want numbers that are not finite.
pub(crate) fn load_with(path: &Path, non_finite: NonFinite) -> CommandResult<Loaded> {
    let checkpoint = open(path)?;
    memory::check_loading(checkpoint.graph())?;
    Ok(Loaded {
        header: checkpoint.header().clone(),
        model: checkpoint.trained_model(non_finite)?,
    })
}

/// Opens the checkpoint at `path`, or the newest one of the run at `path`, all of which is known to
/// be whole; its numbers are read when they are needed.
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
        return Err(Stop::data(format_args!(
            "{}: expected a checkpoint or the folder of a run, found another folder",
            folder.display()
        )));
    }
    let newest = Newest::of(folder)?.ok_or_else(|| {
        Stop::data(format_args!(
            "{}: expected a run with a checkpoint, found one that has saved none yet",
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
