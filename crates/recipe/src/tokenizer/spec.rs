//! The spec of a tokenizer that was fitted to a text, as a file holds it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Alphabet, CodePoint, Documents, Tokenization, TokenizerKind, VocabularyKind};

/// The tokens of a tokenizer, without the one that separates documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Vocabulary {
    /// The id of a character is its index in the alphabet.
    Chars(Alphabet),
    /// The id of a byte is its value.
    Bytes,
}

impl Vocabulary {
    /// Returns the kind of tokens.
    pub fn kind(&self) -> VocabularyKind {
        match self {
            Self::Chars(_) => VocabularyKind::Chars,
            Self::Bytes => VocabularyKind::Bytes,
        }
    }
}

/// A checked spec that determines a tokenizer: equal specs turn every text into the same tokens.
/// `gptlab-data` makes a tokenizer from it.
///
/// ```
/// use gptlab_recipe::{TokenizerKind, TokenizerSpec};
///
/// let json = r#"{"kind":"chars","chars":"\n abc"}"#;
/// let spec: TokenizerSpec = serde_json::from_str(json)?;
/// assert_eq!(spec.tokenization(), TokenizerKind::Chars.into());
/// assert_eq!(serde_json::to_string(&spec)?, json);
///
/// let json = r#"{"kind":"bytes","documents":{"separator":"<|endoftext|>"}}"#;
/// let spec: TokenizerSpec = serde_json::from_str(json)?;
/// assert_eq!(spec.documents().separator(), Some("<|endoftext|>"));
/// assert_eq!(serde_json::to_string(&spec)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TokenizerJson", into = "TokenizerJson")]
pub struct TokenizerSpec {
    vocabulary: Vocabulary,
    documents: Documents,
}

/// The characters that end a line.
pub const LINE_ENDS: [char; 2] = ['\n', '\r'];

impl TokenizerSpec {
    /// Makes a spec of a vocabulary and a rule to cut documents.
    ///
    /// # Errors
    /// Returns an error when the vocabulary holds a character that cannot occur in a document.
    pub fn new(vocabulary: Vocabulary, documents: Documents) -> Result<Self, TokenizerSpecError> {
        match &vocabulary {
            Vocabulary::Chars(alphabet) => check(alphabet, &documents)?,
            Vocabulary::Bytes => {}
        }
        Ok(Self {
            vocabulary,
            documents,
        })
    }

    /// Returns the vocabulary.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Returns the rule by which a text is cut into documents.
    pub fn documents(&self) -> &Documents {
        &self.documents
    }

    /// Returns the rules that, if requested, lead to this kind of tokenizer.
    pub fn tokenization(&self) -> Tokenization {
        Tokenization {
            vocabulary: self.vocabulary.kind(),
            documents: self.documents.clone(),
        }
    }
}

/// Refuses characters that end a document.
fn check(alphabet: &Alphabet, documents: &Documents) -> Result<(), TokenizerSpecError> {
    let found = |c: &char| alphabet.id(*c).is_some();
    match documents {
        Documents::Text => Ok(()),
        Documents::Lines => match LINE_ENDS.into_iter().find(found) {
            Some(c) => Err(TokenizerSpecError::LineEnd(c)),
            None => Ok(()),
        },
        Documents::Separator(separator) => {
            let mut chars = separator.as_str().chars();
            match (chars.next().filter(found), chars.next()) {
                (Some(c), None) => Err(TokenizerSpecError::Separator(c)),
                // No document holds a longer separator as a whole, but it can hold each of its
                // characters.
                (Some(_), Some(_)) | (None, _) => Ok(()),
            }
        }
    }
}

/// The form in JSON: `{"kind":"chars","chars":"\n abc"}`. The field `documents` is written only if
/// it differs from what the kind implies.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenizerJson {
    kind: TokenizerKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chars: Option<Alphabet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    documents: Option<Documents>,
}

impl From<TokenizerSpec> for TokenizerJson {
    fn from(spec: TokenizerSpec) -> Self {
        let meant = spec.tokenization();
        Self {
            kind: meant.kind(),
            documents: meant.other_documents().cloned(),
            chars: match spec.vocabulary {
                Vocabulary::Chars(alphabet) => Some(alphabet),
                Vocabulary::Bytes => None,
            },
        }
    }
}

impl TryFrom<TokenizerJson> for TokenizerSpec {
    type Error = TokenizerSpecError;

    fn try_from(stored: TokenizerJson) -> Result<Self, Self::Error> {
        let vocabulary = match (stored.kind.vocabulary(), stored.chars) {
            (VocabularyKind::Chars, Some(alphabet)) => Vocabulary::Chars(alphabet),
            (VocabularyKind::Chars, None) => return Err(TokenizerSpecError::NoCharacters),
            (VocabularyKind::Bytes, None) => Vocabulary::Bytes,
            (VocabularyKind::Bytes, Some(_)) => return Err(TokenizerSpecError::BytesAndCharacters),
        };
        let documents = stored.documents.unwrap_or(stored.kind.documents());
        Self::new(vocabulary, documents)
    }
}

/// The reason why a tokenizer's spec is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenizerSpecError {
    /// Lines are documents, and the vocabulary holds this line break.
    LineEnd(char),
    /// Documents are separated by this character, and the vocabulary holds it.
    Separator(char),
    /// A file names a vocabulary of characters and holds no characters.
    NoCharacters,
    /// A file names a vocabulary of bytes and holds characters.
    BytesAndCharacters,
}

impl fmt::Display for TokenizerSpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineEnd(c) => write!(
                f,
                "a tokenizer of lines cannot hold the line break {}; the file it came from is damaged",
                CodePoint(*c)
            ),
            Self::Separator(c) => write!(
                f,
                "a tokenizer cannot hold {}, which separates its documents; the file it came from is damaged",
                CodePoint(*c)
            ),
            Self::NoCharacters => f.write_str("missing field `chars`"),
            Self::BytesAndCharacters => f.write_str(
                "a tokenizer of bytes has no characters of its own, and the file names some; it is damaged",
            ),
        }
    }
}

impl std::error::Error for TokenizerSpecError {}
