//! Folders for readers to read from.

use std::{fs, path::Path};

use tempfile::TempDir;

thread_local! {
    /// One for all inputs of a thread: making and removing folders takes longer than most targets
    /// do.
    static FOLDER: TempDir = tempfile::tempdir().expect("a temporary folder");
}

/// Hands `read` the thread's folder, which may hold files of inputs before.
pub(crate) fn within<T>(read: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| read(folder.path()))
}

/// Writes `bytes` to `path` as they are.
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file in the temporary folder");
}
