//! How a text is cut into documents.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The rule by which a text is cut into documents. If it is cut, an additional token, whose id is
/// the last, stands before, between and after documents (microgpt's BOS); as text, this token is
/// the separator that it replaces. Documents are stripped of white space at both ends, and empty
/// ones are dropped. A document that is longer than the context is cut into pieces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Documents {
    /// The text is one sequence, and nothing stands between its tokens.
    Text,
    /// Each line is a document.
    Lines,
    /// Documents are separated by this text.
    Separator(Separator),
}

impl Documents {
    /// Returns the text between documents; `None` if the text is one sequence.
    pub fn separator(&self) -> Option<&str> {
        match self {
            Self::Text => None,
            Self::Lines => Some("\n"),
            Self::Separator(separator) => Some(separator.as_str()),
        }
    }
}

/// Writes the form that users type: `text`, `lines`, `separator=<|endoftext|>`.
impl fmt::Display for Documents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Lines => f.write_str("lines"),
            Self::Separator(separator) => write!(f, "separator={separator}"),
        }
    }
}

/// Parses what the `Display` of [`Documents`] writes.
impl FromStr for Documents {
    type Err = DocumentsError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        match (typed, typed.split_once('=')) {
            ("text", _) => Ok(Self::Text),
            ("lines", _) => Ok(Self::Lines),
            (_, Some(("separator", text))) => text.parse().map(Self::Separator),
            _ => Err(DocumentsError::Unknown(typed.to_owned())),
        }
    }
}

/// The text that separates documents. It is never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Separator(String);

impl Separator {
    /// Makes a separator of `text`.
    ///
    /// # Errors
    /// Returns an error when `text` is empty.
    pub fn new(text: String) -> Result<Self, DocumentsError> {
        if text.is_empty() {
            return Err(DocumentsError::NoSeparator);
        }
        Ok(Self(text))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Writes the form that users type: a line break is `\n`, a carriage return `\r`, a tab `\t`, a
/// backslash `\\`.
impl fmt::Display for Separator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match ESCAPES.iter().find(|(plain, _)| *plain == c) {
                Some((_, letter)) => write!(f, "\\{letter}")?,
                None => write!(f, "{c}")?,
            }
        }
        Ok(())
    }
}

/// The characters with an escape sequence, each with the letter that follows the backslash.
const ESCAPES: [(char, char); 4] = [('\n', 'n'), ('\r', 'r'), ('\t', 't'), ('\\', '\\')];

impl FromStr for Separator {
    type Err = DocumentsError;

    fn from_str(typed: &str) -> Result<Self, Self::Err> {
        let (mut text, mut rest) = (String::new(), typed.chars());
        while let Some(c) = rest.next() {
            if c != '\\' {
                text.push(c);
                continue;
            }
            let letter = rest.next();
            let escape = ESCAPES.iter().find(|(_, known)| Some(*known) == letter);
            let (plain, _) = escape.ok_or_else(|| DocumentsError::Escape(typed.to_owned()))?;
            text.push(*plain);
        }
        Self::new(text)
    }
}

impl TryFrom<String> for Separator {
    type Error = DocumentsError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(text)
    }
}

impl From<Separator> for String {
    fn from(separator: Separator) -> Self {
        separator.0
    }
}

/// The reason why a string does not describe documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentsError {
    /// This string names no rule to cut a text.
    Unknown(String),
    /// The separator is empty.
    NoSeparator,
    /// A backslash in this string is not followed by a known letter.
    Escape(String),
}

impl fmt::Display for DocumentsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(typed) => write!(
                f,
                "there is no way to cut a text into documents called {typed:?}; there are text, lines and \
                 separator=TEXT"
            ),
            Self::NoSeparator => f.write_str(
                "a separator of documents needs at least one character, found none; \
                 type it like separator=<|endoftext|>",
            ),
            Self::Escape(typed) => write!(
                f,
                r"a backslash in a separator begins \n, \r, \t or \\, found {typed:?}"
            ),
        }
    }
}

impl std::error::Error for DocumentsError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_written_back() {
        for typed in [
            "text",
            "lines",
            "separator=<|endoftext|>",
            r"separator=\n\n",
            r"separator=\r\n=\t\\",
        ] {
            let documents: Documents = typed.parse().unwrap();
            assert_eq!(documents.to_string(), typed);
            let json = serde_json::to_string(&documents).unwrap();
            assert_eq!(serde_json::from_str::<Documents>(&json).unwrap(), documents);
        }
        let blank: Documents = r"separator=\n\n".parse().unwrap();
        assert_eq!(blank.separator(), Some("\n\n"));
        assert_eq!(
            serde_json::to_string(&blank).unwrap(),
            r#"{"separator":"\n\n"}"#
        );
    }

    #[test]
    fn wrong_documents_are_refused_with_a_sentence() {
        for (typed, said) in [
            ("words", "called \"words\"; there are text, lines"),
            ("separator", "called \"separator\""),
            ("separator=", "at least one character, found none"),
            (r"separator=\x", r"begins \n, \r, \t or \\"),
            (r"separator=\", r"begins \n, \r, \t or \\"),
        ] {
            let error = typed.parse::<Documents>().unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let json = r#"{"separator":""}"#;
        let error = serde_json::from_str::<Documents>(json).unwrap_err();
        assert!(error.to_string().contains("found none"), "{error}");
    }
}
