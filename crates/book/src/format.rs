//! How a number of an output is shown.
//!
//! ```text
//! format = [ "+" ] [ "," ] [ "." decimals ] [ "%" ]
//! ```

/// How a number is shown. The default shows whole numbers and words as they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Format {
    /// A number above zero has its sign.
    pub signed: bool,
    /// The digits before the point are in groups of three.
    pub grouped: bool,
    /// The number of digits after the point.
    pub decimals: Option<usize>,
    /// The number is multiplied by a hundred and followed by a percent sign.
    pub percent: bool,
}

/// The forms of a format, for messages.
const FORMS: &str =
    "`.2` (decimals), `+.2` (with its sign), `,` (digits in groups), `%` or `.1%` (percent)";
/// The most digits after the point: an f64 has no more.
const MOST_DECIMALS: usize = 17;

impl Format {
    /// Parses what follows the colon of a reference.
    ///
    /// # Errors
    /// Returns what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no format: expected {FORMS}");
        let rest = text.trim();
        let (signed, rest) = taken(rest, "+");
        let (grouped, rest) = taken(rest, ",");
        let (rest, percent) = rest
            .strip_suffix('%')
            .map_or((rest, false), |rest| (rest, true));
        let decimals = match rest.strip_prefix('.') {
            None if rest.is_empty() => None,
            None => return Err(wrong()),
            Some(digits) => Some(digits.parse().map_err(|_| wrong())?),
        };
        let format = Self {
            signed,
            grouped,
            decimals,
            percent,
        };
        if format == Self::default() || decimals.is_some_and(|n| n > MOST_DECIMALS) {
            return Err(wrong());
        }
        Ok(format)
    }

    /// Returns whether a number with a fraction can be shown: how many of its digits are shown is
    /// known.
    pub fn rounds(&self) -> bool {
        self.decimals.is_some() || self.percent
    }

    /// Returns `value` as text.
    pub fn show(&self, value: f64) -> String {
        let value = if self.percent { value * 100.0 } else { value };
        let digits = format!("{:.*}", self.decimals.unwrap_or(0), value.abs());
        let is_zero = digits.bytes().all(|byte| b"0.".contains(&byte));
        let sign = match (value < 0.0 && !is_zero, self.signed) {
            (true, _) => "-",
            (false, true) => "+",
            (false, false) => "",
        };
        let digits = if self.grouped {
            grouped(&digits)
        } else {
            digits
        };
        let percent = if self.percent { "%" } else { "" };
        format!("{sign}{digits}{percent}")
    }
}

/// Returns whether `text` begins with `prefix`, and the rest of it.
fn taken<'a>(text: &'a str, prefix: &str) -> (bool, &'a str) {
    text.strip_prefix(prefix)
        .map_or((false, text), |rest| (true, rest))
}

/// Returns `digits` with commas between groups of three before the point.
fn grouped(digits: &str) -> String {
    let whole = digits.split('.').next().map_or(0, str::len);
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && i < whole && (whole - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(format: &str, value: f64) -> String {
        Format::parse(format).unwrap().show(value)
    }

    #[test]
    fn each_form_shows_what_it_says() {
        assert_eq!(shown(".2", 3.0718), "3.07");
        assert_eq!(shown("+.2", 0.125), "+0.12");
        assert_eq!(shown("+.1", -0.25), "-0.2");
        assert_eq!(shown(",", 1_234_567.0), "1,234,567");
        assert_eq!(shown(",.1", 1234.56), "1,234.6");
        assert_eq!(shown(",", 999.0), "999");
        assert_eq!(shown("%", 0.126), "13%");
        assert_eq!(shown("+.1%", 0.1264), "+12.6%");
    }

    #[test]
    fn what_rounds_to_zero_has_no_minus() {
        assert_eq!(shown(".2", -0.001), "0.00");
        assert_eq!(shown("+.2", -0.001), "+0.00");
    }

    #[test]
    fn unknown_formats_are_refused_with_the_forms() {
        for text in ["", "2", ".x", ".18", "e", ".2f", "%%", "-.2"] {
            let error = Format::parse(text).unwrap_err();
            assert!(
                error.contains("is no format") && error.contains("`.2`"),
                "{text}: {error}"
            );
        }
    }
}
