//! Folders for readers to read from.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

thread_local! {
    /// One for all inputs of a thread: making and removing folders takes longer than most targets
    /// do.
    static FOLDER: TempDir = tempfile::tempdir().expect("a temporary folder");
}

/// Hands `read` the thread's folder for `target`, which may hold files of inputs before.
pub(crate) fn within<T>(target: &str, read: impl FnOnce(&Path) -> T) -> T {
    FOLDER.with(|folder| {
        let folder = folder.path().join(target);
        fs::create_dir_all(&folder).expect("a folder in the temporary folder");
        read(&folder)
    })
}

/// Makes `folder` anew, with nothing in it.
pub(crate) fn empty(folder: &Path) -> PathBuf {
    // There is none yet at the first input.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).expect("a folder in the temporary folder");
    folder.to_owned()
}

/// Writes `bytes` to `path` as they are.
pub(crate) fn put(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("a file in the temporary folder");
}
