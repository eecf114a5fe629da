//! Balanced brackets of several kinds and bounded depth: the language Dyck-(k, D).
//!
//! At every place, all moves that can still lead to a valid end are equally likely: opening a
//! bracket (whose kind is drawn), closing the last open one, or ending. A line ends only when
//! nothing is open and it is long enough, and a bracket is opened only if there is room to close
//! all open ones.

use gptlab_model::random::Cursor;

use super::{IdealLoss, Predicted, TextGenerator, length::Length, plain, skilled};

const KINDS: [(char, char); 4] = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];

pub(super) struct Brackets {
    /// The number of kinds, taken from [`KINDS`].
    pub(super) kinds: usize,
    /// The largest number of open brackets.
    pub(super) depth: usize,
    /// The range of lengths, which must be even numbers.
    pub(super) length: Length,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    Open,
    Close,
    End,
}

impl Brackets {
    pub(super) const USUAL: Self = Self {
        kinds: 4,
        depth: 6,
        length: Length {
            least: 16,
            most: 62,
        },
    };

    /// Returns the possible moves after `read` characters with `open` brackets open.
    fn moves(&self, read: usize, open: usize) -> Vec<Move> {
        // There must be room for this bracket, and for closing it and all open ones.
        let room = read + open + 1 < self.length.most;
        let legal = [
            (Move::Open, open < self.depth && room),
            (Move::Close, open > 0),
            (Move::End, open == 0 && read >= self.length.least),
        ];
        legal
            .into_iter()
            .filter_map(|(m, may)| may.then_some(m))
            .collect()
    }

    /// Returns the ideal prediction of `to`, after `read` characters with `open` brackets open;
    /// `None` if the move is impossible.
    fn predicted(&self, read: usize, open: usize, to: Move) -> Option<Predicted> {
        let moves = self.moves(read, open);
        let surprisal = (moves.len() as f64).ln();
        moves.contains(&to).then(|| match to {
            Move::Open => plain(surprisal + (self.kinds as f64).ln()),
            Move::Close => skilled(surprisal),
            Move::End => plain(surprisal),
        })
    }

    /// Applies `c` to the open brackets, innermost last; `None` if it is out of place.
    fn read(&self, c: char, open: &mut Vec<char>) -> Option<Move> {
        let kind = KINDS[..self.kinds]
            .iter()
            .find(|(o, s)| *o == c || *s == c)?;
        if kind.0 == c {
            open.push(kind.1);
            return Some(Move::Open);
        }
        (open.pop()? == c).then_some(Move::Close)
    }
}

impl TextGenerator for Brackets {
    fn draw(&self, cursor: &mut Cursor) -> String {
        let (mut text, mut open) = (String::new(), Vec::new());
        loop {
            let moves = self.moves(text.len(), open.len());
            match moves[cursor.below(moves.len())] {
                Move::Open => {
                    let (opens, closes) = KINDS[cursor.below(self.kinds)];
                    text.push(opens);
                    open.push(closes);
                }
                Move::Close => text.extend(open.pop()),
                Move::End => return text,
            }
        }
    }

    fn ideal(&self, document: &str) -> Option<Vec<Predicted>> {
        let (mut open, mut all) = (Vec::new(), Vec::new());
        for c in document.chars() {
            let before = open.len();
            let to = self.read(c, &mut open)?;
            all.push(self.predicted(all.len(), before, to)?);
        }
        all.push(self.predicted(all.len(), open.len(), Move::End)?);
        Some(all)
    }

    /// Computes a sum over positions and depths, weighted by the probability of reaching them.
    fn ideal_loss(&self) -> IdealLoss {
        let mut ideal = IdealLoss::NOTHING;
        let mut here = vec![0.0; self.depth + 2];
        here[0] = 1.0;
        for read in 0..=self.length.most {
            here = self.step(read, &here, &mut ideal);
        }
        ideal
    }
}

impl Brackets {
    /// Computes the probabilities of depths after one more character from those after `read`
    /// characters, and adds the ideal predictor's losses on that character to `ideal`.
    fn step(&self, read: usize, here: &[f64], ideal: &mut IdealLoss) -> Vec<f64> {
        let mut next = vec![0.0; here.len()];
        for (open, at) in here.iter().enumerate().filter(|(_, p)| **p > 0.0) {
            let moves = self.moves(read, open);
            let p = at / moves.len() as f64;
            for to in moves {
                match to {
                    Move::Open => next[open + 1] += p,
                    Move::Close => next[open - 1] += p,
                    Move::End => {}
                }
                if let Some(token) = self.predicted(read, open, to) {
                    ideal.add(p, token);
                }
            }
        }
        next
    }
}
