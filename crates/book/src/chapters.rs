//! The finished text of every chapter, for a program that shows it in a terminal.
//!
//! `gptlab-book texts` writes the files, and `gptlab-book check` compares them with the book.

use crate::languages::Language;

/// A chapter in both languages, as Markdown with all numbers in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChapterText {
    /// The name of the chapter's page, such as `01-guessing`.
    pub name: &'static str,
    pub english: &'static str,
    pub japanese: &'static str,
}

macro_rules! chapter {
    ($name:literal) => {
        ChapterText {
            name: $name,
            english: include_str!(concat!("../text/en/", $name, ".md")),
            japanese: include_str!(concat!("../text/ja/", $name, ".md")),
        }
    };
}

/// All chapters, in order.
pub const CHAPTERS: &[ChapterText] = &[
    chapter!("01-guessing"),
    chapter!("02-microgpt"),
    chapter!("04-attention"),
    chapter!("07-residuals"),
    chapter!("09-beginnings"),
    chapter!("10-optimisers"),
    chapter!("11-mask"),
    chapter!("12-choosing"),
];

impl ChapterText {
    /// Returns the chapter's text in a language.
    pub fn text(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Japanese => self.japanese,
        }
    }

    /// Returns the chapter's title in a language.
    pub fn title(&self, language: Language) -> &'static str {
        let first = self.text(language).lines().next().unwrap_or_default();
        first.trim_start_matches("# ")
    }
}

/// Returns the chapter that `typed` names: its number, its name, or the name without its number.
pub fn chapter(typed: &str) -> Option<&'static ChapterText> {
    CHAPTERS.iter().find(|chapter| {
        let (number, rest) = chapter.name.split_once('-').unwrap_or((chapter.name, ""));
        let is_number = number.parse::<u32>().is_ok_and(|n| typed.parse() == Ok(n));
        typed == chapter.name || typed == rest || is_number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_found_by_its_number_and_its_name() {
        for typed in ["1", "01", "01-guessing", "guessing"] {
            assert_eq!(
                chapter(typed).map(|c| c.name),
                Some("01-guessing"),
                "{typed}"
            );
        }
        assert_eq!(chapter("99"), None);
        assert_eq!(chapter(""), None);
    }

    #[test]
    fn every_chapter_has_a_title_and_no_reference_left() {
        for chapter in CHAPTERS {
            for language in Language::ALL {
                assert!(chapter.text(language).starts_with("# "), "{}", chapter.name);
                assert!(!chapter.title(language).is_empty());
                assert!(!chapter.text(language).contains("{{"), "{}", chapter.name);
            }
        }
    }
}
