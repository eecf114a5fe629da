//! What each token stands for.

/// The text of every token of a vocabulary, by its id.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct TokenTable {
    /// The bytes of all tokens, one after the other.
    bytes: Vec<u8>,
    /// Where each token's bytes end.
    ends: Vec<usize>,
    /// How many characters each token begins.
    characters: Vec<u32>,
}

impl TokenTable {
    /// Appends a token that stands for `bytes`; its id is how many there were.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.ends.push(self.bytes.len());
        let begun = bytes.iter().filter(|byte| begins_character(**byte)).count();
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

    /// How many characters `token` begins: those that it ends alone are another's.
    pub(super) fn characters(&self, token: u32) -> usize {
        self.characters
            .get(token as usize)
            .map_or(0, |n| *n as usize)
    }
}

/// Whether a character of UTF-8 may begin with `byte`: any but the later bytes, which are
/// 0b10xxxxxx (RFC 3629).
fn begins_character(byte: u8) -> bool {
    byte & 0b1100_0000 != 0b1000_0000
}
