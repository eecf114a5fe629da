//! Files that are written completely or not at all.
//!
//! A file is written under a temporary name in the same folder, synced, and renamed over the old
//! one. The folder is synced last, because it holds the names. A kill, a full disk or a power cut
//! leaves the old file unchanged.
//!
//! A symbolic link is followed: the link stays and its target is replaced. Only a regular, writable
//! file is replaced, and it keeps its mode. A [`ChosenFile`] has a name that the user chose; it
//! replaces only a file that the caller recognises as its own.

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

/// The destination of a file's contents. A writer can seek in it, so that it can fill in a header
/// last.
pub trait Output: Write + Seek {}

impl<T: Write + Seek> Output for T {}

/// Writes the file `path` by calling `fill` with a buffered writer. `path` is replaced only when
/// every step succeeded.
///
/// # Errors
/// Returns an error if the folder does not exist, the name belongs to something that is not a
/// regular file or is read-only, or the file cannot be written, synced or renamed.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut dyn Output) -> io::Result<()>,
) -> Result<(), FileError> {
    let place = ResolvedPath::of(path)?;
    replace(&place, fill).map_err(FileError::io("write", path))
}

/// Writes `bytes` to the file `path`, as [`write()`] does.
///
/// # Errors
/// Returns the errors of [`write()`].
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write(path, |out| out.write_all(bytes))
}

/// Checks whether [`write()`] could create the file `path`, for a caller that is about to work for
/// hours. The check leaves no file behind.
///
/// # Errors
/// Returns the errors of [`write()`].
pub fn probe(path: &Path) -> Result<(), FileError> {
    let place = ResolvedPath::of(path)?;
    temporary(&place)
        .map(drop)
        .map_err(FileError::io("write", path))
}

/// A file with a name that the user chose, and the check that protects its contents.
#[derive(Clone, Debug)]
pub struct ChosenFile {
    path: PathBuf,
    owned: fn(&Path) -> Result<(), FileError>,
}

impl ChosenFile {
    /// Makes the handle of the file `path`, which may be new, empty, or a file that `owned`
    /// accepts. The caller calls [`ChosenFile::check`] again before each write. Temporary files
    /// that killed writers of this file left beside it are removed.
    ///
    /// # Errors
    /// Returns the errors of [`write()`], and an error if the file exists, is not empty and `owned`
    /// refuses it.
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

    /// Returns the path as the user gave it, with links not followed.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that the file may be replaced: it is new, empty, or accepted by `owned`.
    ///
    /// # Errors
    /// Returns the errors of [`ChosenFile::new`].
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

/// Creates a temporary file beside `place`. It is locked while it is written, so that another
/// process does not remove it as abandoned.
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
    // Without file locks an abandoned file cannot be told from one in use, and sweeping leaves
    // both.
    let _ = file.as_file().try_lock();
    Ok(file)
}

/// Gives a temporary file the mode of an ordinary file; by default only its owner can read it.
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
