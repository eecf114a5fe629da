//! What a reference to a value says: a path in an output, or several paths with an operator between
//! neighbours. Operators are applied from left to right.
//!
//! ```text
//! expression = path { " " operator " " path }        operator = - + * /
//! path       = output "." segment { "." segment }
//! segment    = characters without . : and "  |  '"' characters '"'
//! ```

use std::fmt;

/// Where a value stands: the name of an output, and the keys and indices that lead to the value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path {
    pub output: String,
    pub segments: Vec<String>,
}

/// How two values become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    Minus,
    Plus,
    Times,
    Over,
}

impl Operator {
    const ALL: [(&str, Self); 4] = [
        (" - ", Self::Minus),
        (" + ", Self::Plus),
        (" * ", Self::Times),
        (" / ", Self::Over),
    ];

    /// Returns the result of the operation on two numbers.
    pub fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Minus => a - b,
            Self::Plus => a + b,
            Self::Times => a * b,
            Self::Over => a / b,
        }
    }
}

/// A value, and operators with further values, which are applied from left to right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expression {
    pub first: Path,
    pub rest: Vec<(Operator, Path)>,
}

impl Expression {
    /// Parses an expression.
    ///
    /// # Errors
    /// Returns what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let outside = outside_quotes(text);
        let next = |from: usize| {
            let signs = Operator::ALL.iter();
            let found = signs.filter_map(|(sign, operator)| {
                Some((from + outside[from..].find(sign)?, *operator))
            });
            found.min_by_key(|(at, _)| *at)
        };
        let mut found = next(0);
        let first = Path::parse(&text[..found.map_or(text.len(), |(at, _)| at)])?;
        let mut rest = Vec::new();
        while let Some((at, operator)) = found {
            let begin = at + 3;
            found = next(begin);
            let end = found.map_or(text.len(), |(at, _)| at);
            rest.push((operator, Path::parse(&text[begin..end])?));
        }
        Ok(Self { first, rest })
    }

    /// Returns the paths of the expression.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.first).chain(self.rest.iter().map(|(_, path)| path))
    }
}

impl Path {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let mut segments = Vec::new();
        let mut rest = text;
        loop {
            let (segment, after) = segment(rest)?;
            segments.push(segment);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return Err(format!("expected `.` before `{after}` in `{text}`")),
            }
        }
        if segments.len() < 2 {
            return Err(format!(
                "expected the name of an output, a dot and a path in it, and found `{text}`"
            ));
        }
        let output = segments.remove(0);
        Ok(Self { output, segments })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.output, self.segments.join("."))
    }
}

/// Returns the first segment of `text` and what follows it.
fn segment(text: &str) -> Result<(String, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let Some((segment, rest)) = quoted.split_once('"') else {
            return Err(format!(
                "the quotation mark before `{quoted}` is not closed"
            ));
        };
        return Ok((segment.to_owned(), rest));
    }
    let end = text.find('.').unwrap_or(text.len());
    let (segment, rest) = text.split_at(end);
    if segment.trim().is_empty() {
        return Err("a segment of a path is empty".to_owned());
    }
    Ok((segment.trim().to_owned(), rest))
}

/// Returns `text` with everything between quotation marks replaced by underscores, so that byte
/// positions stay the same.
pub(crate) fn outside_quotes(text: &str) -> String {
    let mut inside = false;
    let hidden = text.bytes().map(|byte| {
        let quote = byte == b'"';
        inside ^= quote;
        if (inside && !quote) || !byte.is_ascii() {
            b'_'
        } else {
            byte
        }
    });
    hidden.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(output: &str, segments: &[&str]) -> Path {
        Path {
            output: output.into(),
            segments: segments.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn segments_hold_spaces_hyphens_and_quoted_dots() {
        let parsed = Expression::parse("a.b c.2-gram.0.\"lr=0.1: x - y\"").unwrap();
        let expected = path("a", &["b c", "2-gram", "0", "lr=0.1: x - y"]);
        assert_eq!((parsed.first, parsed.rest), (expected, Vec::new()));
    }

    #[test]
    fn an_operator_stands_between_spaces() {
        let parsed = Expression::parse("a.x-y / b.z").unwrap();
        assert_eq!(parsed.first, path("a", &["x-y"]));
        assert_eq!(parsed.rest, [(Operator::Over, path("b", &["z"]))]);
        let parsed = Expression::parse("a.x + b.y - c.\"u + v\"").unwrap();
        let rest = [
            (Operator::Plus, path("b", &["y"])),
            (Operator::Minus, path("c", &["u + v"])),
        ];
        assert_eq!(
            (parsed.first, parsed.rest),
            (path("a", &["x"]), rest.to_vec())
        );
        let results = Operator::ALL.map(|(_, operator)| operator.of(6.0, 2.0));
        assert_eq!(results, [4.0, 8.0, 12.0, 3.0]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for (text, expected) in [
            ("alone", "a dot and a path in it"),
            ("a..b", "a segment of a path is empty"),
            ("a.\"b", "is not closed"),
            ("a.\"b\"c", "expected `.` before `c`"),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
