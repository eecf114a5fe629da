//! Which checkpoint of a run to go on from.

use std::path::{Path, PathBuf};

use gptlab_record::{FileError, checkpoints};

use crate::Checkpoint;

/// The newest checkpoint of a run that is whole.
#[derive(Debug)]
pub struct Newest {
    pub checkpoint: Checkpoint,
    /// The newer ones, which are not; newest first.
    pub damaged: Vec<Damaged>,
}

/// A checkpoint that cannot be gone on from.
#[derive(Debug)]
pub struct Damaged {
    pub path: PathBuf,
    pub error: FileError,
}

impl Newest {
    /// Of the run in `folder`; `None` where it has saved nothing.
    ///
    /// # Errors
    /// When every checkpoint is damaged, with what is wrong with the newest; or one cannot be read.
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
