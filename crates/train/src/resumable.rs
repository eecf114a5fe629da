//! Runs that can be resumed: their state, and the experiment that they resume as.

use std::path::{Path, PathBuf};

use gptlab_data::{Fingerprint, Text};
use gptlab_model::Preset;
use gptlab_recipe::Hyper;
use gptlab_record::{FileError, grid_of, read_experiment};

use crate::{
    Checkpoint, Damaged, Error, Experiment, Newest, Resolved, ResumeOptions, RunOptions, Settings,
};

/// A run that can be resumed.
#[derive(Debug)]
pub struct Resumable {
    folder: Option<PathBuf>,
    record: Option<Experiment>,
    state: SavedState,
    damaged: Vec<Damaged>,
}

/// The state that a run has saved.
#[derive(Debug)]
enum SavedState {
    Checkpoint(Box<Checkpoint>),
    /// The run in this folder was killed before its first checkpoint. The experiment is its record.
    Nothing(PathBuf, Box<Experiment>),
}

impl Resumable {
    /// Opens the run in `folder` at its newest undamaged checkpoint, or at step 0 if it has none.
    ///
    /// # Errors
    /// Returns an error if the run belongs to a grid, all its checkpoints are damaged, or a file
    /// cannot be read.
    pub fn of_folder(folder: &Path) -> Result<Self, Error> {
        refuse_run_of_grid(folder)?;
        let newest = Newest::of(folder)?;
        let record = read_experiment(folder)?;
        let (state, damaged) = if let Some(newest) = newest {
            let checkpoint = Box::new(newest.checkpoint);
            (SavedState::Checkpoint(checkpoint), newest.damaged)
        } else {
            let record = Box::new(record.clone());
            let state = SavedState::Nothing(folder.to_owned(), record);
            (state, Vec::new())
        };
        Ok(Self {
            folder: Some(folder.to_owned()),
            record: Some(record),
            state,
            damaged,
        })
    }

    /// Opens the run that saved `checkpoint`, at that checkpoint. If the checkpoint lies in the
    /// run's folder, the record is read from there.
    ///
    /// # Errors
    /// Returns an error if the run belongs to a grid, or its record cannot be read.
    pub fn of_checkpoint(checkpoint: Checkpoint) -> Result<Self, Error> {
        let folder = run_folder(checkpoint.path());
        let record = match &folder {
            Some(folder) => {
                refuse_run_of_grid(folder)?;
                Some(read_experiment(folder)?)
            }
            None => None,
        };
        Ok(Self {
            folder,
            record,
            state: SavedState::Checkpoint(Box::new(checkpoint)),
            damaged: Vec::new(),
        })
    }

    /// Returns the run's record, if there is one.
    pub fn record(&self) -> Option<&Experiment> {
        self.record.as_ref()
    }

