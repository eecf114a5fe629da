//! Made-up names, one per line, as documents for models with a short context.

use std::{collections::BTreeSet, sync::LazyLock};

use gptlab_model::random::Stream;

use crate::grammar::Grammar;

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    Grammar::parse(include_str!("names.grammar")).expect("a test reads the page of names")
});

/// The number of names in the built-in text.
pub const DEFAULT_COUNT: usize = 8_000;

/// The largest number of candidates drawn per requested name; more would be repeats.
const MOST_TRIES: usize = 50;

/// Returns `count` distinct names of `seed`, each followed by a line break, in the order in which
/// they are first drawn. There are some hundred thousand names. The result has fewer names if
/// `count` cannot be reached.
pub fn names(seed: u64, count: usize) -> String {
    let mut draws = Stream::new(seed, "name", 0).cursor();
    let mut seen = BTreeSet::new();
    let mut lines = String::new();
    for _ in 0..count.saturating_mul(MOST_TRIES) {
        if seen.len() == count {
            break;
        }
        let name = GRAMMAR.derive(&mut draws).text;
        if !seen.contains(&name) {
            lines.push_str(&name);
            lines.push('\n');
            seen.insert(name);
        }
    }
    lines
}
