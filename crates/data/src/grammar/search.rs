//! A search for the derivations of a text, with backtracking.

use std::collections::BTreeMap;

use super::{Grammar, Piece};

/// The pieces that remain to be matched, and those after them.
#[derive(Clone, Copy)]
struct Rest<'a> {
    pieces: &'a [Piece],
    after: Option<&'a Rest<'a>>,
}

/// The kind of text to match.
enum Goal {
    /// One whole text of the grammar.
    Whole,
    /// A stretch of an endless sequence of texts, which may end anywhere and continue after a
    /// text's end. The probability that a new text contributes depends only on the number of bytes
    /// left, so it is memoised by that.
    Stretch { begun: BTreeMap<usize, f64> },
}

struct Search<'g> {
    grammar: &'g Grammar,
    goal: Goal,
    values: Vec<Option<usize>>,
    /// The log-probability of every derivation found.
    found: Vec<f64>,
}

impl Grammar {
    /// Returns the log-probability, in nats, of every derivation of `text`. The result is empty if
    /// the grammar does not produce the text.
    pub(crate) fn derivations(&self, text: &str) -> Vec<f64> {
        let mut search = Search::new(self, Goal::Whole);
        search.go(Some(&self.start()), text, 0.0);
        search.found
    }

    /// Returns the log-probability, in nats, of reading `stretch` from a uniformly drawn position
    /// in an endless sequence of texts; minus infinity if that is impossible.
    pub(crate) fn stretch(&self, stretch: &str) -> f64 {
        let goal = Goal::Stretch {
            begun: BTreeMap::new(),
        };
        let mut search = Search::new(self, goal);
        search.start_anywhere(&self.whole, None, stretch, 0.0);
        log_sum(&search.found) - self.expected_characters().ln()
    }

    fn start(&self) -> Rest<'_> {
        Rest {
            pieces: &self.whole,
            after: None,
        }
    }
}

/// Returns the logarithm of the sum of the numbers whose logarithms are `logs`.
pub(crate) fn log_sum(logs: &[f64]) -> f64 {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if most == f64::NEG_INFINITY {
        return most;
    }
    most + logs.iter().map(|l| (l - most).exp()).sum::<f64>().ln()
}

impl<'g> Search<'g> {
    fn new(grammar: &'g Grammar, goal: Goal) -> Self {
        Self {
            grammar,
            goal,
            values: vec![None; grammar.slots.len()],
            found: Vec::new(),
        }
    }

    /// Matches `text` from every character of every alternative. Everything before it is summed
    /// out, which leaves the probability of reaching it.
    fn start_anywhere(
        &mut self,
        pieces: &[Piece],
        after: Option<&Rest>,
        text: &str,
        log_probability: f64,
    ) {
        for (i, piece) in pieces.iter().enumerate() {
            let next = Rest {
                pieces: &pieces[i + 1..],
                after,
            };
            match piece {
                Piece::Literal(literal) => {
                    self.start_in(literal, &next, text, log_probability);
                }
                Piece::Choice(ways) => {
                    let log_probability = log_probability - (ways.len() as f64).ln();
                    for way in ways {
                        self.start_anywhere(way, Some(&next), text, log_probability);
                    }
                }
                Piece::Mention {
                    slot,
                    form,
                    capital,
                } => {
                    let table = &self.grammar.slots[*slot];
                    let log_probability = log_probability - (table.values.len() as f64).ln();
                    for value in 0..table.values.len() {
                        self.values[*slot] = Some(value);
                        let shown = table.shown(value, *form, *capital);
                        self.start_in(&shown, &next, text, log_probability);
                    }
                    self.values[*slot] = None;
                }
            }
        }
    }

    fn start_in(&mut self, literal: &str, next: &Rest, text: &str, log_probability: f64) {
        for (at, _) in literal.char_indices() {
            self.literal(&literal[at..], next, text, log_probability);
        }
    }

    fn go(&mut self, rest: Option<&Rest>, text: &str, log_probability: f64) {
        let Some(rest) = rest else {
            return self.end(text, log_probability);
        };
        let Some((first, others)) = rest.pieces.split_first() else {
            return self.go(rest.after, text, log_probability);
        };
        let next = Rest {
            pieces: others,
            after: rest.after,
        };
        match first {
            Piece::Literal(literal) => self.literal(literal, &next, text, log_probability),
            Piece::Choice(ways) => {
                let log_probability = log_probability - (ways.len() as f64).ln();
                for way in ways {
                    let inside = Rest {
                        pieces: way,
                        after: Some(&next),
                    };
                    self.go(Some(&inside), text, log_probability);
                }
            }
            Piece::Mention {
                slot,
                form,
                capital,
            } => self.mention((*slot, *form, *capital), &next, text, log_probability),
        }
    }

