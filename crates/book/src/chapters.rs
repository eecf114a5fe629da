//! The finished text of every chapter, for a program that shows it in a terminal.
//!
//! `gptlab-book texts` writes the files, and `gptlab-book check` compares them with the book.

use serde::Serialize;

use crate::languages::Language;

/// A chapter in both languages, as Markdown with all numbers in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChapterText {
    /// The name of the chapter's page, such as `01-guessing`.
    pub name: &'static str,
    pub english: &'static str,
    pub japanese: &'static str,
}

/// A chapter in one language, for a list, or with its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ChapterInLanguage {
    pub number: u32,
    pub name: &'static str,
    pub title: &'static str,
    /// The code of the language: `en` or `ja`.
    pub language: &'static str,
    /// The chapter as Markdown; absent from a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<&'static str>,
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
    chapter!("03-positions"),
    chapter!("04-attention"),
    chapter!("05-induction"),
    chapter!("06-mlp"),
    chapter!("07-residuals"),
    chapter!("08-norms"),
    chapter!("09-beginnings"),
    chapter!("10-optimisers"),
    chapter!("11-mask"),
    chapter!("12-choosing"),
    chapter!("13-inside"),
    chapter!("14-size"),
    chapter!("15-comparisons"),
    chapter!("16-recipe"),
    chapter!("17-assistants"),
];

impl ChapterText {
    /// Returns the chapter's text in a language.
    pub fn text(&self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Japanese => self.japanese,
        }
    }

    /// Returns the chapter's number, with which its name begins.
    pub fn number(&self) -> u32 {
        let (number, _) = self.name.split_once('-').unwrap_or((self.name, ""));
        number.parse().unwrap_or_default()
    }

    /// Describes the chapter in a language, without its text.
    pub fn described(&self, language: Language) -> ChapterInLanguage {
        ChapterInLanguage {
            number: self.number(),
            name: self.name,
            title: self.title(language),
            language: language.code(),
            text: None,
        }
    }

    /// Returns the chapter in a language, with its text.
    pub fn whole(&self, language: Language) -> ChapterInLanguage {
        ChapterInLanguage {
            text: Some(self.text(language)),
            ..self.described(language)
        }
    }

    /// Returns the chapter's title in a language.
    pub fn title(&self, language: Language) -> &'static str {
        let first = self.text(language).lines().next().unwrap_or_default();
        first.trim_start_matches("# ")
    }
}

/// Returns the chapter that `typed` names: its number, its name, the name without its number, or
/// the beginning of its name or title, where no other begins so.
pub fn chapter(typed: &str) -> Option<&'static ChapterText> {
    let rest = |chapter: &ChapterText| chapter.name.split_once('-').map(|(_, rest)| rest);
    let exact = CHAPTERS.iter().find(|chapter| {
        let is_number = typed.parse() == Ok(chapter.number());
        typed == chapter.name || Some(typed) == rest(chapter) || is_number
    });
    let begins = |chapter: &&ChapterText| {
        let words = typed.to_lowercase();
        let title = chapter.title(Language::English).to_lowercase();
        let named = rest(chapter).is_some_and(|rest| rest.starts_with(&words));
        !words.is_empty() && (named || title.starts_with(&words))
    };
    let mut beginning = CHAPTERS.iter().filter(begins);
    exact.or_else(|| match (beginning.next(), beginning.next()) {
        (Some(chapter), None) => Some(chapter),
        (None | Some(_), _) => None,
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
        for typed in ["residual", "Residual connections"] {
            assert_eq!(
                chapter(typed).map(|c| c.name),
                Some("07-residuals"),
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
