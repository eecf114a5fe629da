//! Decides which folders gptlab may write its files to. The names of the files are fixed, so that
//! they might replace unrelated files in any other folder.

use std::{
    fs::{self, File as OnDisk},
    io::{self, Read},
    path::{Path, PathBuf},
    slice,
};

use gptlab_record::{FileError, atomic, disk};

use super::File;

/// The generator that a page names. It contains no version, so that equal records make equal bytes.
pub(super) const GENERATOR: &str = "gptlab";
/// The number of bytes of a page that are searched for its generator.
const HEAD: u64 = 1024;
/// The suffix of the temporary name that a file has while it is written. A killed process leaves
/// such files.
const LEFTOVER: &str = ".tmp";
/// The largest number of names that the message about a refused folder lists.
const MOST_NAMES: usize = 3;

/// A file by which a folder that gptlab wrote is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    file: String,
    mark: String,
}

impl Signature {
    /// Makes the signature of a page of this name that [`super::files`] or [`super::gallery`]
    /// wrote.
    pub fn page(name: &str) -> Self {
        Self {
            file: name.to_owned(),
            mark: format!("<meta name=\"generator\" content=\"{GENERATOR}\">"),
        }
    }

    /// Makes the signature of a file of this name with `mark` near its start.
    pub fn text(name: &str, mark: &str) -> Self {
        Self {
            file: name.to_owned(),
            mark: mark.to_owned(),
        }
    }

    /// Makes the signature of a CSV table of this name with the columns of `table`.
    pub fn table(name: &str, table: &crate::Table) -> Self {
        let csv = table.csv();
        Self {
            file: name.to_owned(),
            mark: csv.split_inclusive('\n').next().unwrap_or_default().into(),
        }
    }

    /// Looks for the file in `folder`, and checks whether gptlab wrote it.
    fn look(&self, folder: &Path) -> Result<Found, FileError> {
        let path = folder.join(&self.file);
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(e) => return Err(FileError::io("read", &path)(e)),
            // Opening a pipe would wait for its writer, and reading a device might never end.
            Ok(file) if !file.is_file() => return Ok(Found::Foreign),
            Ok(_) => {}
        }
        let mut head = Vec::new();
        OnDisk::open(&path)
            .and_then(|file| file.take(HEAD).read_to_end(&mut head))
            .map_err(FileError::io("read", &path))?;
        let ours = head
            .windows(self.mark.len())
            .any(|w| w == self.mark.as_bytes());
        Ok(if ours { Found::Ours } else { Found::Foreign })
    }
}

/// The state of a signature's file in a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Ours,
    Foreign,
}

/// A folder that gptlab may write to, because it is new, empty, or recognised by a [`Signature`].
#[derive(Clone, Debug)]
pub struct OutputFolder(PathBuf);

impl OutputFolder {
    /// Checks `folder`, and writes nothing. Unless the folder is new or empty, it must contain a
    /// file that matches one of `signatures`, and no file that matches only the name of one. Files
    /// that a killed process left are ignored.
    ///
    /// # Errors
    /// Returns an error if the folder contains other files, is not a folder, or cannot be read.
    pub fn of(folder: &Path, signatures: &[Signature]) -> Result<Self, FileError> {
        let place = Self(folder.to_owned());
        match fs::metadata(folder) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(place),
            Err(e) => return Err(FileError::io("read", folder)(e)),
            Ok(found) if !found.is_dir() => {
                let error = io::Error::from(io::ErrorKind::NotADirectory);
                return Err(FileError::io("make", folder)(error));
            }
            Ok(_) => {}
        }
        let mut ours = false;
        for signature in signatures {
            match signature.look(folder)? {
                Found::Nothing => {}
                Found::Ours => ours = true,
                Found::Foreign => {
                    return Err(foreign(
                        folder,
                        signatures,
                        slice::from_ref(&signature.file),
                    ));
                }
            }
        }
        let others = if ours { Vec::new() } else { entries(folder)? };
        if others.is_empty() {
            Ok(place)
        } else {
            Err(foreign(folder, signatures, &others))
        }
    }

    /// Writes `files`, in this order, into the folder, which is created if it does not exist. The
    /// first file should match a signature, so that an interrupted write can be repeated.
    ///
    /// # Errors
    /// Returns an error if a file cannot be written; the files before it are.
    pub fn write(&self, files: &[File]) -> Result<(), FileError> {
        let folder = &self.0;
        disk::make_folders(folder).map_err(FileError::io("make", folder))?;
        files.iter().try_for_each(|file| {
            let path = folder.join(&file.name);
            atomic::sweep_of(&path)?;
            atomic::write_bytes(&path, file.text.as_bytes())
        })
    }
}

