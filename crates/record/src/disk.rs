//! Everything that changes the disk, one function each. Nothing else in the program does: a test
//! makes each of these fail in turn.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use crate::faults;

/// Makes `folder` and the folders above it, where they are not there.
///
/// # Errors
/// As [`fs::create_dir_all`].
pub fn make_folders(folder: &Path) -> io::Result<()> {
    faults::point("make", folder)?;
    fs::create_dir_all(folder)
}

/// Makes `folder`, which must not be there.
///
/// # Errors
/// As [`fs::create_dir`].
pub fn make_folder(folder: &Path) -> io::Result<()> {
    faults::point("make", folder)?;
    fs::create_dir(folder)
}

/// Opens `path`, which is made where it is not there, to read and append.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    faults::point("create", path)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).open(path)
}

/// Appends `bytes` to `file`, which is `path`.
pub(crate) fn append(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    faults::writer("append", path, file).write_all(bytes)
}

/// Cuts `file`, which is `path`, off after `length` bytes.
pub(crate) fn cut(file: &File, path: &Path, length: u64) -> io::Result<()> {
    faults::point("cut", path)?;
    file.set_len(length)
}

/// Makes what `file`, which is `path` or will be, holds survive a power cut, and its length.
pub(crate) fn sync(file: &File, path: &Path) -> io::Result<()> {
    faults::point("sync", path)?;
    file.sync_all()
}

/// As [`sync`], without the times in the file's entry.
pub(crate) fn sync_data(file: &File, path: &Path) -> io::Result<()> {
    faults::point("sync", path)?;
    file.sync_data()
}

/// Makes the names in `folder` survive a power cut.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    faults::point("sync-folder", folder)?;
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened to be synced; the file system's journal orders the rename.
#[cfg(not(unix))]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    faults::point("sync-folder", folder)
}

/// Gives `from` another name.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    faults::point("move", from)?;
    fs::rename(from, to)
}

/// Removes a file.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    faults::point("remove", path)?;
    fs::remove_file(path)
}
