//! Checkpoints, as commands need them.

use std::path::Path;

use gptlab_data::Tokenizer;
use gptlab_model::{Graph, Model};
use gptlab_record::checkpoints;
use gptlab_train::{Checkpoint, Header, NonFinite, Stored};

use crate::{
    exit::{Outcome, Stop},
    memory,
};

/// A checkpoint's model in memory.
pub(crate) struct Loaded {
    pub(crate) header: Header,
    pub(crate) model: Model,
    pub(crate) graph: Graph,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) weights: Vec<f32>,
}

/// Reads the checkpoint at `path`.
pub(crate) fn load(path: &Path) -> Outcome<Loaded> {
    load_with(path, NonFinite::Refused)
}

/// [`load`] for whoever may want numbers that are not finite.
pub(crate) fn load_with(path: &Path, non_finite: NonFinite) -> Outcome<Loaded> {
    let checkpoint = open(path)?;
    memory::check_loading(checkpoint.graph())?;
    Ok(Loaded {
        header: checkpoint.header().clone(),
        model: checkpoint.model().clone(),
        graph: checkpoint.graph().clone(),
        tokenizer: checkpoint.tokenizer().clone(),
        weights: checkpoint.read_with(Stored::Weights, non_finite)?,
    })
}

/// Opens the checkpoint at `path`, all of which is known to be whole; its numbers are read when
/// asked for.
pub(crate) fn open(path: &Path) -> Outcome<Checkpoint> {
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