    fn literal(&mut self, literal: &str, next: &Rest, text: &str, log_probability: f64) {
        match (text.strip_prefix(literal), &self.goal) {
            (Some(""), Goal::Stretch { .. }) => self.found.push(log_probability),
            (Some(text), _) => self.go(Some(next), text, log_probability),
            (None, Goal::Stretch { .. }) if literal.starts_with(text) => {
                self.found.push(log_probability);
            }
            (None, Goal::Stretch { .. } | Goal::Whole) => {}
        }
    }

    fn mention(
        &mut self,
        (slot, form, capital): (usize, usize, bool),
        next: &Rest,
        text: &str,
        log_probability: f64,
    ) {
        let table = &self.grammar.slots[slot];
        let bound = self.values[slot];
        let (tried, cost) = match bound {
            Some(value) => (value..value + 1, 0.0),
            None => (0..table.values.len(), (table.values.len() as f64).ln()),
        };
        for value in tried {
            self.values[slot] = Some(value);
            let shown = table.shown(value, form, capital);
            self.literal(&shown, next, text, log_probability - cost);
        }
        self.values[slot] = bound;
    }

    /// Ends a text of the grammar, with `text` left to match.
    fn end(&mut self, text: &str, log_probability: f64) {
        match &mut self.goal {
            Goal::Whole if text.is_empty() => self.found.push(log_probability),
            Goal::Whole => {}
            Goal::Stretch { begun } => {
                let more = match begun.get(&text.len()) {
                    Some(known) => *known,
                    None => self.begin(text),
                };
                self.found.push(log_probability + more);
            }
        }
    }

    /// Returns the log-probability of texts that start with `text`.
    fn begin(&mut self, text: &str) -> f64 {
        let grammar = self.grammar;
        let fresh = vec![None; grammar.slots.len()];
        let values = std::mem::replace(&mut self.values, fresh);
        let found = std::mem::take(&mut self.found);
        self.go(Some(&grammar.start()), text, 0.0);
        let sum = log_sum(&self.found);
        (self.values, self.found) = (values, found);
        if let Goal::Stretch { begun } = &mut self.goal {
            begun.insert(text.len(), sum);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TOY: &str = "
slot child: name his
Ada | her
Bo | his

rule toy
{child} and {child.his} cat.\\n
Rain.\\n
";

    fn p(stretch: &str) -> f64 {
        Grammar::parse(TOY).unwrap().stretch(stretch).exp()
    }

    /// The probabilities are counted by hand: `Ada and her cat.`, `Bo and his cat.` and `Rain.`
    /// with their line breaks have 17, 16 and 6 characters, with probabilities 1/4, 1/4 and 1/2, so
    /// that the mean length is 11.25 characters.
    #[test]
    fn stretches_have_the_probabilities_counted_by_hand() {
        for (stretch, expected) in [
            ("\n", 1.0),
            ("Rain", 0.5),
            ("R", 0.5),
            ("cat.", 0.5),
            ("her cat.", 0.25),
            ("a", 0.25 * 3.0 + 0.25 * 2.0 + 0.5),
            ("n.\nRain.\nBo", 0.5 * 0.5 * 0.25),
            ("t.\nA", 0.5 * 0.25),
            ("Ada and his", 0.0),
            (" and h", 0.5),
            ("Bo and his cat.\nBo and his cat.\n", 0.0625),
        ] {
            assert!((p(stretch) - expected / 11.25).abs() < 1e-12, "{stretch}");
        }
    }

    /// The probabilities of a stretch's extensions by one character, on either side, sum to its
    /// own.
    #[test]
    fn a_stretch_is_the_sum_of_its_extensions() {
        let letters = "AdaBo ndhercthis.\nRi";
        let distinct: BTreeSet<char> = letters.chars().collect();
        for stretch in ["a", "n", ".\n", " and", "cat.\nRain.\n"] {
            let after: f64 = distinct.iter().map(|c| p(&format!("{stretch}{c}"))).sum();
            let before: f64 = distinct.iter().map(|c| p(&format!("{c}{stretch}"))).sum();
            assert!((after - p(stretch)).abs() < 1e-12, "{stretch}");
            assert!((before - p(stretch)).abs() < 1e-12, "{stretch}");
        }
        assert!((distinct.iter().map(|c| p(&c.to_string())).sum::<f64>() - 1.0).abs() < 1e-12);
    }
}
