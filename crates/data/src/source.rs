//! Text as it was given: read, checked to be UTF-8, fingerprinted.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use gptlab_recipe::TextOrigin;

use crate::{Builtin, Fingerprint, foreign, foreign::Foreign};

/// At least two characters of text, where they came from, and which bytes they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    content: String,
    /// As they were given.
    bytes: u64,
    fingerprint: Fingerprint,
    origin: TextOrigin,
}

impl Text {
    /// Reads a UTF-8 file. A byte order mark is dropped; line ends stay as they are.
    ///
    /// # Errors
    /// When there is no such file, it is not a regular file or cannot be read, is not UTF-8, is a
    /// file of another kind ([`Foreign`]), holds a NUL, or fewer than two characters.
    pub fn read(path: &Path) -> Result<Self, TextError> {
        Self::read_recorded(path, None)
    }

    /// [`Text::read`] of a file that a record names, which somebody else may have written: a file
    /// of another size than `bytes`, where the record tells it, is refused before any of it is
    /// read.
    ///
    /// # Errors
    /// As [`Text::read`], and when the file has another size.
    pub fn read_recorded(path: &Path, bytes: Option<u64>) -> Result<Self, TextError> {
        let content = read_bytes(path, bytes)?;
        Self::from_bytes(content, TextOrigin::File(path.display().to_string()))
    }

    /// A built-in text.
    pub fn builtin(builtin: Builtin) -> Self {
        let content = builtin.text();
        Self {
            fingerprint: Fingerprint::of(content.as_bytes()),
            origin: TextOrigin::Builtin(builtin.to_string()),
            bytes: content.len() as u64,
            content,
        }
    }

    /// Which built-in text this is, if it is one.
    pub fn recipe(&self) -> Option<Builtin> {
        match &self.origin {
            TextOrigin::Builtin(name) => Builtin::parse(name).ok().flatten(),
            TextOrigin::File(_) | TextOrigin::Other(_) => None,
        }
    }

    /// Bytes read elsewhere, held to the same rules as a file.
    ///
    /// # Errors
    /// When they are not UTF-8, are a file of another kind, hold a NUL, or fewer than two
    /// characters.
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

    pub fn as_str(&self) -> &str {
        &self.content
    }

    /// Unicode scalar values. Counted on each call.
    pub fn characters(&self) -> usize {
        self.content.chars().count()
    }

    /// How many bytes were given, a byte order mark included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The SHA-256 of the bytes as they were given, a byte order mark included, as `sha256sum`
    /// prints it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

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
    // Asked before the file is opened: a FIFO would block there until somebody writes to it.
    regular(path, &fs::metadata(path).map_err(failed)?)?;
    let mut file = File::open(path).map_err(failed)?;
    // Asked again of what was opened, since another file may have taken the name.
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
        // Files of the system have no size that could be asked for.
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

/// Why there is no text.
#[derive(Debug)]
pub enum TextError {
    /// `-` was given for a path.
    StandardInput,
    Missing(PathBuf),
    Directory(PathBuf),
    /// A pipe, a device or a socket.
    Special(PathBuf),
    Unreadable(PathBuf, io::Error),
    /// The file has not the size, in bytes, that a record tells of.
    Size {
        path: PathBuf,
        expected: u64,
        found: u64,
    },
    /// `offset` is that of the first byte that is not UTF-8, counted from 0.
    NotUtf8 {
        origin: TextOrigin,
        offset: usize,
    },
    /// What the bytes are instead of text.
    Foreign {
        origin: TextOrigin,
        kind: Foreign,
    },
    /// `offset` is that of the first NUL, counted from 0.
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
                write!(f, "{} cannot be read: {error}", path.display())
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
            Self::Foreign { origin, kind } => kind.say(origin, f),
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
