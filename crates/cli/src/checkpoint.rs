//! Loading and opening checkpoints for commands.

use std::path::Path;

use gptlab_record::checkpoints;
use gptlab_train::{Checkpoint, Header, NonFinite, TrainedModel};

use crate::{
    exit::{CommandResult, Stop},
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

/// Opens the checkpoint at `path` and verifies that it is complete. Its numbers are read on demand.
pub(crate) fn open(path: &Path) -> CommandResult<Checkpoint> {
    let checkpoint = Checkpoint::open(path)
        .and_then(|checkpoint| checkpoint.verify().map(|()| checkpoint))
        .map_err(Stop::from);
    checkpoint.map_err(|stop| {
        if !path.exists() {
            return stop.hint("`gptlab train` makes a checkpoint, and says where");
        }
        let newest = checkpoints(path).ok().and_then(|mut found| found.pop());
        match newest {
            Some((_, newest)) => stop.hint(format!(
                "this run's newest checkpoint is {}",
                newest.display()
            )),
            None => stop,
        }
    })
}
