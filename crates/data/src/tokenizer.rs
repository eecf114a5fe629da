//! Text to tokens and back. Nothing is mapped silently: what a tokenizer does not know, it names.

mod stream;
mod table;

use std::{collections::BTreeSet, fmt, iter};

use gptlab_model::Choice;
use gptlab_recipe::{Alphabet, CodePoint, LINE_ENDS, TokenizerKind, TokenizerSpec};
use serde::{Deserialize, Serialize};

use self::{stream::Utf8Stream, table::TokenTable};
use crate::{Fingerprint, tokens::Tokens};

pub use stream::StreamDecoder;

/// Turns text into tokens and back, as its [`TokenizerSpec`] says. Checkpoints hold the spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TokenizerSpec", into = "TokenizerSpec")]
pub struct Tokenizer {
    spec: TokenizerSpec,
    table: TokenTable,
}

impl From<TokenizerSpec> for Tokenizer {
    fn from(spec: TokenizerSpec) -> Self {
        let mut table = TokenTable::default();
        for c in spec.alphabet().chars() {
            table.push(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        match spec.kind() {
            TokenizerKind::Chars => {}
            TokenizerKind::Lines => table.push(b"\n"),
        }
        Self { spec, table }
    }
}

impl From<Tokenizer> for TokenizerSpec {
    fn from(tokenizer: Tokenizer) -> Self {
        tokenizer.spec
    }
}

/// The documents of `text`: its lines, stripped of white space at both ends, without the empty
/// ones.
pub(crate) fn documents(text: &str) -> impl Iterator<Item = &str> {
    text.split(LINE_ENDS)
        .map(str::trim)
        .filter(|d| !d.is_empty())
}

impl Tokenizer {
    /// A tokenizer of the characters that `text` holds, or `None` where it holds none.
    pub fn fit(kind: TokenizerKind, text: &str) -> Option<Self> {
        let chars = match kind {
            TokenizerKind::Chars => Alphabet::of([text]),
            TokenizerKind::Lines => Alphabet::of(documents(text)),
        }?;
        let spec = TokenizerSpec::new(kind, chars).ok()?;
        Some(Self::from(spec))
    }

    /// Returns what this tokenizer is, as plain data.
    pub fn spec(&self) -> &TokenizerSpec {
        &self.spec
    }

    pub fn kind(&self) -> TokenizerKind {
        self.spec.kind()
    }

    /// The characters it knows; a character's token is its place among them.
    pub fn alphabet(&self) -> &Alphabet {
        self.spec.alphabet()
    }

    /// How many tokens there are: one per character, and one more for documents.
    pub fn vocab_size(&self) -> usize {
        self.table.len()
    }

    /// The token that stands before and after every document, where text is cut into documents.
    pub fn bos(&self) -> Option<u32> {
        match self.kind() {
            TokenizerKind::Chars => None,
            TokenizerKind::Lines => Some(self.alphabet().len() as u32),
        }
    }

    /// The tokens of `text`, one per character.
    ///
    /// # Errors
    /// Names every character it does not know.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, UnknownCharacters> {
        let mut tokens = Vec::with_capacity(text.len());
        self.encode_into(text, |t| tokens.push(t))?;
        Ok(tokens)
    }

    /// The tokens to begin generating from: those of `text`, after a [`Tokenizer::bos`] where there
    /// is one. Never empty: without text or BOS it is a line break where that is known, else token
    /// 0.
    ///
    /// # Errors
    /// Names every character it does not know.
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, UnknownCharacters> {
        let mut tokens: Vec<u32> = self.bos().into_iter().collect();
        self.encode_into(text, |t| tokens.push(t))?;
        if tokens.is_empty() {
            tokens.push(self.alphabet().id('\n').unwrap_or(0));
        }
        Ok(tokens)
    }

    /// The text of `tokens`: [`Tokenizer::encode`]'s inverse. Bytes that are no text are U+FFFD.
    ///
    /// # Errors
    /// For a token outside the vocabulary.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, DecodeError> {
        let (mut stream, mut text) = (Utf8Stream::default(), String::new());
        for token in tokens {
            let bytes = self.token_bytes(*token).ok_or(DecodeError {
                token: *token,
                vocab_size: self.vocab_size(),
            })?;
            text += stream.push(bytes);
        }
        text += stream.finish();
        Ok(text)
    }

