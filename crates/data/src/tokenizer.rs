//! Tokenizers, which encode text as tokens and decode it. Unknown characters are errors and are
//! never replaced silently.

mod error;
mod stream;
mod table;

use std::{collections::BTreeSet, iter};

use gptlab_model::Choice;
use gptlab_recipe::{
    Alphabet, Documents, LINE_ENDS, Tokenization, TokenizerSpec, Vocabulary, VocabularyKind,
};
use serde::{Deserialize, Serialize};

use self::{stream::Utf8Stream, table::TokenTable};
use crate::{Fingerprint, TokenStore, tokens::Tokens};

pub use error::{DecodeError, UnknownCharacters};
pub use stream::StreamDecoder;

/// Encodes text as tokens and decodes it, as defined by its [`TokenizerSpec`], which checkpoints
/// store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TokenizerSpec", into = "TokenizerSpec")]
pub struct Tokenizer {
    spec: TokenizerSpec,
    /// The text of each token; the token between documents is the last.
    table: TokenTable,
    /// The tokens of the ASCII characters.
    ascii: Vec<Option<u32>>,
}

impl From<TokenizerSpec> for Tokenizer {
    fn from(spec: TokenizerSpec) -> Self {
        let mut table = TokenTable::default();
        match spec.vocabulary() {
            Vocabulary::Chars(alphabet) => {
                for c in alphabet.chars() {
                    table.push(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
            Vocabulary::Bytes => (0..=u8::MAX).for_each(|byte| table.push(&[byte])),
        }
        if let Some(separator) = spec.documents().separator() {
            table.push(separator.as_bytes());
        }
        let ascii = match spec.vocabulary() {
            Vocabulary::Chars(alphabet) => ('\0'..='\x7F').map(|c| alphabet.id(c)).collect(),
            Vocabulary::Bytes => (0..=0x7F).map(Some).collect(),
        };
        Self { spec, table, ascii }
    }
}

impl From<Tokenizer> for TokenizerSpec {
    fn from(tokenizer: Tokenizer) -> Self {
        tokenizer.spec
    }
}

/// Returns the documents of `text`, stripped of white space at both ends, without the empty ones.
/// If the text is one sequence, it is the only document and stays unchanged.
pub(crate) fn documents<'a>(
    text: &'a str,
    cut: &'a Documents,
) -> Box<dyn Iterator<Item = &'a str> + 'a> {
    let stripped = |piece: &'a str| Some(piece.trim()).filter(|d| !d.is_empty());
    match cut {
        Documents::Text => Box::new(iter::once(text)),
        Documents::Lines => Box::new(text.split(LINE_ENDS).filter_map(stripped)),
        Documents::Separator(separator) => {
            Box::new(text.split(separator.as_str()).filter_map(stripped))
        }
    }
}

/// Formats bytes as `<0xE7><0x8C>`, in the notation of `SentencePiece`.
fn hexadecimal(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|b| format!("<0x{b:02X}>")).collect();
    bytes.concat()
}

impl Tokenizer {
    /// Fits a tokenizer to the documents of `text`. Returns `None` if they are empty.
    pub fn fit(tokenization: impl Into<Tokenization>, text: &str) -> Option<Self> {
        let Tokenization {
            vocabulary,
            documents: cut,
        } = tokenization.into();
        let vocabulary = match vocabulary {
            VocabularyKind::Chars => Vocabulary::Chars(Alphabet::of(documents(text, &cut))?),
            VocabularyKind::Bytes => {
                documents(text, &cut).find(|document| !document.is_empty())?;
                Vocabulary::Bytes
            }
        };
        TokenizerSpec::new(vocabulary, cut).ok().map(Self::from)
    }

    /// Returns the specification of this tokenizer, as plain data.
    pub fn spec(&self) -> &TokenizerSpec {
        &self.spec
    }

    /// Returns the options that would fit a tokenizer of this kind.
    pub fn tokenization(&self) -> Tokenization {
        self.spec.tokenization()
    }

    /// Returns the number of tokens: those of the vocabulary, and one more for documents.
    pub fn vocab_size(&self) -> usize {
        self.table.len()
    }

    /// Returns the token before and after every document, if text is split into documents.
    pub fn bos(&self) -> Option<u32> {
        let last = self.vocab_size() as u32 - 1;
        self.separator().map(|_| last)
    }

    /// Encodes `text` as tokens. The separator between documents becomes a [`Tokenizer::bos`].
    ///
    /// # Errors
    /// Returns an error that names all unknown characters, if there are any.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, UnknownCharacters> {
        let mut tokens = Vec::with_capacity(text.len());
        self.encode_into(text, |t| tokens.push(t))?;
        Ok(tokens)
    }

    /// Returns the tokens to generate from: those of `text`, after a [`Tokenizer::bos`] if there is
    /// one. There is always at least one token: without text or BOS, it is a line break if that is
    /// known, otherwise token 0.
    ///
    /// # Errors
    /// Returns the errors of [`Tokenizer::encode`].
    pub fn prompt(&self, text: &str) -> Result<Vec<u32>, UnknownCharacters> {
        let mut tokens: Vec<u32> = self.bos().into_iter().collect();
        self.encode_into(text, |t| tokens.push(t))?;
        if tokens.is_empty() {
            tokens.push(self.ascii[usize::from(b'\n')].unwrap_or(0));
        }
        Ok(tokens)
    }

