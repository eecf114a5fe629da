//! The folder of a run.
//!
//! ```text
//! runs/<name>/
//!   experiment.json            the resolved experiment, written before step 0
//!   events.jsonl               one event per line, only ever appended to
//!   checkpoints/step-00001000.safetensors
//!   samples/step-00000500.txt
//!   aside-1/                   events and files after a checkpoint that was resumed from
//!   lock                       empty; locked by the process that writes
//! ```

mod aside;
mod lines;

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::{Event, Experiment, FileError, atomic, disk, json, regular};

pub use aside::SetAside;

const EXPERIMENT: &str = "experiment.json";
const EVENTS: &str = "events.jsonl";
const CHECKPOINTS: &str = "checkpoints";
const SAMPLES: &str = "samples";
const LOCK: &str = "lock";

/// The most bytes of an experiment. A tokenizer takes most of them.
const MOST_EXPERIMENT: u64 = 1 << 28;

/// What a resumed run had recorded before.
#[derive(Clone, Debug, PartialEq)]
pub struct Past {
    /// The events that stay in the record.
    pub events: Vec<Event>,
    /// The later events and files, if they were set aside.
    pub set_aside: Option<SetAside>,
    /// Whether `events.jsonl` was missing.
    pub lost_events: bool,
}

/// The folder of a run that is being written. It is locked: no other process writes to it until
/// this is dropped.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    events: File,
    _lock: Lock,
}

impl Store {
    /// Creates `folder` and its parent folders, and writes `experiment`.
    ///
    /// # Errors
    /// Returns an error if `folder` already holds a run or a grid, or cannot be written to.
    pub fn create(folder: &Path, experiment: &Experiment) -> Result<Self, FileError> {
        if crate::grid::exists(folder) {
            let found = "the folder of a grid; choose another folder";
            return Err(FileError::wrong(folder, "a folder for a run", found));
        }
        for made in [folder, &folder.join(CHECKPOINTS), &folder.join(SAMPLES)] {
            disk::make_folders(made).map_err(FileError::io("make", made))?;
        }
        let lock = lock(folder)?;
        let events = open(&folder.join(EVENTS))?;
        let length = events
            .metadata()
            .map_err(FileError::io("read", folder))?
            .len();
        if folder.join(EXPERIMENT).exists() || length > 0 {
            return Err(FileError::Taken(folder.to_owned()));
        }
        sweep_all(folder)?;
        write_experiment(folder, experiment)?;
        Ok(Self {
            folder: folder.to_owned(),
            events,
            _lock: lock,
        })
    }

    /// Opens `folder` to resume the run after `step` updates. Later events of a run that was cut
    /// short are dropped, because the resumed run produces them again. If the run had reached a
    /// later checkpoint or its end, or had diverged, they are set aside. A missing `events.jsonl`
    /// is replaced by an empty one.
    ///
    /// # Errors
    /// Returns an error if `folder` holds no run, another process writes to it, or its events
    /// cannot be parsed.
    pub fn resume(folder: &Path, step: u64) -> Result<(Self, Past), FileError> {
        Self::reopen(folder, step, false)
    }

    /// Does what [`Self::resume`] does, for a run whose settings have changed: it produces other
    /// events, and so all later ones are set aside.
    ///
    /// # Errors
    /// The same as those of [`Self::resume`].
    pub fn resume_changed(folder: &Path, step: u64) -> Result<(Self, Past), FileError> {
        Self::reopen(folder, step, true)
    }

