//! Formats numbers for people.

/// The output of [`loss`] for zero, and for numbers that round to it.
const ZERO: &str = "0.0000";

/// Formats a loss, or another number of that size, to four places.
pub(crate) fn loss(x: f64) -> String {
    finite(x, |x| {
        if x.abs() >= 1e15 {
            return scientific(x);
        }
        let text = format!("{x:.4}");
        // A negative zero is printed as zero.
        let size = text.strip_prefix('-').unwrap_or(&text);
        if size == ZERO { ZERO.to_owned() } else { text }
    })
}

/// Formats a difference, with its sign.
pub(crate) fn signed(x: f64) -> String {
    finite(x, |x| {
        let text = loss(x);
        if text.starts_with('-') {
            text
        } else {
            format!("+{text}")
        }
    })
}

/// Returns whether a difference of losses is visible when it is printed.
pub(crate) fn shows(x: f64) -> bool {
    loss(x) != ZERO
}

/// Returns whether the loss `a` is lower than `b` by more than rounding, so that a reader of the
/// two printed numbers sees the difference. Every "better" and "worse" in a report uses this
/// function. Returns false for NaN.
pub(crate) fn is_below(a: f64, b: f64) -> bool {
    a < b && shows(b - a) && loss(a) != loss(b)
}

/// Returns whether neither of two losses is below the other. Returns false for NaN.
pub(crate) fn is_level(a: f64, b: f64) -> bool {
    !(a.is_nan() || b.is_nan() || is_below(a, b) || is_below(b, a))
}

/// Formats a number with three significant digits, with an exponent if it is very small or large.
pub(crate) fn short(x: f64) -> String {
    finite(x, |x| {
        let size = x.abs();
        if size == 0.0 {
            "0".to_owned()
        } else if (1e-3..1e5).contains(&size) {
            let places = (2 - size.log10().floor() as i32).clamp(0, 5);
            let text = format!("{x:.*}", places as usize);
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        } else {
            scientific(x)
        }
    })
}

/// Formats a number as [`short`] does, with the noun that follows it.
pub(crate) fn short_of(x: f64, one: &str, several: &str) -> String {
    let number = short(x);
    let noun = if number == "1" { one } else { several };
    format!("{number} {noun}")
}

/// Formats a number with an exponent and no trailing zeros: `1.5e-4`, `1e6`.
fn scientific(x: f64) -> String {
    let text = format!("{x:.2e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    format!("{digits}e{exponent}")
}

/// Formats a probability as papers do.
pub(crate) fn p_value(p: f64) -> String {
    match p {
        p if p.is_nan() => "?".to_owned(),
        p if p < 0.001 => "< 0.001".to_owned(),
        p => format!("{p:.3}"),
    }
}

/// Formats a number for programs: the shortest text that is read as the same number.
pub(crate) fn exact(x: f64) -> String {
    if x.is_finite() {
        format!("{x:?}")
    } else {
        finite(x, |x| x.to_string())
    }
}

fn finite(x: f64, format: impl FnOnce(f64) -> String) -> String {
    if x.is_nan() {
        "NaN".to_owned()
    } else if x.is_infinite() {
        if x > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else {
        format(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let formatted: Vec<String> = [0.0, 1.0, 12.345, 0.001_234, 3e-4, 123_456.0, -0.5]
            .map(short)
            .to_vec();
        assert_eq!(
            formatted,
            ["0", "1", "12.3", "0.00123", "3e-4", "1.23e5", "-0.5"]
        );
        assert_eq!(signed(0.25), "+0.2500");
        assert_eq!(
            (signed(-0.25), signed(-1e-9)),
            ("-0.2500".into(), "+0.0000".into())
        );
        assert_eq!(
            (loss(-1e-9), loss(f64::MAX)),
            ("0.0000".into(), "1.8e308".into())
        );
        assert_eq!(signed(f64::INFINITY), "inf");
        assert_eq!(loss(f64::NAN), "NaN");
        assert_eq!(
            (p_value(0.0004), p_value(0.04)),
            ("< 0.001".into(), "0.040".into())
        );
        assert_eq!(exact(0.1), "0.1");
        assert_eq!(exact(f64::INFINITY), "inf");
        assert_eq!(short(1234.0), "1234");
        assert_eq!(short_of(1.0, "pass", "passes"), "1 pass");
        assert_eq!(short_of(1.5, "pass", "passes"), "1.5 passes");
    }

    #[test]
    fn losses_differ_where_their_numbers_do() {
        assert!(is_below(2.0, 2.0002) && !is_below(2.0002, 2.0));
        // The pairs print the same, differ only by rounding, or are not numbers.
        for (a, b) in [(0.0, 1e-9), (1.000_01, 1.000_04), (1.000_049, 1.000_051)] {
            assert!(
                !is_below(a, b) && is_level(a, b) && is_level(b, a),
                "{a} {b}"
            );
        }
        assert!(!is_below(f64::NAN, 1.0) && !is_level(f64::NAN, f64::NAN));
        assert!(is_below(1.0, f64::INFINITY) && is_level(f64::INFINITY, f64::INFINITY));
    }
}
