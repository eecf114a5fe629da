//! The entries of the glossary, from `GLOSSARY.md`, which is what `gptlab explain --all` prints.

use std::fmt::Write as _;

use crate::words::escaped;

/// The glossary: its topics and entries, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glossary {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Topic(String),
    Entry { word: String, text: String },
}

/// The page of the book that holds the glossary.
pub const PAGE: &str = "glossary";

impl Glossary {
    /// Reads the entries of a page with topics as headings of level 2 and words of level 3.
    pub fn parse(markdown: &str) -> Self {
        let mut parts = Vec::new();
        for line in markdown.lines() {
            if let Some(word) = line.strip_prefix("### ") {
                let (word, text) = (word.trim().to_owned(), String::new());
                parts.push(Part::Entry { word, text });
            } else if let Some(topic) = line.strip_prefix("## ") {
                parts.push(Part::Topic(topic.trim().to_owned()));
            } else if let Some(Part::Entry { text, .. }) = parts.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        Self { parts }
    }

    fn text_of(&self, wanted: &str) -> Option<&str> {
        self.parts.iter().find_map(|part| match part {
            Part::Entry { word, text } if word == wanted => Some(text.trim()),
            Part::Entry { .. } | Part::Topic(_) => None,
        })
    }

    /// Returns a link to the entry of `word`, whose title is the entry's first sentence.
    ///
    /// # Errors
    /// Returns a sentence if there is no entry.
    pub fn link(&self, word: &str, shown: &str) -> Result<String, String> {
        let text = self.entry(word)?;
        let first = text.split_inclusive(". ").next().unwrap_or_default();
        let title = escaped(&first.trim().replace(['`', '*'], ""));
        Ok(format!("[{shown}]({PAGE}.md#{} \"{title}\")", slug(word)))
    }

    /// Returns the text of the entry of `word`.
    ///
    /// # Errors
    /// Returns a sentence if there is no entry.
    pub fn entry(&self, word: &str) -> Result<&str, String> {
        self.text_of(word).ok_or_else(|| {
            format!("the glossary has no entry `{word}`; `gptlab explain` lists all words")
        })
    }

    /// Returns the entries as a page whose headings can be linked to.
    pub fn page(&self) -> String {
        let mut page = String::new();
        for part in &self.parts {
            // Writing to a string cannot fail.
            let _ = match part {
                Part::Topic(title) => writeln!(page, "\n## {title}"),
                Part::Entry { word, text } => {
                    writeln!(page, "\n### {word} {{#{}}}\n\n{}", slug(word), text.trim())
                }
            };
        }
        page.trim().to_owned()
    }
}

/// Returns the anchor of a word.
fn slug(word: &str) -> String {
    word.chars()
        .map(|c| {
            if c.is_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Glossary\n\nAll.\n\n## Numbers\n\n### loss\n\nThe loss is \"how\" `sure`. More.\n\n\
                        ### bits per character\n\nBits.\n";

    #[test]
    fn a_word_is_linked_to_its_entry() {
        let glossary = Glossary::parse(PAGE);
        assert_eq!(
            glossary.link("loss", "losses").unwrap(),
            "[losses](glossary.md#loss \"The loss is &quot;how&quot; sure.\")"
        );
        assert!(
            glossary
                .link("bits per character", "x")
                .unwrap()
                .contains("#bits-per-character ")
        );
        assert!(
            glossary
                .link("los", "x")
                .unwrap_err()
                .contains("has no entry `los`")
        );
    }

    #[test]
    fn the_page_has_anchors() {
        let page = Glossary::parse(PAGE).page();
        assert!(
            page.starts_with("## Numbers\n\n### loss {#loss}\n\nThe loss"),
            "{page}"
        );
        assert!(
            page.ends_with("### bits per character {#bits-per-character}\n\nBits."),
            "{page}"
        );
    }
}
