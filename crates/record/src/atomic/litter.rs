//! Temporary files that a killed process left behind.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use super::place::folder_of;
use crate::{FileError, disk};

/// The suffix of a temporary file's name.
pub(super) const SUFFIX: &str = ".tmp";

/// The number of random letters and digits before [`SUFFIX`]; the crate `tempfile` draws as many by
/// default.
pub(super) const RANDOM: usize = 6;

/// The most bytes of a file's name that its temporary name repeats. A name has at most 255 bytes.
const MOST_NAME: usize = 200;

/// Returns the prefix of the temporary names of `path`.
pub(super) fn prefix(path: &Path) -> io::Result<String> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let name = name.to_string_lossy();
    Ok(format!(
        ".{}.",
        &name[..name.floor_char_boundary(MOST_NAME)]
    ))
}

/// Removes the temporary files of `path` that a killed writer left beside it.
///
/// # Errors
/// Returns an error if the folder of `path` cannot be read, or a temporary file cannot be removed.
pub fn sweep_of(path: &Path) -> Result<(), FileError> {
    let prefix = prefix(path).map_err(FileError::io("write", path))?;
    let folder = folder_of(path);
    sweep_where(&folder, |name| {
        name.strip_prefix(&prefix).is_some_and(is_ending)
    })
    .map_err(FileError::io("remove the temporary files in", &folder))
}

/// Removes all abandoned temporary files in `folder`.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    sweep_where(folder, |name| {
        let at = name.len().saturating_sub(RANDOM + SUFFIX.len());
        let own = name.split_at_checked(at);
        own.is_some_and(|(own, end)| own.starts_with('.') && own.ends_with('.') && is_ending(end))
    })
}

fn sweep_where(folder: &Path, mine: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let left = mine(&name) && entry.file_type()?.is_file();
        if left && is_abandoned(&entry.path()) {
            match disk::remove(&entry.path()) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Returns whether `end` is the ending of a temporary name. Other files may share its prefix and
/// suffix.
fn is_ending(end: &str) -> bool {
    let random = end.strip_suffix(SUFFIX).unwrap_or_default();
    random.len() == RANDOM && random.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Returns whether no process is writing `path`. A writer holds a lock on it until it is renamed.
fn is_abandoned(path: &Path) -> bool {
    match File::open(path).map(|file| file.try_lock()) {
        Ok(Ok(())) => true,
        Ok(Err(TryLockError::WouldBlock | TryLockError::Error(_))) | Err(_) => false,
    }
}
