//! The natural order of names, in which layer 2 comes before layer 10.

use std::cmp::Ordering;

/// Compares texts character by character, and the numbers in them by value.
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (x, y) = (digits(a), digits(b));
        let by = if x.is_empty() || y.is_empty() {
            a.chars().next().cmp(&b.chars().next())
        } else {
            by_number(x, y)
        };
        if by != Ordering::Equal || a.is_empty() {
            return by;
        }
        (a, b) = (after(a, x), after(b, y));
    }
}

/// Returns the digits at the start of `text`.
fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

/// Compares numbers with any count of digits.
fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Returns the text after `number`, or after the first character if there is no number.
fn after<'a>(text: &'a str, number: &str) -> &'a str {
    let first = text.chars().next().map_or(0, char::len_utf8);
    &text[number.len().max(first)..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_and_letters_stay_in_order() {
        let mut names = [
            "layers.10.b",
            "layers.2.b",
            "layers.2.a10",
            "layers.2.a9",
            "layers",
            "layers.x",
            "layers.02.c",
            "ä",
            "",
            "99999999999999999999999",
            "100000000000000000000000",
        ];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(
            names,
            [
                "",
                "99999999999999999999999",
                "100000000000000000000000",
                "layers",
                "layers.2.a9",
                "layers.2.a10",
                "layers.2.b",
                "layers.02.c",
                "layers.10.b",
                "layers.x",
                "ä",
            ]
        );
    }

    proptest::proptest! {
        #[test]
        fn it_is_an_order(texts in proptest::collection::vec("[a0-2.]{0,5}", 3)) {
            let [a, b, c] = [&texts[0], &texts[1], &texts[2]];
            proptest::prop_assert_eq!(natural(a, b), natural(b, a).reverse());
            if natural(a, b).is_le() && natural(b, c).is_le() {
                proptest::prop_assert!(natural(a, c).is_le());
            }
        }
    }
}
