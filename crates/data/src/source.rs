//! Text as it was given: read, checked to be UTF-8, fingerprinted.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Builtin, Fingerprint};

/// Where a text came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A file, by the path it was read from.
    File(String),
    /// A built-in text, by name.
    Builtin(String),
    /// Anything else, in the caller's words (`standard input`).
    Other(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Builtin(name) => write!(f, "the built-in text `{name}`"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// At least two characters of text, where they came from, and which bytes they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    content: String,
    fingerprint: Fingerprint,
    origin: Origin,
}

impl Text {
    /// Reads a UTF-8 file. A byte order mark is dropped; line ends stay as they are.
    ///
    /// # Errors
    /// When there is no such file, it cannot be read, is not UTF-8, or holds fewer than two characters.
    pub fn read(path: &Path) -> Result<Self, TextError> {
        let bytes = read_bytes(path)?;
        Self::from_bytes(bytes, Origin::File(path.display().to_string()))
    }

    /// A built-in text.
    pub fn builtin(builtin: Builtin) -> Self {
        let content = builtin.text();
        Self {
            fingerprint: Fingerprint::of(content.as_bytes()),
            origin: Origin::Builtin(builtin.to_string()),
            content,
        }
    }

    /// Which built-in text this is, if it is one.
    pub fn recipe(&self) -> Option<Builtin> {
        match &self.origin {
            Origin::Builtin(name) => Builtin::parse(name).ok().flatten(),
            Origin::File(_) | Origin::Other(_) => None,
        }
    }

    /// Bytes read elsewhere, held to the same rules as a file.
    ///
    /// # Errors
    /// When they are not UTF-8, or fewer than two characters.
    pub fn from_bytes(bytes: Vec<u8>, origin: Origin) -> Result<Self, TextError> {
        let fingerprint = Fingerprint::of(&bytes);
        let mut content = String::from_utf8(bytes).map_err(|e| TextError::NotUtf8 {
            origin: origin.clone(),
            offset: e.utf8_error().valid_up_to(),
            utf16: matches!(e.as_bytes(), [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..]),
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

    /// The SHA-256 of the bytes as they were given, a byte order mark included, as `sha256sum` prints it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

const BYTE_ORDER_MARK: char = '\u{FEFF}';

fn read_bytes(path: &Path) -> Result<Vec<u8>, TextError> {
    // Asked first, because what reading a directory says depends on the operating system.
    if path.is_dir() {
        return Err(TextError::Directory(path.to_owned()));
    }
    fs::read(path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            TextError::Missing(path.to_owned())
        } else {
            TextError::Unreadable(path.to_owned(), error)
        }
    })
}

/// Why there is no text.
#[derive(Debug)]
pub enum TextError {
    Missing(PathBuf),
    Directory(PathBuf),
    Unreadable(PathBuf, io::Error),
    /// `offset` is that of the first byte that is not UTF-8, counted from 0.
    NotUtf8 {
        origin: Origin,
        offset: usize,
        utf16: bool,
    },
    TooShort {
        origin: Origin,
        characters: usize,
    },
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => write!(
                f,
                "there is no file {}; give the path of a text file, or the name of a built-in text \
                 ({})",
                path.display(),
                Builtin::ALL.map(Builtin::name).join(", ")
            ),
            Self::Directory(path) => write!(
                f,
                "{} is a directory; give the path of one text file in it",
                path.display()
            ),
            Self::Unreadable(path, error) => {
                write!(f, "{} cannot be read: {error}", path.display())
            }
            Self::NotUtf8 {
                origin,
                utf16: true,
                ..
            } => write!(
                f,
                "{origin} begins as UTF-16 does; text must be UTF-8: save it again in that encoding"
            ),
            Self::NotUtf8 {
                origin,
                offset,
                utf16: false,
            } => write!(
                f,
                "{origin} is not UTF-8: byte {offset} (counted from 0) begins no character; \
                 convert it, for example with `iconv -t UTF-8`"
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
            Self::Missing(_)
            | Self::Directory(_)
            | Self::NotUtf8 { .. }
            | Self::TooShort { .. } => None,
        }
    }
}