    /// The bytes of text that `token` stands for; `None` of a token outside the vocabulary. A BOS
    /// stands for the line break whose place it takes.
    pub fn token_bytes(&self, token: u32) -> Option<&[u8]> {
        self.table.get(token)
    }

    /// What tables call `token`: the text that it stands for; where that is no whole character, its
    /// bytes in hexadecimal, `<0xE3>`; its number where it is outside the vocabulary. The text may
    /// hold a character that a terminal obeys.
    pub fn label(&self, token: u32) -> String {
        let Some(bytes) = self.token_bytes(token) else {
            return token.to_string();
        };
        match str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| format!("<0x{byte:02X}>")).collect(),
        }
    }

    /// Which tokenizer this is: the SHA-256 of its kind's name, a zero byte, and its characters.
    pub fn fingerprint(&self) -> Fingerprint {
        let text: String = iter::chain(self.kind().name().chars(), ['\0'])
            .chain(self.alphabet().chars().iter().copied())
            .collect();
        Fingerprint::of(text.as_bytes())
    }

    /// Hands every token of `text` to `push`, in order, until a character is unknown.
    fn encode_into(&self, text: &str, mut push: impl FnMut(u32)) -> Result<(), UnknownCharacters> {
        let (ids, bos) = (self.alphabet().ids(), self.bos());
        for c in text.chars() {
            match ids(c).or(bos.filter(|_| c == '\n')) {
                Some(token) => push(token),
                None => return Err(self.unknown_in(text)),
            }
        }
        Ok(())
    }

    /// [`Tokenizer::encode`] into compact tokens.
    pub(crate) fn tokenize(&self, text: &str) -> Result<Tokens, UnknownCharacters> {
        let mut tokens = Tokens::with_capacity(self.vocab_size(), text.len());
        self.encode_into(text, |t| tokens.push(t))?;
        Ok(tokens)
    }

    fn unknown_in(&self, text: &str) -> UnknownCharacters {
        let (ids, is_bos) = (self.alphabet().ids(), |c| c == '\n' && self.bos().is_some());
        let mut seen = BTreeSet::new();
        let found: Vec<char> = text
            .chars()
            .filter(|c| ids(*c).is_none() && !is_bos(*c) && seen.insert(*c))
            .collect();
        UnknownCharacters {
            characters: found,
            known: self.alphabet().len(),
        }
    }
}

/// The characters of a text that a tokenizer does not know, each once, in the order they were met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCharacters {
    pub characters: Vec<char>,
    /// How many characters the tokenizer knows.
    pub known: usize,
}

/// A sentence names no more characters than this.
const MOST_NAMED: usize = 8;

impl fmt::Display for UnknownCharacters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.characters.len();
        let named: Vec<String> = self
            .characters
            .iter()
            .take(MOST_NAMED)
            .map(|c| CodePoint(*c).to_string())
            .collect();
        write!(
            f,
            "the tokenizer knows {} character{} and not {}",
            self.known,
            if self.known == 1 { "" } else { "s" },
            named.join(", ")
        )?;
        if count > MOST_NAMED {
            write!(f, " and {} more", count - MOST_NAMED)?;
        }
        write!(
            f,
            "; leave {} out, or train on a text that holds {}",
            if count == 1 { "it" } else { "them" },
            if count == 1 { "it" } else { "them" }
        )
    }
}

impl std::error::Error for UnknownCharacters {}

/// A token that a tokenizer does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub token: u32,
    pub vocab_size: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tokenizer has {} tokens (0 to {}) and none numbered {}; the tokens come from \
             another tokenizer",
            self.vocab_size,
            self.vocab_size.saturating_sub(1),
            self.token
        )
    }
}

impl std::error::Error for DecodeError {}
