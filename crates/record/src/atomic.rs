//! Files that are there whole or not at all.
//!
//! A file is written under a temporary name in the same folder, synced, and renamed over the old
//! one; then the folder is synced, because the rename lives there. A kill, a full disk or a power
//! cut leaves the old file as it was.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile};

use crate::FileError;

/// What temporary names end in, so that leftovers of a kill can be told.
const SUFFIX: &str = ".tmp";

/// Writes a file by handing `fill` a buffered writer; `path` is replaced only when all went well.
///
/// # Errors
/// When the folder is not there, or anything cannot be written, synced or renamed.
pub fn write(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    replace(path, fill).map_err(FileError::io("write", path))
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
/// When `path` is a folder, or its folder is not there or takes no files.
pub fn probe(path: &Path) -> Result<(), FileError> {
    let probed = if path.is_dir() {
        Err(io::ErrorKind::IsADirectory.into())
    } else {
        temporary(path).map(drop)
    };
    probed.map_err(FileError::io("write", path))
}

/// Removes the temporary files that a kill left in `folder`. Only for a folder nobody writes to.
pub(crate) fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with('.') && name.ends_with(SUFFIX) && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut file = temporary(path)?;
    let mut out = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    fill(&mut out)?;
    out.flush()?;
    drop(out);
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    sync_folder(&folder_of(path))
}

fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let prefix = format!(".{}.", name.to_string_lossy());
    let mut builder = Builder::new();
    builder.prefix(&prefix).suffix(SUFFIX);
    as_others_may_read(&mut builder);
    builder.tempfile_in(folder_of(path))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
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

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Elsewhere a folder cannot be opened to be synced; the file system's journal orders the rename.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the signature of its Unix twin")]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_bytes(&path, b"old").unwrap();
        let error = write(&path, |out| {
            out.write_all(&[7; 4096])?;
            Err(io::ErrorKind::StorageFull.into())
        });
        let said = error.unwrap_err().to_string();
        assert!(said.contains("a.txt: the disk is full"), "{said}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn a_write_replaces_the_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        write_bytes(&path, b"a longer old text").unwrap();
        write_bytes(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_sentence_before_and_at_the_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("a.txt");
        for error in [
            probe(&path).unwrap_err(),
            write_bytes(&path, b"").unwrap_err(),
        ] {
            let said = error.to_string();
            assert!(said.starts_with("cannot write "), "{said}");
            assert!(said.ends_with("there is no such file or folder"), "{said}");
        }
        let said = probe(folder.path()).unwrap_err().to_string();
        assert!(said.ends_with("it is a folder, not a file"), "{said}");
        assert!(probe(Path::new("")).is_err());
        probe(&folder.path().join("fine")).unwrap();
        assert!(names(folder.path()).is_empty());
    }

    /// `/dev/full` refuses every byte as a full disk does; a real one is reached through a file.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_kernel_s_full_disk_is_the_sentence() {
        let mut full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let error = full.write_all(b"x").unwrap_err();
        let said = FileError::io("write", Path::new("m.safetensors"))(error).to_string();
        assert!(said.contains("the disk is full"), "{said}");
    }

    #[test]
    fn sweeping_takes_leftovers_alone() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".a.safetensors.x1.tmp", "b.tmp", ".hidden", "c.safetensors"] {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        sweep(folder.path()).unwrap();
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, [".hidden", "b.tmp", "c.safetensors"]);
    }
}
