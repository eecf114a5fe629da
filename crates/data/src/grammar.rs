//! A small language for texts with exactly known probabilities.
//!
//! A grammar is a page of blocks. `slot person: name he his` starts a table, in which a row is a
//! value and a column is a form of it. `rule opening` starts a list of alternatives, all equally
//! likely, in which `<other>` is an alternative of a rule above and `{person.his}` a form of the
//! slot's value (`{person}` the first; `{Person.he}` with a capital). The value of a slot is drawn
//! uniformly where a text first mentions it, and stays the same to the end. The last rule is the
//! whole text. `#` starts a comment.
//!
//! Every choice is uniform and independent of the others, so the probability of a text, the entropy
//! and the expected length are sums over the page and need no estimation.

mod parse;
mod search;

use gptlab_model::random::Cursor;

pub(crate) use search::log_sum;

/// A piece of an alternative.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    /// One of these alternatives, all equally likely.
    Choice(Vec<Vec<Piece>>),
    /// A form (a column) of a slot's value.
    Mention {
        slot: usize,
        form: usize,
        capital: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct SlotInRule {
    name: String,
    forms: Vec<String>,
    /// The values, one row per value and one column per form.
    values: Vec<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grammar {
    slots: Vec<SlotInRule>,
    whole: Vec<Piece>,
}

/// A text and the log-probability of its derivation, in nats.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Derived {
    pub(crate) text: String,
    pub(crate) log_probability: f64,
}

impl Derived {
    /// Draws one of `n` equally likely alternatives.
    fn draw(&mut self, cursor: &mut Cursor, n: usize) -> usize {
        self.log_probability -= (n as f64).ln();
        cursor.below(n)
    }
}

impl SlotInRule {
    fn shown(&self, value: usize, form: usize, capital: bool) -> String {
        let plain = &self.values[value][form];
        let mut chars = plain.chars();
        match chars.next() {
            Some(first) if capital => first.to_uppercase().chain(chars).collect(),
            Some(_) | None => plain.clone(),
        }
    }
}

impl Grammar {
    /// Derives a text with the draws of `cursor`.
    pub(crate) fn derive(&self, cursor: &mut Cursor) -> Derived {
        let mut values = vec![None; self.slots.len()];
        let mut derived = Derived {
            text: String::new(),
            log_probability: 0.0,
        };
        self.derive_pieces(&self.whole, cursor, &mut values, &mut derived);
        derived
    }

    fn derive_pieces(
        &self,
        pieces: &[Piece],
        cursor: &mut Cursor,
        values: &mut [Option<usize>],
        out: &mut Derived,
    ) {
        for piece in pieces {
            match piece {
                Piece::Literal(text) => out.text.push_str(text),
                Piece::Choice(ways) => {
                    let way = out.draw(cursor, ways.len());
                    self.derive_pieces(&ways[way], cursor, values, out);
                }
                Piece::Mention {
                    slot,
                    form,
                    capital,
                } => {
                    let table = &self.slots[*slot];
                    let value =
                        *values[*slot].get_or_insert_with(|| out.draw(cursor, table.values.len()));
                    out.text.push_str(&table.shown(value, *form, *capital));
                }
            }
        }
    }

    /// Returns the entropy of a text, in nats: that of its choices of alternatives, and that of
    /// each slot's draw times the probability that the slot is mentioned.
    pub(crate) fn entropy(&self) -> f64 {
        let draws: f64 = (0..self.slots.len())
            .map(|s| (1.0 - unmentioned(&self.whole, s)) * (self.slots[s].values.len() as f64).ln())
            .sum();
        choices(&self.whole) + draws
    }

    /// Returns the expected number of characters of a text.
    pub(crate) fn expected_characters(&self) -> f64 {
        self.expected(&self.whole)
    }

    fn expected(&self, pieces: &[Piece]) -> f64 {
        let one = |piece: &Piece| match piece {
            Piece::Literal(text) => text.chars().count() as f64,
            Piece::Choice(ways) => mean(ways, |way| self.expected(way)),
            Piece::Mention {
                slot,
                form,
                capital,
            } => {
                let slot = &self.slots[*slot];
                let values: Vec<usize> = (0..slot.values.len()).collect();
                mean(&values, |v| {
                    slot.shown(*v, *form, *capital).chars().count() as f64
                })
            }
        };
        pieces.iter().map(one).sum()
    }
}

fn mean<T>(items: &[T], f: impl Fn(&T) -> f64) -> f64 {
    items.iter().map(f).sum::<f64>() / items.len() as f64
}

/// Returns the entropy of the choices of alternatives, in nats.
fn choices(pieces: &[Piece]) -> f64 {
    let one = |piece: &Piece| match piece {
        Piece::Choice(ways) => (ways.len() as f64).ln() + mean(ways, |way| choices(way)),
        Piece::Literal(_) | Piece::Mention { .. } => 0.0,
    };
    pieces.iter().map(one).sum()
}

/// Returns the probability that `pieces` do not mention slot `s`. Choices are independent of each
/// other.
fn unmentioned(pieces: &[Piece], s: usize) -> f64 {
    let one = |piece: &Piece| match piece {
        Piece::Literal(_) => 1.0,
        Piece::Choice(ways) => mean(ways, |way| unmentioned(way, s)),
        Piece::Mention { slot, .. } => f64::from(u8::from(*slot != s)),
    };
    pieces.iter().map(one).product()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gptlab_model::random::Stream;

    use super::*;

    /// The grammar is small enough to enumerate every text by hand: rain has probability 1/2, and
    /// each child with its pet 1/4.
    const TOY: &str = "
# a comment
slot child: name his
Ada | her
Bo | his

rule pet
{Child.his} cat sings.
{Child} sings.

rule toy
It rains.
{child} sings. <pet>
";

    fn toy() -> Grammar {
        Grammar::parse(TOY).unwrap()
    }

    #[test]
    fn probabilities_are_those_counted_by_hand() {
        let mut seen = BTreeMap::new();
        for i in 0..400 {
            let one = toy().derive(&mut Stream::new(1, "toy", i).cursor());
            seen.insert(one.text, one.log_probability.exp());
        }
        let expected = [
            ("Ada sings. Ada sings.", 0.125),
            ("Ada sings. Her cat sings.", 0.125),
            ("Bo sings. Bo sings.", 0.125),
            ("Bo sings. His cat sings.", 0.125),
            ("It rains.", 0.5),
        ];
        assert_eq!(seen.len(), expected.len());
        for ((text, p), (expected_text, expected_p)) in seen.iter().zip(expected) {
            assert_eq!(text, expected_text);
            assert!((p - expected_p).abs() < 1e-12, "{text}: {p}");
            assert_eq!(toy().derivations(text).len(), 1);
        }
    }

    /// The sums over the page are compared with the definition, evaluated on the enumeration above.
    #[test]
    fn entropy_and_length_are_the_sums_over_all_texts() {
        let texts = [
            ("Ada sings. Ada sings.", 0.125),
            ("Ada sings. Her cat sings.", 0.125),
            ("Bo sings. Bo sings.", 0.125),
            ("Bo sings. His cat sings.", 0.125),
            ("It rains.", 0.5f64),
        ];
        let entropy: f64 = texts.iter().map(|(_, p)| -p * p.ln()).sum();
        let characters: f64 = texts.iter().map(|(t, p)| p * t.len() as f64).sum();
        assert!((toy().entropy() - entropy).abs() < 1e-12);
        assert!((toy().expected_characters() - characters).abs() < 1e-12);
    }

    #[test]
    fn what_the_grammar_does_not_make_has_no_derivation() {
        for wrong in [
            "",
            "It rains",
            "It rains.!",
            "Ada sings. Bo sings.",
            "Ada sings. His cat sings.",
        ] {
            assert_eq!(toy().derivations(wrong), [] as [f64; 0], "{wrong}");
        }
    }

    #[test]
    fn two_derivations_of_one_text_are_both_found() {
        let twice = Grammar::parse("rule a\nx\nx\nxy\n").unwrap();
        assert_eq!(twice.derivations("x").len(), 2);
    }

    #[test]
    fn a_mistake_in_a_page_is_said_with_its_line() {
        for (page, expected) in [
            ("rule a\n<b>", "line 2: no rule `b` above"),
            ("rule a\n<a>", "line 2: no rule `a` above"),
            ("rule a\n{b}", "line 2: no slot `b` above"),
            (
                "slot s: one\nx\nrule a\n{s.two}",
                "line 4: slot `s` has no form `two`",
            ),
            ("slot s: one two\nx", "line 2: expected 2 forms, found 1"),
            ("slot s\nx", "line 1: expected `slot name: form form …`"),
            ("rule a\nx {s", "line 2: `{s` is not closed"),
            ("x", "line 1: text outside a rule"),
            ("rule a", "line 1: `a` holds nothing"),
            ("", "line 0: `the page` holds nothing"),
        ] {
            assert_eq!(Grammar::parse(page).unwrap_err().to_string(), expected);
        }
    }
}
