//! How a text becomes tokens, as plain data: what is asked for, and what a file holds.
//!
//! Two choices make a tokenizer, and neither knows the other: its vocabulary, which says what a
//! token is, and how the text is cut into documents. A [`Tokenization`] is both as they are asked
//! for, a [`TokenizerSpec`] both as they were fitted to a text.

mod alphabet;
mod documents;
mod spec;

use std::fmt;

use gptlab_model::{Choice, choices};
use serde::{Deserialize, Serialize};

pub use alphabet::{Alphabet, AlphabetError, CodePoint};
pub use documents::{Documents, DocumentsError, Separator};
pub use spec::{LINE_ENDS, TokenizerSpec, TokenizerSpecError, Vocabulary};

/// What tokens are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VocabularyKind {
    /// The characters that the text holds.
    Chars,
    /// The 256 bytes, of which UTF-8 makes any text.
    Bytes,
}

/// A name for a vocabulary and a way to cut a text: what users type, and what files call a
/// tokenizer. Documents may be cut in another way than the name says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerKind {
    /// A token is a character; the text is one sequence.
    Chars,
    /// A token is a character; each line is a document.
    Lines,
    /// A token is a byte; the text is one sequence.
    Bytes,
}

choices! { TokenizerKind, "tokenizer":
    Chars = "chars", "A token is a character";
    Lines = "lines", "The same, and each line is a document of its own; one longer than the context is cut into pieces";
    Bytes = "bytes", "A token is a byte of the text's UTF-8";
}

impl TokenizerKind {
    /// Returns what tokens are.
    pub fn vocabulary(self) -> VocabularyKind {
        match self {
            Self::Chars | Self::Lines => VocabularyKind::Chars,
            Self::Bytes => VocabularyKind::Bytes,
        }
    }

    /// Returns how a text is cut where nobody says it.
    pub fn documents(self) -> Documents {
        match self {
            Self::Chars | Self::Bytes => Documents::Text,
            Self::Lines => Documents::Lines,
        }
    }
}

/// How a text is to become tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokenization {
    pub vocabulary: VocabularyKind,
    pub documents: Documents,
}

impl From<TokenizerKind> for Tokenization {
    fn from(kind: TokenizerKind) -> Self {
        Self {
            vocabulary: kind.vocabulary(),
            documents: kind.documents(),
        }
    }
}

impl Tokenization {
    /// Returns the name that says the most of it.
    pub fn kind(&self) -> TokenizerKind {
        match (self.vocabulary, &self.documents) {
            (VocabularyKind::Chars, Documents::Lines) => TokenizerKind::Lines,
            (VocabularyKind::Chars, Documents::Text | Documents::Separator(_)) => {
                TokenizerKind::Chars
            }
            (VocabularyKind::Bytes, _) => TokenizerKind::Bytes,
        }
    }

    /// Returns `self` with what is asked for. A tokenizer's name says how a text is cut, unless
    /// that is asked for as well.
    #[must_use]
    pub fn with(self, tokenizer: Option<TokenizerKind>, documents: Option<&Documents>) -> Self {
        let named = tokenizer.map_or(self, Into::into);
        Self {
            documents: documents.cloned().unwrap_or(named.documents),
            ..named
        }
    }

    /// Returns how the text is cut, where that is not what [`Tokenization::kind`] says.
    pub fn other_documents(&self) -> Option<&Documents> {
        Some(&self.documents).filter(|documents| **documents != self.kind().documents())
    }
}

/// `chars`, `lines`, `bytes`, `bytes with documents lines`.
impl fmt::Display for Tokenization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().name())?;
        match self.other_documents() {
            Some(documents) => write!(f, " with documents {documents}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_it_stands_for() {
        for &kind in TokenizerKind::ALL {
            let meant = Tokenization::from(kind);
            assert_eq!((meant.kind(), meant.other_documents()), (kind, None));
            assert_eq!(meant.to_string(), kind.name());
        }
    }

    #[test]
    fn documents_that_are_asked_for_count_more_than_a_name() {
        let [chars, lines] = [TokenizerKind::Chars, TokenizerKind::Lines].map(Tokenization::from);
        let bytes = Some(TokenizerKind::Bytes);
        let by_line = chars.clone().with(bytes, Some(&Documents::Lines));
        assert_eq!(by_line.to_string(), "bytes with documents lines");
        assert_eq!(lines.clone().with(bytes, None).to_string(), "bytes");
        assert_eq!(chars.with(None, Some(&Documents::Lines)), lines);
        assert_eq!(lines.clone().with(None, None), lines);
    }
}
