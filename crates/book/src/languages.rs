//! The two languages of the book, and which English chapter a Japanese one corresponds to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// A language of the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    English,
    Japanese,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::Japanese];

    /// Returns the code of the language, which is also the name of its folder.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Japanese => "ja",
        }
    }

    /// Returns the language of this code.
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|language| language.code() == code)
    }

    /// Returns the other language.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::English => Self::Japanese,
            Self::Japanese => Self::English,
        }
    }

    /// Returns the name of the language in that language.
    pub fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Japanese => "日本語",
        }
    }
}

/// Returns the SHA-256 of `text` as `sha256sum` prints it.
pub fn digest(text: &str) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(text.as_bytes()) {
        // Writing to a string cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// The SHA-256 of the English page that each Japanese page corresponds to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translations(pub BTreeMap<String, String>);

impl Translations {
    /// Parses `of.toml`.
    ///
    /// # Errors
    /// Returns what is not as expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text)
            .map(Self)
            .map_err(|error| format!("expected lines of a page's name and a SHA-256: {error}"))
    }

    /// Returns the text of `of.toml`.
    pub fn text(&self) -> String {
        let mut text =
            "# The SHA-256 of the English page that each Japanese page says the same as.\n\
                        # `gptlab-book translated NAME` writes these lines.\n"
                .to_owned();
        for (name, digest) in &self.0 {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{name} = \"{digest}\"");
        }
        text
    }

    /// Returns what is wrong with the Japanese page `name`, given the English one as it is now.
    pub fn complaint(&self, name: &str, english: &str) -> Option<String> {
        let remedy = format!(
            "compare the two, mend the Japanese one, and run `gptlab-book translated {name}`"
        );
        match self.0.get(name) {
            None => Some(format!(
                "no English page is recorded that this one says the same as; {remedy}"
            )),
            Some(recorded) if *recorded != digest(english) => Some(format!(
                "the English page has changed since this one was written; {remedy}"
            )),
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_digests_are_the_usual_ones() {
        assert_eq!(Language::of("ja"), Some(Language::Japanese));
        assert_eq!(Language::of("de"), None);
        assert_eq!(Language::English.other().own_name(), "日本語");
        // `printf abc | sha256sum`
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest("abc"), abc);
    }

    #[test]
    fn a_page_that_changed_and_an_unrecorded_one_are_reported() {
        let mut of = Translations::default();
        assert!(
            of.complaint("01-a", "text")
                .unwrap()
                .contains("is recorded")
        );
        of.0.insert("01-a".into(), digest("text"));
        assert_eq!(of.complaint("01-a", "text"), None);
        assert!(
            of.complaint("01-a", "Text")
                .unwrap()
                .contains("has changed")
        );
        assert_eq!(Translations::parse(&of.text()), Ok(of));
        assert!(Translations::parse("a = 1").is_err());
    }
}
