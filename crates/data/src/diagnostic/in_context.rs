//! Letters from a table of bigrams that every document draws anew: what follows what has to be
//! learnt from the document itself (Akyürek et al. 2024, "In-context language learning:
//! architectures and algorithms"; with this prior Edelman et al. 2024, "The evolution of
//! statistical induction heads").
//!
//! A row of the table is drawn from a symmetric Dirichlet distribution over the other letters; no
//! letter follows itself. Drawing from the row as Pólya's urn does, each letter with a weight of 1
//! and [`InContext::again`] more for each time it came out, is the same distribution over documents
//! and needs integers alone. The ideal predictor's probabilities are therefore the urn's.

use gptlab_model::random::Cursor;

use super::{IdealLoss, Predicted, TextGenerator, letter, plain};

pub(super) struct InContext {
    /// `a`, `b`, …
    pub(super) letters: usize,
    pub(super) length: usize,
    /// What an occurrence adds to a letter's weight: 1 over Dirichlet's parameter.
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

    /// Whether anything has come out of the urn of `from`.
    fn was_read(&self, from: usize) -> bool {
        self.total(from) >= self.weights.len()
    }

    /// The letter that ticket `drawn` of the urn's total stands for.
    fn letter_of(&self, from: usize, drawn: usize) -> usize {
        let mut below = 0;
        let holds = |weight: &usize| {
            below += weight;
            drawn < below
        };
        self.weights[from].iter().position(holds).unwrap_or(0)
    }

    /// The nats of news that `to` follows `from`; `None` where it cannot.
    fn news(&self, from: usize, to: usize) -> Option<f64> {
        let weight = self.weights[from][to];
        (weight > 0).then(|| (self.total(from) as f64 / weight as f64).ln())
    }

    fn put(&mut self, from: usize, to: usize) {
        self.weights[from][to] += self.again;
    }
}

impl InContext {
    /// Dirichlet's parameter is 1/5: a row has about 0.94 nats of entropy of the 1.95 of seven
    /// equals.
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
            let nats = urns.news(from, to)?;
            all.push(Predicted {
                nats,
                skill: urns.was_read(from),
            });
            urns.put(from, to);
        }
        all.push(plain(0.0));
        Some(all)
    }

    /// How often a row is met depends on what came out of it, so that the expectation is no short
    /// sum. These are means over a million documents of seed 0 of [`InContext::USUAL`]: `cargo test
    /// --release -p gptlab-data measure_in_context -- --ignored --nocapture`.
    fn floor(&self) -> IdealLoss {
        IdealLoss {
            nats_per_document: 155.217,
            tokens_per_document: 128.0,
            skill_nats_per_document: 137.849,
            skill_tokens_per_document: 118.143,
            error: 0.023,
        }
    }
}