/// Returns the names in `folder`, sorted, without temporary files.
fn entries(folder: &Path) -> Result<Vec<String>, FileError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(FileError::io("read", folder))? {
        let name = entry.map_err(FileError::io("read", folder))?.file_name();
        let name = name.to_string_lossy().into_owned();
        if !(name.starts_with('.') && name.ends_with(LEFTOVER)) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Makes the error about a folder with other files.
fn foreign(folder: &Path, signatures: &[Signature], others: &[String]) -> FileError {
    let pages: Vec<&str> = signatures.iter().map(|s| s.file.as_str()).collect();
    let expected = format!(
        "a new or empty folder, or one with a {} that gptlab made",
        pages.join(" or a ")
    );
    let names: Vec<String> = others
        .iter()
        .take(MOST_NAMES)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match others.len().saturating_sub(MOST_NAMES) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let found = format!("files of somebody else: {}{more}", names.join(", "));
    FileError::wrong(folder, expected, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs() -> [Signature; 1] {
        [Signature::page("report.html")]
    }

    fn pages() -> [File; 2] {
        let page = crate::page::gallery("report.html", &crate::page::Gallery::default());
        [page[0].clone(), File::new("table.csv", "new")]
    }

    fn refused(folder: &Path) -> String {
        OutputFolder::of(folder, &signs()).unwrap_err().to_string()
    }

    #[test]
    fn a_new_an_empty_and_our_own_folder_are_taken() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("new/out");
        for _ in 0..2 {
            OutputFolder::of(&folder, &signs())
                .unwrap()
                .write(&pages())
                .unwrap();
        }
        assert!(folder.join("table.csv").is_file());
        OutputFolder::of(root.path(), &signs()).unwrap_err();
        let empty = tempfile::tempdir().unwrap();
        OutputFolder::of(empty.path(), &signs()).unwrap();
        fs::write(empty.path().join(".report.html.x1.tmp"), "").unwrap();
        OutputFolder::of(empty.path(), &signs()).unwrap();
    }

    #[test]
    fn somebody_s_folder_is_left_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c", "table.csv"] {
            fs::write(root.path().join(name), "mine").unwrap();
        }
        let message = refused(root.path());
        assert!(
            message.ends_with(
                "expected a new or empty folder, or one with a report.html that gptlab made, \
                 found files of somebody else: `a`, `b`, `c` and 1 more"
            ),
            "{message}"
        );
        fs::write(root.path().join("report.html"), "<html>mine</html>").unwrap();
        assert!(refused(root.path()).ends_with("found files of somebody else: `report.html`"));
        assert!(refused(&root.path().join("a")).starts_with("cannot make "));
    }

    /// The mark of a page is within the bytes that are searched, and the mark of a table is its
    /// first line.
    #[test]
    fn signs_are_found_in_what_we_write() {
        let root = tempfile::tempdir().unwrap();
        let table = crate::Table::new("", vec![crate::table::Column::words("a")]);
        let sign = Signature::table("measures.csv", &table);
        fs::write(root.path().join("measures.csv"), "b\n").unwrap();
        assert_eq!(sign.look(root.path()).unwrap(), Found::Foreign);
        fs::write(root.path().join("measures.csv"), table.csv()).unwrap();
        assert_eq!(sign.look(root.path()).unwrap(), Found::Ours);
        let [page, _] = pages();
        let head: String = page.text.chars().take(HEAD as usize).collect();
        assert!(head.contains(&signs()[0].mark), "{head}");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_of_a_page_s_name_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(root.path().join("report.html"))
            .status();
        if made.is_ok_and(|status| status.success()) {
            assert!(refused(root.path()).contains("`report.html`"));
        }
    }
}
