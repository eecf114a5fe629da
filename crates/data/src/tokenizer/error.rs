//! The errors of tokenizers.

use std::fmt;

use gptlab_recipe::{CodePoint, words::plural_s};

/// The characters of a text that a tokenizer does not know, each once, in the order of their first
/// occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCharacters {
    /// The unknown characters.
    pub characters: Vec<char>,
    /// The number of characters that the tokenizer knows.
    pub known: usize,
}

/// The largest number of characters that the message names.
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

/// The error of a token outside the vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    pub token: u32,
    pub vocab_size: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the tokenizer has {} token{} (0 to {}) and none numbered {}; the tokens come from \
             another tokenizer",
            self.vocab_size,
            plural_s(self.vocab_size as u64),
            self.vocab_size.saturating_sub(1),
            self.token
        )
    }
}

impl std::error::Error for DecodeError {}
