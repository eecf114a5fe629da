//! Opening files whose names come from the user or from other programs.
//!
//! Opening a FIFO blocks until its other end is opened, and reading a device may never end.
//! Therefore only regular files are opened.

use std::{
    fs::{self, File, Metadata},
    path::Path,
};

use crate::{FileError, faults};

/// Opens the regular file `path` for reading.
///
/// # Errors
/// Returns an error if the file does not exist, is not a regular file, or cannot be opened.
pub fn open(path: &Path) -> Result<File, FileError> {
    let about = fs::metadata(path).map_err(FileError::io("read", path))?;
    check(path, &about)?;
    faults::point("open", path)
        .and_then(|()| File::open(path))
        .map_err(FileError::io("read", path))
}

/// Refuses `path` when `about`, its metadata, is not that of a regular file.
pub(crate) fn check(path: &Path, about: &Metadata) -> Result<(), FileError> {
    if about.is_file() {
        return Ok(());
    }
    Err(FileError::wrong(path, "a regular file", kind(about)))
}

/// Returns the kind of the file with the metadata `about`, in words.
pub(crate) fn kind(about: &Metadata) -> &'static str {
    if about.is_file() {
        "a regular file"
    } else if about.is_dir() {
        "a folder"
    } else {
        special(about)
    }
}

#[cfg(unix)]
fn special(about: &Metadata) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    let kind = about.file_type();
    if kind.is_fifo() {
        "a named pipe (FIFO)"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "something that is not a file"
    }
}

#[cfg(not(unix))]
fn special(_: &Metadata) -> &'static str {
    "something that is not a file"
}
