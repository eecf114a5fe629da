//! Setting aside what was recorded after a checkpoint that a run is resumed from.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use super::{CHECKPOINTS, EVENTS, SAMPLES, checkpoints, lines::Line, step_of};
use crate::{Event, FileError, atomic, disk};

/// The events and files that were recorded after a checkpoint and moved to their own folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// The folder inside the run's folder that holds them now.
    pub folder: PathBuf,
    /// The number of events.
    pub events: usize,
    /// The number of checkpoints.
    pub checkpoints: usize,
}

/// Copies the lines `dropped` of `events`, and moves the checkpoints and samples after `step`
/// updates, to a new folder. Returns `None` when the resumed run, whose settings may have
/// `changed`, produces all of them again.
///
/// A kill in between loses nothing: a file that has not been moved stays where it was.
pub(super) fn set_aside(
    folder: &Path,
    step: u64,
    events: &File,
    dropped: &[Line],
    changed: bool,
) -> Result<Option<SetAside>, FileError> {
    let later: Vec<PathBuf> = checkpoints(folder)?
        .into_iter()
        .filter(|(at, _)| *at > step)
        .map(|(_, path)| path)
        .collect();
    let ended = dropped.iter().any(|line| is_end(&line.event));
    let others = changed && !dropped.is_empty();
    if later.is_empty() && !ended && !others {
        return Ok(None);
    }
    let aside = new_folder(folder)?;
    let path = aside.join(EVENTS);
    let text = text_of(events, dropped).map_err(FileError::io("read", &folder.join(EVENTS)))?;
    atomic::write_bytes(&path, &text)?;
    move_all(&later, &aside.join(CHECKPOINTS))?;
    move_all(
        &samples_after(&folder.join(SAMPLES), step)?,
        &aside.join(SAMPLES),
    )?;
    Ok(Some(SetAside {
        folder: aside,
        events: dropped.len(),
        checkpoints: later.len(),
    }))
}

/// Returns whether `event` is the end of a run that finished or diverged.
fn is_end(event: &Event) -> bool {
    match event {
        Event::Done { .. } | Event::Diverged { .. } => true,
        Event::Start { .. }
        | Event::Notice { .. }
        | Event::Step(_)
        | Event::Observation(_)
        | Event::Sample { .. }
        | Event::Checkpoint { .. }
        | Event::Resume { .. }
        | Event::Stop { .. } => false,
    }
}

/// Creates the first `aside-N` in `folder` that does not exist yet.
fn new_folder(folder: &Path) -> Result<PathBuf, FileError> {
    for n in 1u32.. {
        let aside = folder.join(format!("aside-{n}"));
        match disk::make_folder(&aside) {
            Ok(()) => return Ok(aside),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(FileError::io("make", &aside)(e)),
        }
    }
    Err(FileError::io("make", folder)(
        io::ErrorKind::AlreadyExists.into(),
    ))
}

/// Returns the bytes of `lines`, which are adjacent in `events`.
fn text_of(mut events: &File, lines: &[Line]) -> io::Result<Vec<u8>> {
    let (Some(first), Some(last)) = (lines.first(), lines.last()) else {
        return Ok(Vec::new());
    };
    let mut text = Vec::new();
    events.seek(SeekFrom::Start(first.begin))?;
    events.take(last.end - first.begin).read_to_end(&mut text)?;
    Ok(text)
}

fn move_all(files: &[PathBuf], to: &Path) -> Result<(), FileError> {
    if files.is_empty() {
        return Ok(());
    }
    disk::make_folders(to).map_err(FileError::io("make", to))?;
    for file in files {
        let name = file.file_name().unwrap_or_default();
        disk::rename(file, &to.join(name)).map_err(FileError::io("move", file))?;
    }
    disk::sync_folder(to).map_err(FileError::io("write", to))
}

fn samples_after(within: &Path, step: u64) -> Result<Vec<PathBuf>, FileError> {
    let entries = match fs::read_dir(within) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(FileError::io("read", within))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(FileError::io("read", within))?.path();
        if step_of(&path, ".txt").is_some_and(|at| at > step) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
