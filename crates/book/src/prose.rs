//! Finds numbers with a decimal point that a person typed into the text of a chapter.

/// Returns the numbers with a decimal point in `text`, with their lines, but for those in code, in
/// references, in the targets of links and in HTML tags.
pub fn typed_decimals(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    for (line, content) in (1..).zip(text.lines()) {
        let trimmed = content.trim_start();
        let mark = ["```", "~~~"]
            .into_iter()
            .find(|mark| trimmed.starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                let numbers = decimals(&prose_of(content));
                found.extend(numbers.into_iter().map(|number| (line, number)));
            }
        }
    }
    found
}

/// Returns a line without what is not prose.
fn prose_of(line: &str) -> String {
    let line = without(line, "{{", "}}");
    let line = without(&line, "`", "`");
    let line = without(&line, "](", ")");
    let line = without_tags(&line);
    let words = line.split(' ').map(|word| {
        let is_address = word.contains("https://") || word.contains("http://");
        if is_address { "" } else { word }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Returns `text` without everything from an `open` to the next `close`.
fn without(text: &str, open: &str, close: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(open) {
        let Some((_, after)) = after.split_once(close) else {
            break;
        };
        out.push_str(before);
        out.push(' ');
        rest = after;
    }
    out + rest
}

/// Returns `text` without HTML tags and addresses in angle brackets.
fn without_tags(text: &str) -> String {
    let is_tag = |inside: &str| inside.starts_with(|c: char| c.is_alphabetic() || "/!".contains(c));
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        rest = match after.split_once('>').filter(|_| is_tag(after)) {
            Some((_, after)) => after,
            None => after,
        };
        out.push(' ');
    }
    out + rest
}

/// Returns the numbers that have digits on both sides of a decimal point. Digits and points of full
/// width, which Japanese text may have, are read as the others.
fn decimals(text: &str) -> Vec<String> {
    let narrow: String = text.chars().map(narrowed).collect();
    let is_part = |c: char| c.is_ascii_digit() || ".,".contains(c);
    narrow
        .split(|c| !is_part(c))
        .map(|number| number.trim_matches(['.', ',']))
        .filter(|number| number.contains('.'))
        .map(str::to_owned)
        .collect()
}

fn narrowed(c: char) -> char {
    match c {
        '０'..='９' => char::from(b'0' + (u32::from(c) - u32::from('０')) as u8),
        '．' => '.',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<String> {
        typed_decimals(text)
            .into_iter()
            .map(|(_, number)| number)
            .collect()
    }

    #[test]
    fn decimals_in_prose_are_found_with_their_lines() {
        assert_eq!(
            typed_decimals("a\nit is 3.07, or 1,234.5.\n"),
            [(2, "3.07".into()), (2, "1,234.5".into())]
        );
        assert_eq!(numbers("損失は３．０７です。"), ["3.07"]);
        assert_eq!(numbers("損失は3.07です。"), ["3.07"]);
        assert_eq!(
            numbers("x < 0.5, y > 0.25, `open 0.75"),
            ["0.5", "0.25", "0.75"]
        );
        assert_eq!(numbers("<b class=\"0.5\">0.25</b>"), ["0.25"]);
    }

    #[test]
    fn whole_numbers_and_what_is_not_prose_are_left_alone() {
        for text in [
            "58 characters. 3 of them, 1,000.",
            "`0.5` and {{o.b:.2}} and [a](https://x/1.5) and <https://x/1.5> https://x/1.5",
            "```sh\n0.5\n```\n",
            "~~~text\n```\n0.5\n~~~\n",
            "1. one\n2. two",
        ] {
            assert_eq!(numbers(text), [] as [&str; 0], "{text}");
        }
        assert_eq!(numbers("```\n0.5\n```\n0.25"), ["0.25"]);
    }
}
