//! A string of random letters, a bar, and the same string.
//!
//! Before the bar, all letters are equally likely whatever precedes them, so that only copying
//! reaches the lowest loss. After the bar, every token is what followed the same letter before it:
//! the bar is followed by the first letter, and the last letter by the end.

use gptlab_model::random::Cursor;

use super::{IdealLoss, Predicted, TextGenerator, length::Length, letter, plain, skilled};

pub(super) const BAR: char = '|';

pub(super) struct CopyTask {
    /// The number of letters in the alphabet.
    pub(super) letters: usize,
    pub(super) length: Length,
}

impl CopyTask {
    /// The default generator, whose documents have at most 41 characters.
    pub(super) const USUAL: Self = Self {
        letters: 26,
        length: Length { least: 8, most: 20 },
    };

    /// Returns the information of a letter of a string, in nats.
    fn surprisal(&self) -> f64 {
        (self.letters as f64).ln()
    }

    /// Returns whether `string` can precede the bar.
    fn makes(&self, string: &[char]) -> bool {
        let known = |c: &char| (0..self.letters).any(|n| letter(b'a', n) == *c);
        self.length.contains(string.len()) && string.iter().all(known)
    }
}

impl TextGenerator for CopyTask {
    fn draw(&self, cursor: &mut Cursor) -> String {
        let n = self.length.draw(cursor);
        let string: String = (0..n)
            .map(|_| letter(b'a', cursor.below(self.letters)))
            .collect();
        format!("{string}{BAR}{string}")
    }

    fn ideal(&self, document: &str) -> Option<Vec<Predicted>> {
        let (string, again) = document.split_once(BAR)?;
        let letters: Vec<char> = string.chars().collect();
        if string != again || !self.makes(&letters) {
            return None;
        }
        let n = letters.len();
        let first = (0..n).map(|i| plain(self.length.continues(i) + self.surprisal()));
        let bar = plain(self.length.ends(n));
        let second = (0..=n).map(|_| skilled(0.0));
        Some(first.chain([bar]).chain(second).collect())
    }

    fn ideal_loss(&self) -> IdealLoss {
        let letters = self.length.mean(|n| n as f64);
        IdealLoss {
            nats_per_document: self.length.entropy() + letters * self.surprisal(),
            tokens_per_document: 2.0 * letters + 2.0,
            skill_nats_per_document: 0.0,
            skill_tokens_per_document: letters + 1.0,
            error: 0.0,
        }
    }
}
