//! A run that is to go on: where it is, and what it becomes with the settings that are requested.

use std::path::{Path, PathBuf};

use gptlab_data::{Fingerprint, Text};
use gptlab_model::Preset;
use gptlab_recipe::Hyper;
use gptlab_record::{FileError, grid_of, read_experiment};

use crate::{
    Checkpoint, Damaged, Error, Experiment, Newest, Resolved, ResumeOptions, Settings, Targets,
};

/// A run that can go on.
#[derive(Debug)]
pub struct Resumable {
    folder: Option<PathBuf>,
    record: Option<Experiment>,
    state: SavedState,
    damaged: Vec<Damaged>,
}

/// What a run has saved.
#[derive(Debug)]
enum SavedState {
    Checkpoint(Box<Checkpoint>),
    /// The run in this folder was killed before its first checkpoint; this is its record.
    Nothing(PathBuf, Box<Experiment>),
}

impl Resumable {
    /// The run in `folder`, from its newest whole checkpoint, or from step 0 where it has saved
    /// none.
    ///
    /// # Errors
    /// When it is a run of a grid, all its checkpoints are damaged, or a file cannot be read.
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

    /// The run that saved `checkpoint`, from there; with its record where the checkpoint lies in
    /// the run's folder.
    ///
    /// # Errors
    /// When it is a run of a grid, or its record cannot be read.
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

    /// The run's record, where there is one.
    pub fn record(&self) -> Option<&Experiment> {
        self.record.as_ref()
    }

    /// The checkpoint that the run goes on from; `None` where it begins again.
    pub fn checkpoint(&self) -> Option<&Checkpoint> {
        match &self.state {
            SavedState::Checkpoint(checkpoint) => Some(checkpoint),
            SavedState::Nothing(..) => None,
        }
    }

    /// The newer checkpoints, which are damaged; newest first.
    pub fn damaged(&self) -> &[Damaged] {
        &self.damaged
    }

    /// The fingerprint of the run's text.
    ///
    /// # Errors
    /// When the record holds none.
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

    /// The vector instructions of the steps so far, by name.
    pub fn isa(&self) -> Option<&str> {
        match &self.state {
            SavedState::Checkpoint(checkpoint) => checkpoint.header().isa.as_deref(),
            SavedState::Nothing(_, record) => record.isa.as_deref(),
        }
    }

    /// How the run goes on where nothing else is requested, on this engine.
    pub fn options(&self, engine: &str) -> ResumeOptions {
        match &self.record {
            Some(record) => ResumeOptions::of_record(record, engine, None),
            None => ResumeOptions {
                engine: engine.to_owned(),
                ..ResumeOptions::of(&Settings::of(Preset::Gpt2Mini, None))
            },
        }
    }

    /// Where the run leaves what it makes: where `named` says, or else in its folder. A checkpoint
    /// without a folder is the run, and is kept up to date.
    pub fn targets(&self, named: Targets) -> Targets {
        match (&self.state, &self.folder) {
            // It has left nothing that another folder could go on from.
            (SavedState::Nothing(folder, _), _) => Targets {
                folder: Some(folder.clone()),
                ..named
            },
            (SavedState::Checkpoint(_), Some(folder)) => Targets {
                folder: named.folder.or_else(|| Some(folder.clone())),
                ..named
            },
            (SavedState::Checkpoint(checkpoint), None) => Targets {
                save: named.save.or_else(|| Some(checkpoint.path().to_owned())),
                ..named
            },
        }
    }

    /// The experiment of the run on `text`, its own, gone on with as `options` say.
    ///
    /// `request` makes the run's settings into those that somebody requests, who may be right about
    /// all of them; if not, the error says where. Its number of steps and its instructions are not
    /// looked at: `options` has them.
    ///
    /// # Errors
    /// When `text` is not the run's, or other settings are requested than it was begun with.
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

/// The settings that are requested of a run that was `begun`, with its own steps and instructions.
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

/// A grid compares its runs: one that went on alone would be none of it any more.
///
/// # Errors
/// When `folder` is a run of a grid.
pub fn refuse_run_of_grid(folder: &Path) -> Result<(), Error> {
    match grid_of(folder) {
        None => Ok(()),
        Some((grid, _)) => Err(Error::RunOfGrid {
            folder: folder.to_owned(),
            grid: grid.clone(),
        }),
    }
}

/// The folder of the run that the file `checkpoint` is kept in; `None` where it is in none.
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
