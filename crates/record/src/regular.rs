//! Opening files that somebody else may have named.
//!
//! To open a FIFO is to wait for its other end, and a device may have no end: only a regular file
//! is opened.

use std::{
    fs::{self, File, Metadata},
    path::Path,
};

use crate::{FileError, faults};

/// Opens the regular file `path` to read it.
///
/// # Errors
/// When it is not there, is no regular file, or cannot be opened.
pub fn open(path: &Path) -> Result<File, FileError> {
    let about = fs::metadata(path).map_err(FileError::io("read", path))?;
    check(path, &about)?;
    faults::point("open", path)
        .and_then(|()| File::open(path))
        .map_err(FileError::io("read", path))
}

/// Refuses `path` where `about` says that it is something else than a regular file.
pub(crate) fn check(path: &Path, about: &Metadata) -> Result<(), FileError> {
    if about.is_file() {
        return Ok(());
    }
    Err(FileError::wrong(path, "a regular file", kind(about)))
}

/// What kind of file `about` is of, in words.
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
        "something that is no file"
    }
}

#[cfg(not(unix))]
fn special(_: &Metadata) -> &'static str {
    "something that is no file"
}
