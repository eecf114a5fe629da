//! Words and lists of messages.

/// The largest number of names that a message lists.
const MOST: usize = 12;

/// Returns the names in backticks, separated by commas; `nothing` if there are none. A long list is
/// cut.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "nothing".to_owned(),
        1..=MOST => names.join(", "),
        n => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
    }
}

/// Returns `n` with the noun `what`: `1 output`, `2 outputs`.
pub fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Returns `text` with the characters replaced that have a meaning in HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_are_cut_and_empty_ones_say_so() {
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert_eq!(listed([]), "nothing");
        assert!(listed(["x"; 14]).ends_with("`x` and 2 more"));
        assert_eq!(
            (plural(1, "day"), plural(0, "day")),
            ("1 day".into(), "0 days".into())
        );
        assert_eq!(escaped("<a \"&\">"), "&lt;a &quot;&amp;&quot;&gt;");
    }
}
