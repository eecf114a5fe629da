//! Finds the references of a chapter.
//!
//! | reference | becomes |
//! | --- | --- |
//! | `{{output.path:format}}` | a value of an output; see [`crate::expression`] and [`Format`] |
//! | `{{#command output}}` | the command, as a block of code |
//! | `{{#output output}}`, `{{#output output 3-9}}` | its stdout, or lines of it |
//! | `{{#picture output/file.svg \| caption}}` | a picture that the command wrote |
//! | `{{#source FILE \| fn name}}` | an item of a source file; see [`crate::source`] |
//! | `{{#word loss}}`, `{{#word loss \| losses}}` | a word with its entry in the glossary |
//! | `{{#glossary}}` | the whole glossary |
//!
//! A backslash before the braces keeps them as they are.

use std::ops::Range;

use crate::{
    expression::{Expression, outside_quotes},
    format::Format,
};

/// A part of a chapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Text(&'a str),
    Reference(Reference<'a>),
}

/// A reference and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The line of the chapter, from 1.
    pub line: usize,
    /// The reference as it is written, with its braces.
    pub source: &'a str,
    pub kind: Kind,
}

/// What a reference asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    Value {
        expression: Expression,
        format: Format,
    },
    Command {
        output: String,
    },
    Output {
        output: String,
        /// The first and the last line, from 1; `None` for all.
        lines: Option<(usize, usize)>,
    },
    Picture {
        output: String,
        file: String,
        caption: String,
    },
    Source {
        /// The path of the file from the root of the repository.
        file: String,
        /// A text that the first line of the item contains.
        start: String,
    },
    Word {
        word: String,
        shown: String,
    },
    Glossary,
}

/// The parts of a chapter, in order, and what is wrong with its references.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan<'a> {
    pub pieces: Vec<Piece<'a>>,
    /// Lines and sentences.
    pub errors: Vec<(usize, String)>,
}

impl<'a> Scan<'a> {
    /// Finds the references in `text`.
    pub fn of(text: &'a str) -> Self {
        let mut scan = Self::default();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{").map(|i| at + i) {
            if text[..open].ends_with('\\') {
                scan.pieces.push(Piece::Text(&text[at..open - 1]));
                scan.pieces.push(Piece::Text("{{"));
                at = open + 2;
                continue;
            }
            scan.pieces.push(Piece::Text(&text[at..open]));
            let line = 1 + text[..open].matches('\n').count();
            let end_of_line = text[open..].find('\n').map_or(text.len(), |i| open + i);
            let Some(close) = text[open..end_of_line].find("}}").map(|i| open + i) else {
                scan.errors.push((
                    line,
                    "expected `}}` on the line of `{{`; a backslash before `{{` keeps it as text"
                        .into(),
                ));
                at = open + 2;
                continue;
            };
            at = close + 2;
            match kind_of(text, open..at) {
                Ok(kind) => scan.pieces.push(Piece::Reference(Reference {
                    line,
                    source: &text[open..at],
                    kind,
                })),
                Err(error) => {
                    let source = &text[open..at];
                    scan.errors.push((line, format!("`{source}`: {error}")));
                }
            }
        }
        scan.pieces.push(Piece::Text(&text[at..]));
        scan
    }

    /// Returns the references.
    pub fn references(&self) -> impl Iterator<Item = &Reference<'a>> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Reference(reference) => Some(reference),
            Piece::Text(_) => None,
        })
    }
}

impl Kind {
    /// Returns the names of the outputs that the reference uses.
    pub fn outputs(&self) -> Vec<&str> {
        match self {
            Self::Value { expression, .. } => expression
                .paths()
                .map(|path| path.output.as_str())
                .collect(),
            Self::Command { output }
            | Self::Output { output, .. }
            | Self::Picture { output, .. } => {
                vec![output]
            }
            Self::Source { .. } | Self::Word { .. } | Self::Glossary => Vec::new(),
        }
    }

    /// Returns what the reference asks for in a form that is the same in every language.
    pub fn identity(&self) -> String {
        match self {
            Self::Value { expression, format } => format!("{expression:?} {format:?}"),
            Self::Command { output } => format!("#command {output}"),
            Self::Output { output, lines } => format!("#output {output} {lines:?}"),
            Self::Picture { output, file, .. } => format!("#picture {output}/{file}"),
            Self::Source { file, start } => format!("#source {file} | {start}"),
            Self::Word { word, .. } => format!("#word {word}"),
            Self::Glossary => "#glossary".into(),
        }
    }

    /// Returns true if the reference becomes a block, and must stand alone on its line.
    fn is_block(&self) -> bool {
        !matches!(self, Self::Value { .. } | Self::Word { .. })
    }
}

const DIRECTIVES: &str = "`#command`, `#output`, `#picture`, `#source`, `#word` or `#glossary`";

fn kind_of(text: &str, range: Range<usize>) -> Result<Kind, String> {
    let inner = text[range.start + 2..range.end - 2].trim();
    let kind = match inner.strip_prefix('#') {
        Some(directive) => parsed_directive(directive)?,
        None => parsed_value(inner)?,
    };
    let before = text[..range.start].rsplit('\n').next().unwrap_or_default();
    let after = text[range.end..].split('\n').next().unwrap_or_default();
    if kind.is_block() && !(before.is_empty() && after.trim().is_empty()) {
        return Err("it becomes a block, and must stand alone on its line".into());
    }
    Ok(kind)
}

fn parsed_value(inner: &str) -> Result<Kind, String> {
    let (path, format) = match outside_quotes(inner).rfind(':') {
        Some(at) => (&inner[..at], Format::parse(&inner[at + 1..])?),
        None => (inner, Format::default()),
    };
    Ok(Kind::Value {
        expression: Expression::parse(path)?,
        format,
    })
}

