//! The place where a file is really written, and what is there now.

use std::{
    fs::{self, File, Metadata},
    io,
    path::{Path, PathBuf},
};

use crate::FileError;

/// The most symbolic links to follow; Linux has the same limit.
const MOST_LINKS: usize = 40;

/// A path whose links have been followed.
pub(super) struct ResolvedPath {
    pub(super) path: PathBuf,
    /// The metadata of the regular file at `path`; `None` when there is no file.
    pub(super) old: Option<Metadata>,
}

impl ResolvedPath {
    /// Follows the links of `named`.
    ///
    /// # Errors
    /// Returns an error if something is there that is not a writable regular file.
    pub(super) fn of(named: &Path) -> Result<Self, FileError> {
        let path = follow(named).map_err(FileError::io("write", named))?;
        let old = match fs::symlink_metadata(&path) {
            Ok(old) => Some(old),
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => return Err(FileError::io("write", named)(e)),
        };
        if let Some(old) = &old {
            check(named, old)?;
        }
        Ok(Self { path, old })
    }
}

fn check(named: &Path, old: &Metadata) -> Result<(), FileError> {
    if old.is_dir() {
        return Err(FileError::io("write", named)(
            io::ErrorKind::IsADirectory.into(),
        ));
    }
    if !old.is_file() {
        let expected = "a regular file or a new name to write to";
        let found = format!("{}; give another name", crate::regular::kind(old));
        return Err(FileError::wrong(named, expected, found));
    }
    if old.permissions().readonly() {
        let expected = "a file that may be written";
        let found = "one that is read-only; make it writable or give another name";
        return Err(FileError::wrong(named, expected, found));
    }
    Ok(())
}

/// Returns the target of `path` after following every link; `path` itself when it is not a link.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            // `path` is not a link, or does not exist. The caller finds out which.
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::other("its symbolic links form a cycle"))
}

pub(super) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Gives `file` the mode of `old` and, if this process is permitted to, its owner.
pub(super) fn keep_mode(file: &File, old: &Metadata) -> io::Result<()> {
    keep_owner(file, old);
    file.set_permissions(old.permissions())
}

#[cfg(unix)]
fn keep_owner(file: &File, old: &Metadata) {
    use std::os::unix::fs::{MetadataExt, fchown};
    // Only the superuser may give a file away. For other users the file already has its owner.
    let _ = fchown(file, Some(old.uid()), Some(old.gid()));
}

#[cfg(not(unix))]
fn keep_owner(_: &File, _: &Metadata) {}
