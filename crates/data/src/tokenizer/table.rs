//! The text of each token.

/// The text of every token of a vocabulary, by id.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct TokenTable {
    /// The bytes of all tokens, concatenated.
    bytes: Vec<u8>,
    /// The end of each token's bytes.
    ends: Vec<usize>,
    /// The number of characters that start in each token.
    characters: Vec<u32>,
}

impl TokenTable {
    /// Appends a token that represents `bytes`; its id is the number of tokens before.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        let begun = bytes.iter().filter(|byte| starts_character(**byte)).count();
        self.characters.push(begun as u32);
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, token: u32) -> Option<&[u8]> {
        let token = token as usize;
        let end = *self.ends.get(token)?;
        let start = token.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }

    /// Returns the number of characters that start in `token`. Characters that only end in it
    /// belong to another token.
    pub(super) fn characters(&self, token: u32) -> usize {
        self.characters
            .get(token as usize)
            .map_or(0, |n| *n as usize)
    }
}

/// Returns whether a UTF-8 character may start with `byte`, which is true for all but continuation
/// bytes, 0b10xxxxxx (RFC 3629).
fn starts_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}
