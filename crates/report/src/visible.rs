//! Replaces control characters by visible marks.
//!
//! A trained model, the name of a file or an untrusted record may contain any character. A terminal
//! interprets some of them: an escape sequence moves the cursor, changes the title or writes to the
//! clipboard (OSC 52). Others change the order in which text is shown. XML 1.0 cannot contain most
//! of them in any form. These characters are replaced, so that text is shown and never interpreted:
//!
//! | characters | by |
//! | --- | --- |
//! | U+0000 to U+001F but for line feed and tab | their Unicode pictures, U+2400 to U+241F: `␛` |
//! | U+007F, delete | its picture, U+2421: `␡` |
//! | U+0080 to U+009F, of which some begin escape sequences | `\u{9b}` |
//! | U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to U+206F: directions and shapes of what follows | `\u{202e}` |
//! | U+2028, U+2029: ends of lines and paragraphs | `\u{2028}` |
//! | U+FFF9 to U+FFFB, U+FFFE, U+FFFF: annotations, and what is no character | `\u{fffe}` |
//!
//! Everything else stays as it is, including joiners and other spaces, which are part of many
//! scripts.

use std::{
    borrow::Cow,
    fmt::{self, Display, Write as _},
};

/// The mark shown for a character that a terminal would interpret. It is written with [`Display`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// The character has a picture.
    Picture(char),
    /// The character has no picture and is shown as its number.
    Number(char),
}

impl Mark {
    /// Returns the mark of `c`, or `None` for a character that may be shown, such as a line feed or
    /// tab.
    pub fn of(c: char) -> Option<Self> {
        match c {
            '\n' | '\t' => None,
            '\0'..='\u{1F}' => char::from_u32(0x2400 + u32::from(c)).map(Self::Picture),
            '\u{7F}' => Some(Self::Picture('\u{2421}')),
            '\u{80}'..='\u{9F}'
            | '\u{61C}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{2028}'..='\u{202E}'
            | '\u{2066}'..='\u{206F}'
            | '\u{FFF9}'..='\u{FFFB}'
            | '\u{FFFE}'
            | '\u{FFFF}' => Some(Self::Number(c)),
            _ => None,
        }
    }
}

impl Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Picture(picture) => f.write_char(*picture),
            Self::Number(c) => write!(f, "{}", c.escape_unicode()),
        }
    }
}

/// Replaces control characters in a complete `text`. A carriage return before a line feed stays,
/// because the two end a line.
pub fn text(text: &str) -> Cow<'_, str> {
    marked(text, |c, next| (c, next) == ('\r', Some('\n')))
}

/// Replaces control characters in a piece of a text. Carriage returns are replaced too, because the
/// character after the last one is unknown.
pub fn piece(piece: &str) -> Cow<'_, str> {
    marked(piece, |_, _| false)
}

/// Replaces control characters in a text, including line feeds and tabs.
pub fn one_line(text: &str) -> String {
    let shown = |c| match c {
        '\n' => '\u{23CE}',
        '\t' => '\u{21E5}',
        c => c,
    };
    let lineless: String = text.chars().map(shown).collect();
    piece(&lineless).into_owned()
}

/// Returns the same JSON value, with the control characters of its strings escaped as in JSON.
/// `json` must be valid JSON, in which such characters occur only in strings.
pub fn json(json: &str) -> Cow<'_, str> {
    replaced(json, |c, _| {
        // Each of them is one UTF-16 unit.
        Mark::of(c).map(|_| format!("\\u{:04x}", u32::from(c)))
    })
}

fn marked(text: &str, stays: impl Fn(char, Option<char>) -> bool) -> Cow<'_, str> {
    replaced(text, |c, next| {
        let mark = Mark::of(c).filter(|_| !stays(c, next))?;
        Some(mark.to_string())
    })
}

/// Replaces each character of `text` for which `by(character, next character)` returns something.
fn replaced(text: &str, by: impl Fn(char, Option<char>) -> Option<String>) -> Cow<'_, str> {
    if text.chars().all(|c| Mark::of(c).is_none()) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match by(c, chars.peek().copied()) {
            Some(shown) => out.push_str(&shown),
            None => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Returns every character that may affect a terminal or XML, between letters.
    pub(crate) fn every_control() -> String {
        let risky = |c: &char| c.is_control() || Mark::of(*c).is_some();
        let all: String = ('\0'..=char::MAX).filter(risky).collect();
        format!("a{all}z")
    }

    #[test]
    fn what_a_terminal_obeys_becomes_a_mark() {
        for (text, shown) in [
            ("\x1b]52;c;aGk=\x07", "\u{241B}]52;c;aGk=\u{2407}"),
            ("a\0b\x7fc", "a\u{2400}b\u{2421}c"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("a\u{2028}b\u{fffe}", "a\\u{2028}b\\u{fffe}"),
            ("plain, ünïcode\n\tand 你好", "plain, ünïcode\n\tand 你好"),
            ("100\r 50", "100\u{240D} 50"),
        ] {
            assert_eq!(super::text(text), shown);
        }
    }

    #[test]
    fn a_carriage_return_stays_in_a_whole_line_end_alone() {
        assert_eq!(text("a\r\nb\r"), "a\r\nb\u{240D}");
        assert_eq!(piece("a\r\nb\r"), "a\u{240D}\nb\u{240D}");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line("a\n\tb\0"), "a\u{23CE}\u{21E5}b\u{2400}");
    }

    #[test]
    fn no_control_is_left_and_what_is_shown_stays_shown() {
        let shown = text(&every_control()).into_owned();
        let left: Vec<char> = shown.chars().filter(|c| c.is_control()).collect();
        assert_eq!(left, ['\t', '\n']);
        assert!(matches!(text(&shown), Cow::Borrowed(_)));
    }

    #[test]
    fn json_keeps_its_value() {
        let value = serde_json::json!({ every_control(): [every_control()] });
        let text = value.to_string();
        let shown = json(&text);
        assert!(shown.chars().all(|c| Mark::of(c).is_none()), "{shown}");
        let back: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(back, value);
    }
}
