//! A run's weights before its first step, as a checkpoint.

use std::path::Path;

use gptlab_engine::Engine;
use gptlab_record::atomic::ChosenFile;

use crate::{Checkpoint, Error, Resolved, SaveError, checkpoint::is_checkpoint};

/// Saves the state of `engine`, which has been made for the run of `resolved` and has not trained,
/// to `path` as a checkpoint of step 0. It replaces nothing but a checkpoint.
///
/// # Errors
/// When the file cannot be written or is no checkpoint, or a weight is not finite.
pub fn save_first_weights(
    resolved: &Resolved,
    engine: &dyn Engine,
    path: &Path,
) -> Result<(), Error> {
    let file = ChosenFile::new(path, is_checkpoint)?;
    file.check()?;
    let numbers = |stored: crate::Stored| engine.export(stored.slot());
    let saved = Checkpoint::save(
        file.path(),
        &resolved.header(0),
        resolved.graph.params(),
        numbers,
    );
    match saved {
        Ok(()) => Ok(()),
        Err(SaveError::File(error)) => Err(error.into()),
        Err(SaveError::NotFinite(name)) => Err(gptlab_record::FileError::wrong(
            path,
            "finite first weights",
            format!("a number that is not finite ({name:?})"),
        )
        .into()),
    }
}
