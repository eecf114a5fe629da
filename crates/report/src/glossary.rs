//! The words of this program, each explained in a paragraph.
//!
//! The table is the only source of the glossary: `gptlab explain` prints its entries, and
//! [`markdown`] makes a page of all of them.

mod comparing;
mod inside;
mod model;
mod numbers;
#[cfg(test)]
mod tests;
mod training;

use gptlab_recipe::nearest_words;
use gptlab_record::{Definition, Measure};
use serde::Serialize;

/// A word and its explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The word as sentences have it.
    pub word: &'static str,
    /// Other words for it, and other forms of it.
    pub aliases: &'static [&'static str],
    /// One paragraph. Whatever users type stands in backticks.
    pub text: &'static str,
    /// The paper or book that introduced it, if one did: author and year.
    pub source: Option<&'static str>,
}

const fn entry(
    word: &'static str,
    aliases: &'static [&'static str],
    text: &'static str,
    source: Option<&'static str>,
) -> Entry {
    Entry {
        word,
        aliases,
        text,
        source,
    }
}

/// Entries that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    pub title: &'static str,
    pub entries: &'static [Entry],
}

/// All entries.
pub const TOPICS: &[Topic] = &[
    Topic {
        title: "Texts, tokens and losses",
        entries: numbers::ENTRIES,
    },
    Topic {
        title: "Training",
        entries: training::ENTRIES,
    },
    Topic {
        title: "The model and its texts",
        entries: model::ENTRIES,
    },
    Topic {
        title: "Inside the model",
        entries: inside::ENTRIES,
    },
    Topic {
        title: "Comparing runs",
        entries: comparing::ENTRIES,
    },
];

/// The most words that are suggested for an unknown one.
const MOST_NEAR: usize = 5;

/// What is known of a word: an entry, a measure of probes and observations, or both.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    #[serde(flatten)]
    pub entry: Option<Entry>,
    /// The definition of the measure of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measure: Option<Definition>,
}

/// Returns all entries in the order of the topics.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    TOPICS.iter().flat_map(|topic| topic.entries)
}

/// Returns what is known of `typed`. Case, spaces, hyphens and underscores make no difference.
///
/// # Errors
/// Returns the words that are nearest to `typed` if it is unknown; there may be none.
pub fn explain(typed: &str) -> Result<Explanation, Vec<String>> {
    let key = key(typed);
    let entry = entries().find(|entry| entry.names().any(|name| self::key(name) == key));
    let is_meant = |measure: &&Measure| {
        let name = self::key(measure.name());
        name == key || entry.is_some_and(|e| e.names().any(|other| self::key(other) == name))
    };
    let measure = Measure::ALL.iter().find(is_meant);
    if entry.is_none() && measure.is_none() {
        return Err(near(typed));
    }
    Ok(Explanation {
        entry: entry.copied(),
        measure: measure.map(|measure| measure.definition()),
    })
}

impl Entry {
    /// Returns the word and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.word).chain(self.aliases.iter().copied())
    }
}

/// Returns `word` in the form in which words are compared.
fn key(word: &str) -> String {
    word.chars()
        .filter(|c| !c.is_whitespace() && !"-_".contains(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Returns the words whose spelling, or that of an alias, is near `typed`, and those that hold it.
fn near(typed: &str) -> Vec<String> {
    let typed = key(typed);
    let words = entries().flat_map(|entry| entry.names().map(|name| (key(name), entry.word)));
    let measures = Measure::ALL.iter().map(|m| (key(m.name()), m.name()));
    let all: Vec<(String, &str)> = words.chain(measures).collect();
    let spelt = nearest_words(&typed, all.iter().map(|(key, _)| key.clone()));
    let spelt = spelt
        .iter()
        .filter_map(|near| all.iter().find(|(key, _)| key == near));
    let holds = |(key, _): &&(String, &str)| typed.len() > 2 && key.contains(&typed);
    let mut found: Vec<String> = Vec::new();
    for (_, word) in spelt.chain(all.iter().filter(holds)) {
        if found.len() < MOST_NEAR && !found.iter().any(|other| other == word) {
            found.push((*word).to_owned());
        }
    }
    found
}

/// Returns the whole glossary as a Markdown page.
pub fn markdown() -> String {
    let begin = "# Glossary\n\nThe words of gptlab. `gptlab explain WORD` prints one of these entries, \
                 and `gptlab explain --all` this page.\n";
    let entry = |entry: &Entry| {
        let source = source(entry).map_or_else(String::new, |source| format!(" *{source}*"));
        format!("\n### {}\n\n{}{source}\n", entry.word, entry.text)
    };
    let topic = |topic: &Topic| {
        let entries: Vec<String> = topic.entries.iter().map(entry).collect();
        format!("\n## {}\n{}", topic.title, entries.concat())
    };
    let topics: Vec<String> = TOPICS.iter().map(topic).collect();
    begin.to_owned() + &topics.concat()
}

/// Returns the sentence that names the source of `entry`.
pub fn source(entry: &Entry) -> Option<String> {
    entry.source.map(|source| format!("Source: {source}."))
}