    fn reopen(folder: &Path, step: u64, changed: bool) -> Result<(Self, Past), FileError> {
        if !Self::exists(folder) {
            return Err(FileError::io("read", &folder.join(EXPERIMENT))(
                io::ErrorKind::NotFound.into(),
            ));
        }
        let path = folder.join(EVENTS);
        let lock = lock(folder)?;
        let lost_events = !path.exists();
        let events = open(&path)?;
        sweep_all(folder)?;
        let mut kept = lines::read(&events, &path)?;
        let stay = kept.iter().position(|line| line.event.is_beyond(step));
        let dropped = kept.split_off(stay.unwrap_or(kept.len()));
        let set_aside = aside::set_aside(folder, step, &events, &dropped, changed)?;
        let end = kept.last().map_or(0, |line| line.end);
        disk::cut(&events, &path, end)
            .and_then(|()| disk::sync(&events, &path))
            .map_err(FileError::io("write", &path))?;
        let store = Self {
            folder: folder.to_owned(),
            events,
            _lock: lock,
        };
        let past = Past {
            events: kept.into_iter().map(|line| line.event).collect(),
            set_aside,
            lost_events,
        };
        Ok((store, past))
    }

    /// Replaces the experiment, because the number of steps has changed.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn rewrite(&self, experiment: &Experiment) -> Result<(), FileError> {
        write_experiment(&self.folder, experiment)
    }

    /// Returns the run's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Appends `event`. It survives a kill at once, and a power cut from the next checkpoint on.
    ///
    /// # Errors
    /// Returns an error if the event cannot be written.
    pub fn append(&mut self, event: &Event) -> Result<(), FileError> {
        let path = self.folder.join(EVENTS);
        self.write_line(event, &path)
            .map_err(FileError::io("write", &path))
    }

    fn write_line(&mut self, event: &Event, path: &Path) -> io::Result<()> {
        let mut line = serde_json::to_string(event)?;
        line.push('\n');
        disk::append(&mut self.events, path, line.as_bytes())?;
        match event {
            Event::Checkpoint { .. }
            | Event::Stop { .. }
            | Event::Diverged { .. }
            | Event::Done { .. } => disk::sync_data(&self.events, path),
            Event::Start { .. }
            | Event::Notice { .. }
            | Event::Step(_)
            | Event::Observation(_)
            | Event::Sample { .. }
            | Event::Resume { .. } => Ok(()),
        }
    }

    /// Removes all checkpoints except the newest `keep`.
    ///
    /// # Errors
    /// Returns an error if a checkpoint cannot be removed.
    pub fn keep_newest(&self, keep: usize) -> Result<(), FileError> {
        keep_newest(&self.folder, keep)
    }

    /// Removes all checkpoints of the run in `folder`, which has ended and is not locked.
    ///
    /// # Errors
    /// Returns an error if a checkpoint cannot be removed.
    pub fn forget_checkpoints(folder: &Path) -> Result<(), FileError> {
        keep_newest(folder, 0)
    }

    /// Makes the appended events survive a power cut.
    ///
    /// # Errors
    /// Returns an error if the operating system cannot write them.
    pub fn sync(&self) -> Result<(), FileError> {
        let path = self.folder.join(EVENTS);
        disk::sync_data(&self.events, &path).map_err(FileError::io("write", &path))
    }

    /// Returns whether `folder` holds a run.
    pub fn exists(folder: &Path) -> bool {
        folder.join(EXPERIMENT).exists()
    }

    /// Returns the path of the checkpoint after `step` updates.
    pub fn checkpoint_path(&self, step: u64) -> PathBuf {
        self.folder
            .join(CHECKPOINTS)
            .join(format!("step-{step:08}.safetensors"))
    }

    /// Writes the sample after `step` updates to a text file of its own.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn sample(&self, step: u64, text: &str) -> Result<(), FileError> {
        let path = self
            .folder
            .join(SAMPLES)
            .join(format!("step-{step:08}.txt"));
        atomic::write_bytes(&path, text.as_bytes())
    }

    /// Returns the name of `path` in events: relative to the run's folder when it lies inside.
    pub fn name_of(&self, path: &Path) -> String {
        let inside = path.strip_prefix(&self.folder).unwrap_or(path);
        inside.to_string_lossy().replace('\\', "/")
    }
}

