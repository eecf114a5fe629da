//! The choice of the checkpoint that a run is resumed from.

use std::path::{Path, PathBuf};

use gptlab_record::{FileError, checkpoints};

use crate::Checkpoint;

/// The newest undamaged checkpoint of a run.
#[derive(Debug)]
pub struct Newest {
    pub checkpoint: Checkpoint,
    /// The newer checkpoints, which are all damaged; newest first.
    pub damaged: Vec<Damaged>,
}

/// A checkpoint that cannot be used to resume.
#[derive(Debug)]
pub struct Damaged {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub error: FileError,
}

impl Newest {
    /// Finds the newest undamaged checkpoint of the run in `folder`; `None` when it has saved none.
    ///
    /// # Errors
    /// Returns an error if every checkpoint is damaged (the error is about the newest), or one
    /// cannot be read.
    pub fn of(folder: &Path) -> Result<Option<Self>, FileError> {
        let mut damaged = Vec::new();
        for (_, path) in checkpoints(folder)?.into_iter().rev() {
            let opened = Checkpoint::open(&path).and_then(|c| c.verify().map(|()| c));
            match opened {
                Ok(checkpoint) => {
                    return Ok(Some(Self {
                        checkpoint,
                        damaged,
                    }));
                }
                Err(error @ FileError::Wrong { .. }) => damaged.push(Damaged { path, error }),
                Err(error) => return Err(error),
            }
        }
        match damaged.into_iter().next() {
            Some(newest) => Err(newest.error),
            None => Ok(None),
        }
    }
}
