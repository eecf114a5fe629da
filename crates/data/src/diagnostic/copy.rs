//! Letters drawn at random, a bar, the same letters.
//!
//! Before the bar nothing helps: a letter is as likely as any other, whatever came before, so that
//! the best loss is reached by copying and by nothing else. After the bar every token follows from
//! what followed the same letters before it; the bar's successor is the first letter, and the last
//! letter's is the end.

use gptlab_model::random::Cursor;

use super::{IdealLoss, Predicted, TextGenerator, length::Length, letter, plain, skilled};

pub(super) const BAR: char = '|';

pub(super) struct CopyTask {
    /// How many letters there are to choose from.
    pub(super) letters: usize,
    pub(super) length: Length,
}

impl CopyTask {
    /// At most 41 characters.
    pub(super) const USUAL: Self = Self {
        letters: 26,
        length: Length { least: 8, most: 20 },
    };

    /// The nats of news in a letter of a string.
    fn news(&self) -> f64 {
        (self.letters as f64).ln()
    }

    /// Whether `string` can stand before the bar.
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
        let first = (0..n).map(|i| plain(self.length.goes_on(i) + self.news()));
        let bar = plain(self.length.ends(n));
        let second = (0..=n).map(|_| skilled(0.0));
        Some(first.chain([bar]).chain(second).collect())
    }

    fn floor(&self) -> IdealLoss {
        let letters = self.length.mean(|n| n as f64);
        IdealLoss {
            nats_per_document: self.length.entropy() + letters * self.news(),
            tokens_per_document: 2.0 * letters + 2.0,
            skill_nats_per_document: 0.0,
            skill_tokens_per_document: letters + 1.0,
            error: 0.0,
        }
    }
}