/// Reads the experiment in `folder`.
///
/// # Errors
/// Returns an error if there is none, or this version cannot read it.
pub fn read_experiment(folder: &Path) -> Result<Experiment, FileError> {
    let path = folder.join(EXPERIMENT);
    let experiment: Experiment = json::read(&path, MOST_EXPERIMENT, "an experiment of gptlab")?;
    if !(1..=Experiment::FORMAT).contains(&experiment.format) {
        return Err(FileError::wrong(
            &path,
            format!("an experiment in format 1 to {}", Experiment::FORMAT),
            format!("format {}; a newer gptlab wrote it", experiment.format),
        ));
    }
    Ok(experiment)
}

/// Reads the events in `folder` up to the last complete line. Another process may append meanwhile.
///
/// # Errors
/// Returns an error if there is no `events.jsonl`, or a line before the last cannot be parsed.
pub fn read_events(folder: &Path) -> Result<Vec<Event>, FileError> {
    let path = folder.join(EVENTS);
    let lines = lines::read(&regular::open(&path)?, &path)?;
    Ok(lines.into_iter().map(|line| line.event).collect())
}

/// Returns the run's checkpoints with the number of updates of each, in ascending order.
///
/// # Errors
/// Returns an error if the folder cannot be read.
pub fn checkpoints(folder: &Path) -> Result<Vec<(u64, PathBuf)>, FileError> {
    let within = folder.join(CHECKPOINTS);
    let entries = match fs::read_dir(&within) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FileError::io("read", &within))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(FileError::io("read", &within))?.path();
        found.extend(step_of(&path, ".safetensors").map(|step| (step, path)));
    }
    found.sort();
    Ok(found)
}

fn keep_newest(folder: &Path, keep: usize) -> Result<(), FileError> {
    let mut all = checkpoints(folder)?;
    all.truncate(all.len().saturating_sub(keep));
    for (_, path) in all {
        disk::remove(&path).map_err(FileError::io("remove", &path))?;
    }
    Ok(())
}

/// Returns the number of updates in the name of the file `path`, which ends in `suffix`.
fn step_of(path: &Path, suffix: &str) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_prefix("step-")?.strip_suffix(suffix)?;
    digits.parse().ok()
}

fn write_experiment(folder: &Path, experiment: &Experiment) -> Result<(), FileError> {
    let path = folder.join(EXPERIMENT);
    let text =
        json::pretty(experiment).map_err(|e| FileError::io("write", &path)(io::Error::other(e)))?;
    atomic::write_bytes(&path, text.as_bytes())
}

/// Creates the folders of a run, unless they exist, and removes abandoned temporary files in them.
fn sweep_all(folder: &Path) -> Result<(), FileError> {
    for within in [
        folder.to_owned(),
        folder.join(CHECKPOINTS),
        folder.join(SAMPLES),
    ] {
        disk::make_folders(&within)
            .and_then(|()| atomic::sweep(&within))
            .map_err(FileError::io("write", &within))?;
    }
    Ok(())
}

/// Opens `path` to read and append; creates it if it does not exist.
fn open(path: &Path) -> Result<File, FileError> {
    if let Ok(about) = fs::metadata(path) {
        regular::check(path, &about)?;
    }
    disk::open_to_append(path).map_err(FileError::io("open", path))
}

/// The lock on a run's folder, held until this is dropped.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    /// Unlocks the file explicitly. Closing it is not enough: a child process that is being started
    /// holds a copy of the descriptor until it executes its own program, and the lock lasts as long
    /// as any copy.
    fn drop(&mut self) {
        // A file that could not be locked needs no unlocking.
        let _ = self.0.unlock();
    }
}

/// Locks `folder` against other writers. The lock is on a separate file, because Windows does not
/// let other processes read a locked file, and the events must stay readable.
fn lock(folder: &Path) -> Result<Lock, FileError> {
    let path = folder.join(LOCK);
    let file = open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(FileError::Busy(folder.to_owned())),
        // Some network file systems have no locks. There the user must take care of one writer.
        Err(TryLockError::Error(e)) if e.kind() == io::ErrorKind::Unsupported => Ok(Lock(file)),
        Err(TryLockError::Error(e)) => Err(FileError::io("lock", &path)(e)),
    }
}

#[cfg(test)]
mod tests;
