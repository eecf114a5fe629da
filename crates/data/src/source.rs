//! Source texts, which are read, checked to be UTF-8, and fingerprinted.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use gptlab_recipe::{TextOrigin, words::reason};

use crate::{Builtin, Fingerprint, foreign, foreign::Foreign};

/// A text of at least two characters, with its origin, and the size and fingerprint of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    content: String,
    /// The number of bytes as they were read.
    bytes: u64,
    fingerprint: Fingerprint,
    origin: TextOrigin,
}

impl Text {
    /// Reads a UTF-8 file. A byte order mark is dropped; line ends stay unchanged.
    ///
    /// # Errors
    /// Returns an error if there is no such file, if it is not a regular file or cannot be read, if
    /// it is not UTF-8 or is a file of another kind ([`Foreign`]), or if it contains a NUL or fewer
    /// than two characters.
    pub fn read(path: &Path) -> Result<Self, TextError> {
        Self::read_recorded(path, None)
    }

    /// Reads a file as [`Text::read`] does, for a path from a record, which may be untrusted. A
    /// file whose size is not `bytes`, if the record contains it, is rejected before it is read.
    ///
    /// # Errors
    /// Returns the errors of [`Text::read`], or an error if the file has another size.
    pub fn read_recorded(path: &Path, bytes: Option<u64>) -> Result<Self, TextError> {
        let content = read_bytes(path, bytes)?;
        Self::from_bytes(content, TextOrigin::File(path.display().to_string()))
    }

    /// Makes a built-in text.
    pub fn builtin(builtin: Builtin) -> Self {
        let content = builtin.text();
        Self {
            fingerprint: Fingerprint::of(content.as_bytes()),
            origin: TextOrigin::Builtin(builtin.to_string()),
            bytes: content.len() as u64,
            content,
        }
    }

    /// Returns the built-in text that this is, if it is one.
    pub fn recipe(&self) -> Option<Builtin> {
        match &self.origin {
            TextOrigin::Builtin(name) => Builtin::parse(name).ok().flatten(),
            TextOrigin::File(_) | TextOrigin::Other(_) => None,
        }
    }

    /// Makes a text from bytes that were read elsewhere, with the checks of [`Text::read`].
    ///
    /// # Errors
    /// Returns an error if they are not UTF-8 or are a file of another kind, or if they contain a
    /// NUL or fewer than two characters.
    pub fn from_bytes(bytes: Vec<u8>, origin: TextOrigin) -> Result<Self, TextError> {
        if let Some(kind) = foreign::kind(&bytes) {
            return Err(TextError::Foreign { origin, kind });
        }
        if let Some(offset) = bytes.iter().position(|byte| *byte == 0) {
            return Err(TextError::Nul { origin, offset });
        }
        let (fingerprint, length) = (Fingerprint::of(&bytes), bytes.len() as u64);
        let mut content = String::from_utf8(bytes).map_err(|e| TextError::NotUtf8 {
            origin: origin.clone(),
            offset: e.utf8_error().valid_up_to(),
        })?;
        if content.starts_with(BYTE_ORDER_MARK) {
            content.drain(..BYTE_ORDER_MARK.len_utf8());
        }
        let characters = content.chars().take(2).count();
        if characters < 2 {
            return Err(TextError::TooShort { origin, characters });
        }
        Ok(Self {
            content,
            bytes: length,
            fingerprint,
            origin,
        })
    }

    /// Returns the text, without a byte order mark.
    pub fn as_str(&self) -> &str {
        &self.content
    }

    /// Returns the number of Unicode scalar values, which each call counts.
    pub fn characters(&self) -> usize {
        self.content.chars().count()
    }

    /// Returns the number of bytes that were read, including a byte order mark.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the SHA-256 of the bytes that were read, including a byte order mark, as `sha256sum`
    /// prints it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Returns the origin of the text.
    pub fn origin(&self) -> &TextOrigin {
        &self.origin
    }
}

const BYTE_ORDER_MARK: char = '\u{FEFF}';