fn parsed_directive(directive: &str) -> Result<Kind, String> {
    let (name, rest) = directive.split_once(' ').unwrap_or((directive, ""));
    let rest = rest.trim();
    let (first, caption) = match rest.split_once('|') {
        Some((first, caption)) => (first.trim(), Some(caption.trim())),
        None => (rest, None),
    };
    match (name, first, caption) {
        ("glossary", "", None) => Ok(Kind::Glossary),
        ("command", output, None) if !output.is_empty() => Ok(Kind::Command {
            output: output.into(),
        }),
        ("output", what, None) if !what.is_empty() => parsed_output(what),
        ("picture", what, Some(caption)) if !caption.is_empty() => {
            let Some((output, file)) = what.split_once('/') else {
                return Err("expected `#picture OUTPUT/FILE.svg | what it shows`".into());
            };
            Ok(Kind::Picture {
                output: output.into(),
                file: file.into(),
                caption: caption.into(),
            })
        }
        ("source", file, Some(start)) if !file.is_empty() && !start.is_empty() => {
            Ok(Kind::Source {
                file: file.into(),
                start: start.into(),
            })
        }
        ("source", ..) => Err("expected `#source FILE | TEXT OF THE FIRST LINE`".into()),
        ("word", word, shown) if !word.is_empty() => Ok(Kind::Word {
            word: word.into(),
            shown: shown.unwrap_or(word).into(),
        }),
        ("picture", ..) => Err("expected `#picture OUTPUT/FILE.svg | what it shows`".into()),
        ("glossary" | "command" | "output" | "word", ..) => {
            Err(format!("expected `#{name}` and one name after it"))
        }
        _ => Err(format!("`#{name}` is unknown: expected {DIRECTIVES}")),
    }
}

fn parsed_output(what: &str) -> Result<Kind, String> {
    let (output, range) = what.split_once(' ').unwrap_or((what, ""));
    let lines = match range.trim() {
        "" => None,
        range => {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            match (first.trim().parse(), last.trim().parse()) {
                (Ok(first), Ok(last)) if 0 < first && first <= last => Some((first, last)),
                _ => return Err(format!("`{range}` are no lines: expected `3-9`, from 1")),
            }
        }
    };
    Ok(Kind::Output {
        output: output.into(),
        lines,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let scan = Scan::of(text);
        assert_eq!(scan.errors, [], "{text}");
        scan.references()
            .map(|reference| reference.kind.clone())
            .collect()
    }

    #[test]
    fn references_are_found_with_their_lines() {
        let text = "# a\nx {{o.b:.2}} y {{#word loss | losses}}\n{{#command o}}\n";
        let scan = Scan::of(text);
        let found: Vec<(usize, &str)> = scan.references().map(|r| (r.line, r.source)).collect();
        assert_eq!(
            found,
            [
                (2, "{{o.b:.2}}"),
                (2, "{{#word loss | losses}}"),
                (3, "{{#command o}}")
            ]
        );
        let again: String = scan
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Reference(reference) => reference.source,
            })
            .collect();
        assert_eq!(again, text);
    }

    #[test]
    fn directives_are_parsed() {
        assert_eq!(
            kinds("{{#output o 3-9}}"),
            [Kind::Output {
                output: "o".into(),
                lines: Some((3, 9))
            }]
        );
        assert_eq!(
            kinds("{{#picture o/a/b.svg | The loss falls.}}"),
            [Kind::Picture {
                output: "o".into(),
                file: "a/b.svg".into(),
                caption: "The loss falls.".into()
            }]
        );
        assert_eq!(
            kinds("a {{#word bits per character}} b"),
            [Kind::Word {
                word: "bits per character".into(),
                shown: "bits per character".into()
            }]
        );
        assert_eq!(kinds("{{#glossary}}"), [Kind::Glossary]);
        assert_eq!(
            kinds("{{a.x:.2}} {{a.x - b.y:.2}}")[1].outputs(),
            ["a", "b"]
        );
    }

    #[test]
    fn a_backslash_keeps_the_braces() {
        let scan = Scan::of("a \\{{b}} c");
        let text: Vec<&Piece> = scan.pieces.iter().collect();
        assert_eq!(
            text,
            [
                &Piece::Text("a "),
                &Piece::Text("{{"),
                &Piece::Text("b}} c")
            ]
        );
    }

    #[test]
    fn errors_name_the_line_and_what_was_expected() {
        for (text, line, expected) in [
            ("a\n{{o.b", 2, "expected `}}` on the line"),
            ("{{o.b:x}}", 1, "`x` is no format"),
            ("{{o}}", 1, "the name of an output"),
            (
                "\n\n{{#include x}}",
                3,
                "`#include` is unknown: expected `#command`",
            ),
            ("{{#command}}", 1, "one name after it"),
            ("{{#picture o/a.svg}}", 1, "what it shows"),
            ("{{#source a.rs}}", 1, "`#source FILE | TEXT"),
            ("{{#output o 0-3}}", 1, "are no lines"),
            ("{{#output o 3-2}}", 1, "are no lines"),
            ("a {{#output o}}", 1, "must stand alone on its line"),
        ] {
            let errors = Scan::of(text).errors;
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert_eq!(errors[0].0, line, "{text}");
            assert!(errors[0].1.contains(expected), "{text}: {errors:?}");
        }
    }

    #[test]
    fn the_same_reference_has_the_same_identity_in_any_language() {
        let identity = |text: &str| kinds(text)[0].identity();
        assert_eq!(
            identity("{{#word loss | 損失}}"),
            identity("{{#word loss}}")
        );
        assert_ne!(identity("{{a.b:.2}}"), identity("{{a.b:.3}}"));
    }
}
