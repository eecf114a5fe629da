//! A capital letter, filler, a colon, and the capital's small letter.
//!
//! The filler uses other letters and has any length, so that only the capital determines the last
//! letter.

use gptlab_model::random::Cursor;

use super::{IdealLoss, Predicted, TextGenerator, length::Length, letter, plain, skilled};

const COLON: char = ':';

pub(super) struct Agreement {
    /// The number of capitals: `A`, `B`, …
    pub(super) markers: usize,
    /// The number of letters that filler consists of: `s`, `t`, …
    pub(super) fillers: usize,
    pub(super) length: Length,
}

impl Agreement {
    /// The default generator, whose documents have at most 59 characters.
    pub(super) const USUAL: Self = Self {
        markers: 8,
        fillers: 8,
        length: Length { least: 8, most: 56 },
    };

    /// Returns the length of the filler of `document`; `None` if it is not of this form.
    fn filler(&self, document: &[char]) -> Option<usize> {
        let [marker, filler @ .., colon, last] = document else {
            return None;
        };
        let among = |c: &char, first: u8, n: usize| (0..n).any(|i| letter(first, i) == *c);
        let right = among(marker, b'A', self.markers)
            && filler.iter().all(|c| among(c, b's', self.fillers))
            && self.length.contains(filler.len())
            && *colon == COLON
            && *last == marker.to_ascii_lowercase();
        right.then_some(filler.len())
    }
}

impl TextGenerator for Agreement {
    fn draw(&self, cursor: &mut Cursor) -> String {
        let marker = letter(b'A', cursor.below(self.markers));
        let n = self.length.draw(cursor);
        let filler: String = (0..n)
            .map(|_| letter(b's', cursor.below(self.fillers)))
            .collect();
        format!("{marker}{filler}{COLON}{}", marker.to_ascii_lowercase())
    }

    fn ideal(&self, document: &str) -> Option<Vec<Predicted>> {
        let n = self.filler(&document.chars().collect::<Vec<_>>())?;
        let marker = plain((self.markers as f64).ln());
        let surprisal = (self.fillers as f64).ln();
        let filler = (0..n).map(|i| plain(self.length.continues(i) + surprisal));
        let end = [plain(self.length.ends(n)), skilled(0.0), plain(0.0)];
        Some([marker].into_iter().chain(filler).chain(end).collect())
    }

    fn ideal_loss(&self) -> IdealLoss {
        let filler = self.length.mean(|n| n as f64);
        let letters = (self.markers as f64).ln() + filler * (self.fillers as f64).ln();
        IdealLoss {
            nats_per_document: letters + self.length.entropy(),
            tokens_per_document: filler + 4.0,
            skill_nats_per_document: 0.0,
            skill_tokens_per_document: 1.0,
            error: 0.0,
        }
    }
}
