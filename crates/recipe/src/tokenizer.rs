//! How a text becomes tokens, as plain data: the form in which it is requested, and the form in
//! files.
//!
//! Two independent choices make a tokenizer: its vocabulary, which defines the tokens, and the way
//! in which the text is cut into documents. A [`Tokenization`] holds both as they are requested, a
//! [`TokenizerSpec`] holds both as they were fitted to a text.

mod alphabet;
mod documents;
mod spec;

use std::fmt;

use gptlab_model::{Choice, choices};
use serde::{Deserialize, Serialize};

pub use alphabet::{Alphabet, AlphabetError, CodePoint};
pub use documents::{Documents, DocumentsError, Separator};
pub use spec::{LINE_ENDS, TokenizerSpec, TokenizerSpecError, Vocabulary};

/// The kind of tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VocabularyKind {
    /// The tokens are the characters that occur in the text.
    Chars,
    /// The tokens are the 256 bytes; UTF-8 encodes any text with them.
    Bytes,
}

/// A name for a vocabulary and a way to cut a text. Users type it, and files name a tokenizer with
/// it. Documents can be cut in another way than the name implies.
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
    /// Returns the kind of tokens.
    pub fn vocabulary(self) -> VocabularyKind {
        match self {
            Self::Chars | Self::Lines => VocabularyKind::Chars,
            Self::Bytes => VocabularyKind::Bytes,
        }
    }

    /// Returns the way in which a text is cut unless another is requested.
    pub fn documents(self) -> Documents {
        match self {
            Self::Chars | Self::Bytes => Documents::Text,
            Self::Lines => Documents::Lines,
        }
    }
}

/// The rules by which a text will become tokens.
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
    /// Returns the name that implies the most of these rules.
    pub fn kind(&self) -> TokenizerKind {
        match (self.vocabulary, &self.documents) {
            (VocabularyKind::Chars, Documents::Lines) => TokenizerKind::Lines,
            (VocabularyKind::Chars, Documents::Text | Documents::Separator(_)) => {
                TokenizerKind::Chars
            }
            (VocabularyKind::Bytes, _) => TokenizerKind::Bytes,
        }
    }

    /// Returns `self` with the requested changes. A tokenizer's name also sets how a text is cut,
    /// unless `documents` sets it.
    #[must_use]
    pub fn with(self, tokenizer: Option<TokenizerKind>, documents: Option<&Documents>) -> Self {
        let named = tokenizer.map_or(self, Into::into);
        Self {
            documents: documents.cloned().unwrap_or(named.documents),
            ..named
        }
    }

    /// Returns how the text is cut, if it differs from what [`Tokenization::kind`] implies.
    pub fn other_documents(&self) -> Option<&Documents> {
        Some(&self.documents).filter(|documents| **documents != self.kind().documents())
    }
}

/// Writes `chars`, `lines`, `bytes` or `bytes with documents lines`, for example.
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
    fn a_name_sets_vocabulary_and_documents() {
        for &kind in TokenizerKind::ALL {
            let meant = Tokenization::from(kind);
            assert_eq!((meant.kind(), meant.other_documents()), (kind, None));
            assert_eq!(meant.to_string(), kind.name());
        }
    }

    #[test]
    fn requested_documents_override_those_of_the_name() {
        let [chars, lines] = [TokenizerKind::Chars, TokenizerKind::Lines].map(Tokenization::from);
        let bytes = Some(TokenizerKind::Bytes);
        let by_line = chars.clone().with(bytes, Some(&Documents::Lines));
        assert_eq!(by_line.to_string(), "bytes with documents lines");
        assert_eq!(lines.clone().with(bytes, None).to_string(), "bytes");
        assert_eq!(chars.with(None, Some(&Documents::Lines)), lines);
        assert_eq!(lines.clone().with(None, None), lines);
    }
}
