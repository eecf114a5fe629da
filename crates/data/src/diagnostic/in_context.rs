//! Letters from a bigram table that every document draws anew, so that the successors of a letter
//! must be learned from the document itself (Akyürek et al. 2024, "In-context language learning:
//! architectures and algorithms"; with this prior Edelman et al. 2024, "The evolution of
//! statistical induction heads").
//!
//! A row of the table is drawn from a symmetric Dirichlet distribution over the other letters; no
//! letter follows itself. Drawing letters from Pólya's urn, in which each letter has a weight of 1
//! and [`InContext::again`] more for each earlier draw, gives the same distribution over documents
//! and needs only integers. The ideal predictor's probabilities are therefore the urn's.

use gptlab_model::random::Cursor;

use super::{IdealLoss, Predicted, TextGenerator, letter, plain};

pub(super) struct InContext {
    /// The number of letters: `a`, `b`, …
    pub(super) letters: usize,
    pub(super) length: usize,
    /// The weight that an occurrence adds to a letter: 1 over Dirichlet's parameter.
    pub(super) again: usize,
}

/// The weights of each letter's successors.
struct Urns {
    weights: Vec<Vec<usize>>,
    again: usize,
}

impl Urns {
    fn of(recipe: &InContext) -> Self {
        let row = |from: usize| {
            (0..recipe.letters)
                .map(|to| usize::from(to != from))
                .collect()
        };
        Self {
            weights: (0..recipe.letters).map(row).collect(),
            again: recipe.again,
        }
    }

    fn total(&self, from: usize) -> usize {
        self.weights[from].iter().sum()
    }

    /// Returns whether a letter has been drawn from the urn of `from`.
    fn was_read(&self, from: usize) -> bool {
        self.total(from) >= self.weights.len()
    }

    /// Returns the letter that covers position `drawn` of the urn's total weight.
    fn letter_of(&self, from: usize, drawn: usize) -> usize {
        let mut below = 0;
        let holds = |weight: &usize| {
            below += weight;
            drawn < below
        };
        self.weights[from].iter().position(holds).unwrap_or(0)
    }

    /// Returns the surprisal, in nats, of `to` following `from`; `None` if it cannot.
    fn surprisal(&self, from: usize, to: usize) -> Option<f64> {
        let weight = self.weights[from][to];
        (weight > 0).then(|| (self.total(from) as f64 / weight as f64).ln())
    }

    fn put(&mut self, from: usize, to: usize) {
        self.weights[from][to] += self.again;
    }
}

impl InContext {
    /// The default generator, with Dirichlet's parameter at 1/5. A row has an entropy of about 0.94
    /// nats, compared with 1.95 for seven equally likely letters.
    pub(super) const USUAL: Self = Self {
        letters: 8,
        length: 127,
        again: 5,
    };

    fn ids(&self, document: &str) -> Option<Vec<usize>> {
        let id = |c: char| (0..self.letters).find(|n| letter(b'a', *n) == c);
        let ids: Vec<usize> = document.chars().map(id).collect::<Option<_>>()?;
        (ids.len() == self.length).then_some(ids)
    }
}

impl TextGenerator for InContext {
    fn draw(&self, cursor: &mut Cursor) -> String {
        let mut urns = Urns::of(self);
        let mut last = cursor.below(self.letters);
        let mut text = String::from(letter(b'a', last));
        for _ in 1..self.length {
            let next = urns.letter_of(last, cursor.below(urns.total(last)));
            urns.put(last, next);
            text.push(letter(b'a', next));
            last = next;
        }
        text
    }

    fn ideal(&self, document: &str) -> Option<Vec<Predicted>> {
        let ids = self.ids(document)?;
        let mut urns = Urns::of(self);
        let mut all = vec![plain((self.letters as f64).ln())];
        for pair in ids.windows(2) {
            let (from, to) = (pair[0], pair[1]);
            let nats = urns.surprisal(from, to)?;
            all.push(Predicted {
                nats,
                skill: urns.was_read(from),
            });
            urns.put(from, to);
        }
        all.push(plain(0.0));
        Some(all)
    }

    /// The number of visits to a row depends on what was drawn from it, so the expectation is not a
    /// short sum. These are means over a million documents of seed 0 of [`InContext::USUAL`]:
    /// `cargo test --release -p gptlab-data measure_in_context -- --ignored --nocapture`.
    fn ideal_loss(&self) -> IdealLoss {
        IdealLoss {
            nats_per_document: 155.217,
            tokens_per_document: 128.0,
            skill_nats_per_document: 137.849,
            skill_tokens_per_document: 118.143,
            error: 0.023,
        }
    }
}
