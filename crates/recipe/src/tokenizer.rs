//! How a text becomes tokens, as plain data: what a file holds of a tokenizer.

mod alphabet;

use std::fmt;

use gptlab_model::choices;
use serde::{Deserialize, Serialize};

pub use alphabet::{Alphabet, AlphabetError, CodePoint};

/// How text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerKind {
    /// A token is a character; the text is one sequence.
    Chars,
    /// A line is a document of characters; one more token, the last id, stands before, between and
    /// after documents (microgpt's BOS). As text it is the line break whose place it takes.
    Lines,
}

choices! { TokenizerKind, "tokenizer":
    Chars = "chars", "A token is a character";
    Lines = "lines", "The same, and each line is a document of its own; one longer than the context is cut into pieces";
}

/// The characters that end a line.
pub const LINE_ENDS: [char; 2] = ['\n', '\r'];

/// Everything that tells one tokenizer from another, checked: equal specs make the same tokens of
/// every text. `gptlab-data` makes a tokenizer of it.
///
/// ```
/// use gptlab_recipe::TokenizerSpec;
///
/// let json = r#"{"kind":"chars","chars":"\n abc"}"#;
/// let spec: TokenizerSpec = serde_json::from_str(json)?;
/// assert_eq!(spec.alphabet().len(), 5);
/// assert_eq!(serde_json::to_string(&spec)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct TokenizerSpec {
    kind: TokenizerKind,
    chars: Alphabet,
}

impl TokenizerSpec {
    /// # Errors
    /// When lines are documents and `chars` hold a character that ends a line.
    pub fn new(kind: TokenizerKind, chars: Alphabet) -> Result<Self, LineEndInLines> {
        let inside = LINE_ENDS.into_iter().find(|c| chars.id(*c).is_some());
        match (kind, inside) {
            (TokenizerKind::Lines, Some(c)) => Err(LineEndInLines(c)),
            (TokenizerKind::Lines, None) | (TokenizerKind::Chars, _) => Ok(Self { kind, chars }),
        }
    }

    pub fn kind(&self) -> TokenizerKind {
        self.kind
    }

    /// The characters it knows; a character's token is its place among them.
    pub fn alphabet(&self) -> &Alphabet {
        &self.chars
    }
}

/// The form in JSON: `{"kind":"chars","chars":"\n abc"}`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    kind: TokenizerKind,
    chars: Alphabet,
}

impl From<TokenizerSpec> for Stored {
    fn from(TokenizerSpec { kind, chars }: TokenizerSpec) -> Self {
        Self { kind, chars }
    }
}

impl TryFrom<Stored> for TokenizerSpec {
    type Error = LineEndInLines;

    fn try_from(Stored { kind, chars }: Stored) -> Result<Self, Self::Error> {
        Self::new(kind, chars)
    }
}

/// A character that ends a line, where a tokenizer of lines can have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineEndInLines(char);

impl fmt::Display for LineEndInLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a tokenizer of lines cannot hold the line break {}; the file it came from is damaged",
            CodePoint(self.0)
        )
    }
}

impl std::error::Error for LineEndInLines {}