fn read_bytes(path: &Path, recorded: Option<u64>) -> Result<Vec<u8>, TextError> {
    if path == Path::new("-") {
        return Err(TextError::StandardInput);
    }
    let failed = |error: io::Error| {
        if error.kind() == io::ErrorKind::NotFound {
            TextError::Missing(path.to_owned())
        } else {
            TextError::Unreadable(path.to_owned(), error)
        }
    };
    // The type is checked before the file is opened, because opening a FIFO blocks until it has a
    // writer.
    regular(path, &fs::metadata(path).map_err(failed)?)?;
    let mut file = File::open(path).map_err(failed)?;
    // The open file is checked again, because another file may have taken the name.
    let metadata = file.metadata().map_err(failed)?;
    regular(path, &metadata)?;
    let found = metadata.len();
    match recorded {
        Some(expected) if expected != found => Err(TextError::Size {
            path: path.to_owned(),
            expected,
            found,
        }),
        Some(_) => read_whole(&mut file.take(found), found).map_err(failed),
        // Files in `/proc`, for example, report a size of 0, so the whole file is read.
        None => read_whole(&mut file, found).map_err(failed),
    }
}

fn read_whole(file: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(usize::try_from(size).unwrap_or(usize::MAX))
        .map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn regular(path: &Path, metadata: &fs::Metadata) -> Result<(), TextError> {
    if metadata.is_dir() {
        Err(TextError::Directory(path.to_owned()))
    } else if metadata.is_file() {
        Ok(())
    } else {
        Err(TextError::Special(path.to_owned()))
    }
}

/// The reason that a text cannot be read.
#[derive(Debug)]
pub enum TextError {
    /// The path was `-`.
    StandardInput,
    Missing(PathBuf),
    Directory(PathBuf),
    /// The path is a pipe, a device or a socket.
    Special(PathBuf),
    Unreadable(PathBuf, io::Error),
    /// The file does not have the recorded size, in bytes.
    Size {
        path: PathBuf,
        expected: u64,
        found: u64,
    },
    /// The byte at `offset`, counted from 0, is the first that is not UTF-8.
    NotUtf8 {
        origin: TextOrigin,
        offset: usize,
    },
    /// The bytes are of a known kind that is not text.
    Foreign {
        origin: TextOrigin,
        kind: Foreign,
    },
    /// The byte at `offset`, counted from 0, is the first NUL.
    Nul {
        origin: TextOrigin,
        offset: usize,
    },
    TooShort {
        origin: TextOrigin,
        characters: usize,
    },
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StandardInput => f.write_str(
                "a text is read from a file, and not from standard input (`-`); write it to a file first, \
                 for example with `cat > text.txt`, and give that",
            ),
            Self::Missing(path) => write!(
                f,
                "there is no file {}; give the path of a text file, or the name of a built-in text \
                 ({})",
                path.display(),
                Builtin::names()
            ),
            Self::Directory(path) => write!(
                f,
                "{} is a directory; give the path of one text file in it, or make one of several, for \
                 example with `cat {} > all.txt`",
                path.display(),
                path.join("*.txt").display()
            ),
            Self::Special(path) => write!(
                f,
                "{} is not a regular file but a pipe, a device or a socket; write the text to a file first, \
                 for example with `cat > text.txt`, and give that",
                path.display()
            ),
            Self::Unreadable(path, error) => {
                write!(f, "{} cannot be read: {}", path.display(), reason(error))
            }
            Self::Size {
                path,
                expected,
                found,
            } => write!(
                f,
                "{} holds {found} bytes, and the text of the record {expected}; give the text that it was, \
                 unchanged",
                path.display()
            ),
            Self::NotUtf8 { origin, offset } => write!(
                f,
                "{origin} is not UTF-8: byte {offset} (counted from 0) begins no character; \
                 convert it, for example with `iconv -t UTF-8`"
            ),
            Self::Foreign { origin, kind } => kind.write_error(origin, f),
            Self::Nul { origin, offset } => write!(
                f,
                "{origin} holds a NUL (byte {offset}, counted from 0), and no text does; give a text file \
                 in UTF-8"
            ),
            Self::TooShort { origin, characters } => write!(
                f,
                "{origin} holds {characters} character{}; a text needs at least 2, one to read and \
                 one to predict",
                if *characters == 1 { "" } else { "s" }
            ),
        }
    }
}

impl std::error::Error for TextError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            Self::StandardInput
            | Self::Missing(_)
            | Self::Directory(_)
            | Self::Special(_)
            | Self::Size { .. }
            | Self::NotUtf8 { .. }
            | Self::Foreign { .. }
            | Self::Nul { .. }
            | Self::TooShort { .. } => None,
        }
    }
}
