//! Made-up names, one a line: documents for models with a short context.

use std::{collections::BTreeSet, sync::LazyLock};

use gptlab_model::random::Stream;

use crate::grammar::Grammar;

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    Grammar::parse(include_str!("names.grammar")).expect("a test reads the page of names")
});

/// How many names the built-in text has.
pub const DEFAULT_COUNT: usize = 8_000;

/// Candidates drawn for each name asked for, at most; more would be repeats.
const MOST_TRIES: usize = 50;

/// `count` distinct names of `seed`, each with a line break after it, in the order they are first
/// drawn. There are some hundred thousand names; where `count` is more than can be found, fewer
/// come.
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
