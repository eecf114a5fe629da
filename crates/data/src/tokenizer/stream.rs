//! Decodes tokens that arrive one by one.

use super::Tokenizer;

/// Decodes tokens into text as they arrive.
///
/// A token may contain a part of a character. Such bytes are held back until later tokens complete
/// the character; bytes that cannot become a character become U+FFFD, as in
/// [`String::from_utf8_lossy`]. The concatenation of all pieces equals the result of
/// [`Tokenizer::decode`] for all tokens.
///
/// ```
/// use gptlab_data::{StreamDecoder, Tokenizer};
/// use gptlab_recipe::TokenizerKind;
///
/// let tokenizer = Tokenizer::fit(TokenizerKind::Chars, "cat").expect("a text");
/// let mut decoder = StreamDecoder::new(&tokenizer);
/// assert_eq!(decoder.push(1), "c");
/// assert_eq!(decoder.push(0), "a");
/// assert_eq!(decoder.finish(), "");
/// ```
#[derive(Clone, Debug)]
pub struct StreamDecoder<'a> {
    tokenizer: &'a Tokenizer,
    text: Utf8Stream,
}

impl<'a> StreamDecoder<'a> {
    /// Makes a decoder of the tokens of `tokenizer`.
    pub fn new(tokenizer: &'a Tokenizer) -> Self {
        let text = Utf8Stream::default();
        Self { tokenizer, text }
    }

    /// Returns the text that `token` completes, which may be empty. A token outside the vocabulary
    /// represents nothing.
    pub fn push(&mut self, token: u32) -> &str {
        let bytes = self.tokenizer.token_bytes(token).unwrap_or_default();
        self.text.push(bytes)
    }

    /// Returns the rest after the last token: U+FFFD if a character is incomplete. The decoder is
    /// then reset.
    pub fn finish(&mut self) -> &str {
        self.text.finish()
    }
}

/// Decodes bytes into text as they arrive.
#[derive(Clone, Debug, Default)]
pub(super) struct Utf8Stream {
    /// The start of an incomplete character, at most three bytes.
    held: Vec<u8>,
    /// The text that was completed last.
    whole: String,
}

impl Utf8Stream {
    /// Returns the text that `bytes` complete.
    pub(super) fn push(&mut self, bytes: &[u8]) -> &str {
        self.whole.clear();
        self.held.extend_from_slice(bytes);
        let mut done = 0;
        for chunk in self.held.utf8_chunks() {
            self.whole.push_str(chunk.valid());
            done += chunk.valid().len();
            if chunk.invalid().is_empty() || is_incomplete(&self.held[done..]) {
                break;
            }
            self.whole.push(char::REPLACEMENT_CHARACTER);
            done += chunk.invalid().len();
        }
        self.held.drain(..done);
        &self.whole
    }

    pub(super) fn finish(&mut self) -> &str {
        self.whole.clear();
        if !self.held.is_empty() {
            self.held.clear();
            self.whole.push(char::REPLACEMENT_CHARACTER);
        }
        &self.whole
    }
}

/// Returns whether `bytes`, which are not UTF-8, are the start of an incomplete character.
fn is_incomplete(bytes: &[u8]) -> bool {
    str::from_utf8(bytes)
        .is_err_and(|error| error.error_len().is_none() && error.valid_up_to() == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns all text decoded from `pieces`.
    fn read(pieces: &[&[u8]]) -> String {
        let mut stream = Utf8Stream::default();
        let mut text = String::new();
        for piece in pieces {
            text += stream.push(piece);
        }
        text + stream.finish()
    }

    #[test]
    fn a_character_waits_for_its_last_byte() {
        let mut stream = Utf8Stream::default();
        let cat = "猫".as_bytes();
        assert_eq!(stream.push(b"a"), "a");
        assert_eq!(stream.push(&cat[..1]), "");
        assert_eq!(stream.push(&cat[1..2]), "");
        assert_eq!(stream.push(&cat[2..]), "猫");
        assert_eq!(stream.push(&cat[..2]), "");
        assert_eq!(stream.push(b"b"), "\u{FFFD}b", "it cannot go on");
        assert_eq!(stream.push(&[0xF0]), "");
        assert_eq!(stream.finish(), "\u{FFFD}");
        assert_eq!(stream.finish(), "", "once");
        assert_eq!(stream.push(b"c"), "c", "as new");
    }

    #[test]
    fn a_byte_that_begins_no_character_is_not_waited_for() {
        assert_eq!(Utf8Stream::default().push(&[0xFF]), "\u{FFFD}");
        assert_eq!(Utf8Stream::default().push(&[0x80, b'a']), "\u{FFFD}a");
        assert_eq!(read(&[&[0xE7, 0x8C], "猫".as_bytes()]), "\u{FFFD}猫");
    }

    /// Generates bytes that are often parts of characters.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![
            Just(b'a'),
            0x80..=0xBFu8,
            0xC0..=0xFFu8,
            any::<u8>(),
            Just(0xE7),
            Just(0xF0),
            Just(0x9F),
        ];
        proptest::collection::vec(byte, 0..40)
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_are_what_the_library_makes_of_them(
            bytes in bytes(),
            size in 1usize..5,
        ) {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            prop_assert_eq!(read(&pieces), String::from_utf8_lossy(&bytes));
        }
    }
}
