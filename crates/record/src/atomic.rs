//! Files that are there whole or not at all.
//!
//! A file is written under a temporary name in the same folder, synced, and renamed over the old
//! one; then the folder is synced, because the rename lives there. A kill, a full disk or a power
//! cut leaves the old file as it was.
//!
//! A name that is a link is followed, so that the link stays and its target is replaced. Only a
//! regular file is replaced, never one that is read-only, and its mode stays. A name that a person
//! chose is written by a [`ChosenFile`], which replaces nothing but what the caller knows for its own.

mod litter;
mod place;

use std::{
    fs,
    io::{self, BufWriter, Seek, Write},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

use crate::{FileError, disk, faults};

pub(crate) use litter::sweep;
pub use litter::sweep_of;
use place::{ResolvedPath, folder_of};

/// What a file's contents are written to: at any place of it, so that a header may come last.
pub trait Output: Write + Seek {}

impl<T: Write + Seek> Output for T {}

/// Writes a file by handing `fill` a buffered writer; `path` is replaced only when all went well.
///
/// # Errors
/// When the folder is not there, something that is no regular file or is read-only has the name,
/// or anything cannot be written, synced or renamed.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut dyn Output) -> io::Result<()>,
) -> Result<(), FileError> {
    let place = ResolvedPath::of(path)?;
    replace(&place, fill).map_err(FileError::io("write", path))
}

/// [`write()`] with the bytes at hand.
///
/// # Errors
/// As [`write()`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, |out| out.write_all(bytes))
}

/// Finds out before hours of work whether [`write()`] can create a file at `path`. Leaves nothing.
///
/// # Errors
/// As [`write()`].
pub fn probe(path: &Path) -> Result<(), FileError> {
    let place = ResolvedPath::of(path)?;
    temporary(&place)
        .map(drop)
        .map_err(FileError::io("write", path))
}

/// A file by a name that a person chose, and what may be lost when it is written.
#[derive(Clone, Debug)]
pub struct ChosenFile {
    path: PathBuf,
    owned: fn(&Path) -> Result<(), FileError>,
}

impl ChosenFile {
    /// The file `path`, which may be new, empty, or a file that `owned` says yes to: it is asked
    /// now and again before every write. Removes what killed writers of this file left beside it.
    ///
    /// # Errors
    /// As [`write()`], and when there is a file already for which `owned` has an error.
    pub fn new(path: &Path, owned: fn(&Path) -> Result<(), FileError>) -> Result<Self, FileError> {
        let named = Self {
            path: path.to_owned(),
            owned,
        };
        named.check()?;
        probe(path)?;
        sweep_of(path)?;
        Ok(named)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses what must not be replaced.
    ///
    /// # Errors
    /// As [`ChosenFile::new`].
    pub fn check(&self) -> Result<(), FileError> {
        match ResolvedPath::of(&self.path)?.old {
            Some(old) if old.len() > 0 => (self.owned)(&self.path),
            Some(_) | None => Ok(()),
        }
    }
}

fn replace(
    place: &ResolvedPath,
    fill: impl FnOnce(&mut dyn Output) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = temporary(place)?;
    let writer = faults::writer("write", &place.path, file.as_file_mut());
    let mut out = BufWriter::with_capacity(1 << 20, writer);
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    if let Some(old) = &place.old {
        faults::point("mode", &place.path)?;
        place::keep_mode(file.as_file(), old)?;
    }
    disk::sync(file.as_file(), &place.path)?;
    faults::point("rename", &place.path)?;
    file.persist(&place.path).map_err(|e| e.error)?;
    disk::sync_folder(&folder_of(&place.path))
}

/// A file beside `place` that is locked while it is written, so that nobody takes it for litter.
fn temporary(place: &ResolvedPath) -> io::Result<NamedTempFile> {
    let prefix = litter::prefix(&place.path)?;
    let mut builder = Builder::new();
    builder
        .prefix(&prefix)
        .rand_bytes(litter::RANDOM)
        .suffix(litter::SUFFIX);
    as_others_may_read(&mut builder);
    faults::point("temporary", &place.path)?;
    let file = builder.tempfile_in(folder_of(&place.path))?;
    // Where files cannot be locked, litter cannot be told from a file in use and is left alone.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Temporary files are private by default; what is renamed into place should be as any other file.
#[cfg(unix)]
fn as_others_may_read(builder: &mut Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    // The user's umask still applies.
    builder.permissions(fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn as_others_may_read(_: &mut Builder<'_, '_>) {}

#[cfg(test)]
mod tests;
