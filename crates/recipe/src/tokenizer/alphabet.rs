//! Characters and their ids.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Distinct characters (Unicode scalar values), ordered by code point. A character's id is its
/// index, as in Python's `sorted(set(text))`. Files hold an alphabet as a string. It is never
/// empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Alphabet(Vec<char>);

impl Alphabet {
    /// Returns the characters that occur in `texts`, or `None` if there are none.
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut seen = vec![false; char::MAX as usize + 1];
        for text in texts {
            text.chars().for_each(|c| seen[c as usize] = true);
        }
        let chars: Vec<char> = ('\0'..=char::MAX).filter(|c| seen[*c as usize]).collect();
        (!chars.is_empty()).then_some(Self(chars))
    }

    /// Returns the number of characters, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the characters, ordered by id.
    pub fn chars(&self) -> &[char] {
        &self.0
    }

    /// Returns the id of `c`, if it is one of these characters.
    pub fn id(&self, c: char) -> Option<u32> {
        self.0.binary_search(&c).ok().map(|id| id as u32)
    }

    /// Returns the character with this id, if there is one.
    pub fn char(&self, id: u32) -> Option<char> {
        self.0.get(id as usize).copied()
    }
}

/// The reason why a string in a file is not an alphabet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlphabetError {
    Empty,
    /// The second of these characters, at this index, is not above the first.
    Unsorted(char, char, usize),
}

impl fmt::Display for AlphabetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => write!(
                f,
                "a tokenizer needs at least one character, found none; the file it came from is damaged"
            ),
            Self::Unsorted(before, after, at) => write!(
                f,
                "a tokenizer's characters must be distinct and sorted by code point, found {} after {} \
                 at place {at}; the file it came from is damaged",
                CodePoint(*after),
                CodePoint(*before)
            ),
        }
    }
}

impl std::error::Error for AlphabetError {}

impl TryFrom<String> for Alphabet {
    type Error = AlphabetError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let chars: Vec<char> = text.chars().collect();
        let unsorted = chars.windows(2).position(|pair| pair[0] >= pair[1]);
        match unsorted {
            Some(at) => Err(AlphabetError::Unsorted(chars[at], chars[at + 1], at + 1)),
            None if chars.is_empty() => Err(AlphabetError::Empty),
            None => Ok(Self(chars)),
        }
    }
}

impl From<Alphabet> for String {
    fn from(alphabet: Alphabet) -> Self {
        alphabet.0.into_iter().collect()
    }
}

/// A character, displayed as in error messages: `'é' (U+00E9)`, `'\n' (U+000A)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePoint(pub char);

impl fmt::Display for CodePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}' (U+{:04X})", self.0.escape_debug(), self.0 as u32)
    }
}
