//! Every operation that changes the disk, as one function each. The rest of the program changes the
//! disk only through these functions, and tests make each of them fail in turn.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use crate::faults;

/// Creates `folder` and its parent folders, unless they exist.
///
/// # Errors
/// Returns the errors of [`fs::create_dir_all`].
pub fn make_folders(folder: &Path) -> io::Result<()> {
    faults::point("make", folder)?;
    fs::create_dir_all(folder)
}

/// Creates `folder`, which must not exist.
///
/// # Errors
/// Returns the errors of [`fs::create_dir`].
pub fn make_folder(folder: &Path) -> io::Result<()> {
    faults::point("make", folder)?;
    fs::create_dir(folder)
}

/// Opens the file `path` to read and append; creates it if it does not exist.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    faults::point("create", path)?;
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true).open(path)
}

/// Appends `bytes` to `file`, whose path is `path`.
pub(crate) fn append(file: &mut File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    faults::writer("append", path, file).write_all(bytes)
}

/// Truncates `file`, whose path is `path`, to `length` bytes.
pub(crate) fn cut(file: &File, path: &Path, length: u64) -> io::Result<()> {
    faults::point("cut", path)?;
    file.set_len(length)
}

/// Makes the contents and metadata of `file` survive a power cut. `path` is the path that it has
/// now or will be renamed to.
pub(crate) fn sync(file: &File, path: &Path) -> io::Result<()> {
    faults::point("sync", path)?;
    file.sync_all()
}

/// Makes the contents of `file` survive a power cut, without its timestamps.
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

/// Does nothing: this system cannot open a folder to sync it, and its journal orders the rename.
#[cfg(not(unix))]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    faults::point("sync-folder", folder)
}

/// Renames `from` to `to`.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    faults::point("move", from)?;
    fs::rename(from, to)
}

/// Removes the file `path`.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    faults::point("remove", path)?;
    fs::remove_file(path)
}