    /// Decodes `tokens` into text; the inverse of [`Tokenizer::encode`]. Bytes that are not UTF-8
    /// become U+FFFD.
    ///
    /// # Errors
    /// Returns an error if a token is outside the vocabulary.
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

    /// Returns the bytes of text that `token` represents; `None` for a token outside the
    /// vocabulary. A BOS represents the separator that it replaces.
    pub fn token_bytes(&self, token: u32) -> Option<&[u8]> {
        self.table.get(token)
    }

    /// Returns the label of `token` in tables: its text; or its bytes in hexadecimal, such as
    /// `<0xE3>`, if they are not whole characters; or its number if it is outside the vocabulary.
    /// The text may contain a control character that a terminal interprets.
    pub fn label(&self, token: u32) -> String {
        let Some(bytes) = self.token_bytes(token) else {
            return token.to_string();
        };
        match str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => hexadecimal(bytes),
        }
    }

    /// Returns a fingerprint of the tokenizer: the SHA-256 of its kind's name, a zero byte, and its
    /// characters. If documents are not those that the kind implies, a zero byte and their form
    /// follow.
    pub fn fingerprint(&self) -> Fingerprint {
        let meant = self.tokenization();
        let mut text = format!("{}\0", meant.kind().name());
        match self.spec.vocabulary() {
            Vocabulary::Chars(alphabet) => text.extend(alphabet.chars()),
            Vocabulary::Bytes => {}
        }
        if let Some(documents) = meant.other_documents() {
            text.push('\0');
            text += &documents.to_string();
        }
        Fingerprint::of(text.as_bytes())
    }

    /// Returns the number of characters that start in `token`.
    pub(crate) fn characters(&self, token: u32) -> usize {
        self.table.characters(token)
    }

    /// Encodes `text`, as [`Tokenizer::encode`] does, into compact tokens.
    pub(crate) fn tokenize(&self, text: &str) -> Result<Tokens, UnknownCharacters> {
        let mut tokens = Tokens::with_capacity(self.vocab_size(), text.len());
        self.encode_into(text, |t| tokens.push(t))?;
        Ok(tokens)
    }

    /// Encodes `documents` with `bos` before and after each, and returns the positions of each
    /// `bos`.
    pub(crate) fn tokenize_documents(
        &self,
        documents: &[&str],
        bos: u32,
    ) -> Result<(Tokens, Vec<usize>), UnknownCharacters> {
        let bytes: usize = documents.iter().map(|d| d.len() + 1).sum();
        let mut tokens = Tokens::with_capacity(self.vocab_size(), bytes + 1);
        let mut starts = vec![0];
        tokens.push(bos);
        for document in documents {
            let known = self.encode_piece(document, &mut |t| tokens.push(t));
            known.ok_or_else(|| self.unknown_in(documents.iter().copied()))?;
            starts.push(tokens.len());
            tokens.push(bos);
        }
        Ok((tokens, starts))
    }

    /// Returns the text between documents.
    fn separator(&self) -> Option<&str> {
        self.spec.documents().separator()
    }

    /// Calls `push` with every token of `text`, in order, until a character is unknown.
    fn encode_into(&self, text: &str, mut push: impl FnMut(u32)) -> Result<(), UnknownCharacters> {
        for (i, piece) in self.pieces(text).enumerate() {
            if let Some(bos) = self.bos().filter(|_| i > 0) {
                push(bos);
            }
            self.encode_piece(piece, &mut push)
                .ok_or_else(|| self.unknown_in(self.pieces(text)))?;
        }
        Ok(())
    }

    /// Splits all of `text` at its separators.
    fn pieces<'a>(&'a self, text: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        match self.separator() {
            Some(separator) => Box::new(text.split(separator)),
            None => Box::new(iter::once(text)),
        }
    }

    /// Calls `push` with every token of `piece`, which contains no separator; `None` if a character
    /// is unknown.
    fn encode_piece(&self, piece: &str, push: &mut impl FnMut(u32)) -> Option<()> {
        match self.spec.vocabulary() {
            Vocabulary::Chars(alphabet) => piece
                .chars()
                .try_for_each(|c| self.id(alphabet, c).map(&mut *push)),
            Vocabulary::Bytes => {
                piece.bytes().for_each(|byte| push(byte.into()));
                Some(())
            }
        }
    }

    /// Returns the token of a character, if `alphabet` is the vocabulary.
    fn id(&self, alphabet: &Alphabet, c: char) -> Option<u32> {
        match self.ascii.get(c as usize) {
            Some(id) => *id,
            None => alphabet.id(c),
        }
    }

    /// Returns the unknown characters of `pieces`, of which there are none in a byte vocabulary.
    fn unknown_in<'a>(&self, pieces: impl Iterator<Item = &'a str>) -> UnknownCharacters {
        let mut seen = BTreeSet::new();
        let (known, characters) = match self.spec.vocabulary() {
            Vocabulary::Chars(alphabet) => {
                let unknown = |c: &char| self.id(alphabet, *c).is_none() && seen.insert(*c);
                let found = pieces.flat_map(str::chars).filter(unknown).collect();
                (alphabet.len(), found)
            }
            Vocabulary::Bytes => (self.vocab_size(), Vec::new()),
        };
        UnknownCharacters { characters, known }
    }
}