    /// Returns the checkpoint that the run resumes from; `None` if it begins again from step 0.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.state {
            SavedState::Checkpoint(checkpoint) => Some(checkpoint),
            SavedState::Nothing(..) => None,
        }
    }

    /// Returns the newer checkpoints, which are all damaged; newest first.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// Returns the fingerprint of the run's text.
    ///
    /// # Errors
    /// Returns an error if the record holds no valid fingerprint.
    pub fn fingerprint(&self) -> Result<Fingerprint, FileError> {
        match &self.state {
            SavedState::Checkpoint(checkpoint) => Ok(checkpoint.header().data.fingerprint),
            SavedState::Nothing(folder, record) => {
                let parsed = record.data.fingerprint.parse::<Fingerprint>();
                parsed.map_err(|e| {
                    let expected = "an experiment with its text's fingerprint";
                    FileError::wrong(folder, expected, e.to_string())
                })
            }
        }
    }

    /// Returns the name of the vector instructions of the steps so far.
    pub fn isa(&self) -> Option<&str> {
        match &self.state {
            SavedState::Checkpoint(checkpoint) => checkpoint.header().isa.as_deref(),
            SavedState::Nothing(_, record) => record.isa.as_deref(),
        }
    }

    /// Returns the options that the run resumes with on `engine` if the user requests no change.
    pub fn options(&self, engine: &str) -> ResumeOptions {
        match &self.record {
            Some(record) => ResumeOptions::of_record(record, engine, None),
            None => ResumeOptions {
                engine: engine.to_owned(),
                ..ResumeOptions::of(&Settings::of(Preset::Gpt2Mini, None))
            },
        }
    }

    /// Returns the options of the resumed run: those of `named`, and the run's own folder as the
    /// default. A checkpoint without a folder is itself the file that is kept up to date.
    pub fn run_options(&self, named: RunOptions) -> RunOptions {
        match (&self.state, &self.folder) {
            // Without a checkpoint, the run can only begin again in its own folder.
            (SavedState::Nothing(folder, _), _) => RunOptions {
                folder: Some(folder.clone()),
                ..named
            },
            (SavedState::Checkpoint(_), Some(folder)) => RunOptions {
                folder: named.folder.or_else(|| Some(folder.clone())),
                ..named
            },
            (SavedState::Checkpoint(checkpoint), None) => RunOptions {
                save: named.save.or_else(|| Some(checkpoint.path().to_owned())),
                ..named
            },
        }
    }

    /// Returns the experiment of the run on its own `text`, resumed with `options`.
    ///
    /// `request` turns the run's settings into those that the user requests. Both must be equal, or
    /// the error names the difference. The requested number of steps and instructions are ignored:
    /// `options` holds them.
    ///
    /// # Errors
    /// Returns an error if `text` is not the run's text, or the requested settings differ from the
    /// run's.
    pub fn resolve<E: From<Error>>(
        self,
        text: &Text,
        options: &ResumeOptions,
        request: impl FnOnce(Settings) -> Result<Settings, E>,
    ) -> Result<Resolved, E> {
        let record = self.record.as_ref();
        match self.state {
            SavedState::Checkpoint(checkpoint) => {
                let begun = checkpoint.header().settings(options);
                let requested = requested(&begun, request)?;
                let resumed = if requested == begun {
                    Resolved::resume(*checkpoint, text, record, options)
                } else {
                    Resolved::resume_as(&requested, *checkpoint, text, record, options)
                };
                Ok(resumed?)
            }
            SavedState::Nothing(folder, record) => {
                let resolved = Resolved::again(&folder, text, &record, options)?;
                let begun = resolved.header(0).settings(options);
                if requested(&begun, request)? == begun {
                    return Ok(resolved);
                }
                Err(Error::OtherSettings(folder).into())
            }
        }
    }
}

/// Returns the settings that `request` makes of `begun`, with the steps and instructions of
/// `begun`.
fn requested<E>(
    begun: &Settings,
    request: impl FnOnce(Settings) -> Result<Settings, E>,
) -> Result<Settings, E> {
    let requested = request(begun.clone())?;
    Ok(Settings {
        hyper: Hyper {
            steps: begun.hyper.steps,
            ..requested.hyper
        },
        isa: begun.isa.clone(),
        ..requested
    })
}

/// Refuses the run in `folder` if it belongs to a grid. A grid compares its runs, and a run that
/// was resumed alone would no longer be comparable.
///
/// # Errors
/// Returns an error if `folder` is a run of a grid.
pub fn refuse_run_of_grid(folder: &Path) -> Result<(), Error> {
    match grid_of(folder) {
        None => Ok(()),
        Some((grid, _)) => Err(Error::RunOfGrid {
            folder: folder.to_owned(),
            grid: grid.clone(),
        }),
    }
}

/// Returns the folder of the run whose checkpoint is the file `checkpoint`; `None` when it lies in
/// no run's folder.
pub fn run_folder(checkpoint: &Path) -> Option<PathBuf> {
    let folder = checkpoint.parent()?.parent()?;
    let here = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    here.join("experiment.json")
        .is_file()
        .then(|| here.to_owned())
}
