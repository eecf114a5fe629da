//! Formats numbers, times and names for people, shells and file systems. All output for people uses
//! these functions, so that pages and terminals show the same text.

use gptlab_recipe::words::plural_s;
use unicode_width::UnicodeWidthStr;

/// Returns `n` with its digits in groups of three: `1234567` as `1,234,567`.
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns `n` with the noun `what`: `1 token`, `2,000 tokens`.
pub fn plural(n: usize, what: &str) -> String {
    format!("{} {what}{}", count(n as u64), plural_s(n as u64))
}

/// Returns `seconds` in one unit, rounded: `90.0 s`, `20 min`, `2.0 h`. This form is short enough
/// for a table cell.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() || s < 0.0 => "?".to_owned(),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6_000.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3_600.0),
    }
}

/// Returns `seconds` in two units from a minute on: `3.1 s`, `3 min 20 s`, `2 h 1 min`. This form
/// is for sentences.
pub fn duration_in_two_units(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) => format!("{seconds:.1} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Returns the number of columns that `text` takes on a terminal: two for each character of the
/// scripts of East Asia, none for one that combines with the character before.
pub fn display_width(text: &str) -> usize {
    text.width()
}

/// Returns `text` followed by spaces up to `width` columns.
pub fn padded(text: &str, width: usize) -> String {
    text.to_owned() + &" ".repeat(width.saturating_sub(display_width(text)))
}

/// Wraps each line of `text` to `width` characters. Later lines are as far from the left as the
/// text of the first one, which may follow a label and two spaces. A word that is longer than a
/// line stays whole, and so do code between backticks, a field between ` | ` and the next, and a
/// comment after ` # `. A line with code that does not fit is left to the terminal, so that the
/// code can be copied.
pub fn wrapped(text: &str, width: usize) -> String {
    let lines = text.split('\n').map(|line| hanging(line, width));
    lines.collect::<Vec<_>>().join("\n")
}

/// Breaks lines of a text that a model wrote, so that each takes at most `width` columns: after the
/// last space that fits, or after any character if no space does. Spaces at a break are left out.
pub fn broken(text: &str, width: usize) -> String {
    let lines = text.split('\n').map(|line| broken_line(line, width));
    lines.collect::<Vec<_>>().join("\n")
}

fn broken_line(line: &str, width: usize) -> String {
    let (mut out, mut rest) = (String::new(), line);
    while display_width(rest) > width {
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        let fit = ends.take_while(|end| display_width(&rest[..*end]) <= width);
        // A character that is wider than a line stays whole.
        let first = rest.chars().next().map_or(0, char::len_utf8);
        let fit = fit.last().unwrap_or(first).max(first);
        let follows_space = rest[fit..].starts_with(' ');
        let space = rest[..fit].rfind(' ').filter(|_| !follows_space);
        let (before, after) = rest.split_at(space.map_or(fit, |at| at + 1));
        out.push_str(before.trim_end_matches(' '));
        rest = if follows_space {
            after.get(1..).unwrap_or_default()
        } else {
            after
        };
        if rest.is_empty() {
            break;
        }
        out.push('\n');
    }
    out + rest
}

/// The largest number of characters of a label.
const LABEL: usize = 26;

fn hanging(line: &str, width: usize) -> String {
    if display_width(line) <= width {
        return line.to_owned();
    }
    if let Some((first, rest)) = line.split_once(FIELD) {
        return fields(first, rest, width);
    }
    let first = line.len() - line.trim_start().len();
    let label = line[first..].find("  ").map_or(first, |end| {
        let gap = &line[first + end..];
        first + end + gap.len() - gap.trim_start().len()
    });
    let at = if label <= LABEL.min(width / 2) {
        label
    } else {
        first
    };
    let (label, text) = line.split_at(at);
    let indent = display_width(label);
    let mut code = line.split('`').skip(1).step_by(2);
    if code.any(|code| indent + display_width(code) + 2 > width) {
        return line.to_owned();
    }
    let room = width.saturating_sub(indent);
    let (text, comment) = match text.rsplit_once(" # ") {
        Some((text, comment)) => (text, format!("# {comment}")),
        None => (text, String::new()),
    };
    let mut lines = crate::table::wrap(text, room);
    match lines.last_mut() {
        Some(last) if display_width(last) + 1 + display_width(&comment) <= room => {
            last.push(' ');
            last.push_str(&comment);
            last.truncate(last.trim_end().len());
        }
        _ => lines.push(comment),
    }
    lines.retain(|line| !line.is_empty());
    label.to_owned() + &lines.join(&format!("\n{}", " ".repeat(indent)))
}

/// What stands between two fields of a line.
const FIELD: &str = " | ";

/// Wraps the fields of a line: later lines begin below the end of the `first` one.
fn fields(first: &str, rest: &str, width: usize) -> String {
    let indent = display_width(first);
    let mut out = first.to_owned();
    let mut column = indent;
    for field in rest.split(FIELD) {
        let size = FIELD.len() + display_width(field);
        if column > indent && column + size > width {
            out += &["\n", &" ".repeat(indent)].concat();
            column = indent;
        }
        out += &[FIELD, field].concat();
        column += size;
    }
    out
}

/// Returns `text` in lines of at most `width` characters, each after `indent` spaces and with a
/// line feed at its end; nothing for an empty text. A word that is longer has a line of its own.
pub fn indented(text: &str, indent: usize, width: usize) -> String {
    let lines = crate::table::wrap(text, width.saturating_sub(indent));
    let lines = lines.iter().filter(|line| !line.is_empty());
    lines.map(|line| " ".repeat(indent) + line + "\n").collect()
}

/// Returns `words` in columns, one below the other, in lines of at most `width` characters with
/// two spaces between columns.
pub fn columns(words: &[&str], width: usize) -> String {
    let longest = words.iter().map(|word| display_width(word)).max();
    let column = longest.unwrap_or_default() + 2;
    let across = ((width + 2) / column).max(1);
    let down = words.len().div_ceil(across);
    let line = |row: usize| {
        let cells = words.iter().skip(row).step_by(down);
        let cells: Vec<String> = cells.map(|word| padded(word, column)).collect();
        cells.concat().trim_end().to_owned() + "\n"
    };
    (0..down).map(line).collect()
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    pub year: u64,
    /// The month, from 1.
    pub month: u64,
    /// The day of the month, from 1.
    pub day: u64,
}

/// Returns the day that is `days` after 1 January 1970: Howard Hinnant's `civil_from_days`,
/// <https://howardhinnant.github.io/date_algorithms.html>.
pub fn date(days: u64) -> Date {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    Date {
        year: year_of_era + era * 400 + u64::from(month <= 2),
        month,
        day,
    }
}

/// Returns `word` as one word of a POSIX shell. It is put in single quotes unless all its
/// characters are plain.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if word.is_empty() {
        "''".to_owned()
    } else {
        in_quotes_unless(plain, word)
    }
}

/// Returns `path` as it is typed after a command. Letters of all scripts and the separators of
/// Windows, whose shells have no single quotes, stay unchanged; any other path is quoted by
/// [`shell_word`].
pub fn shell_path(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/\\._-:".contains(c);
    in_quotes_unless(plain, path)
}

fn in_quotes_unless(plain: impl Fn(char) -> bool, text: &str) -> String {
    if text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// Returns `name` as a file name or an anchor in a page: lower-case ASCII letters, digits and
/// single hyphens.
pub fn slug(name: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let slug: String = name.chars().map(kept).collect();
    let words: Vec<&str> = slug.split('-').filter(|w| !w.is_empty()).collect();
    words.join("-")
}

/// Returns the first 40 characters of `name` as part of a folder's name: letters of any script,
/// digits and hyphens. An empty name stays empty.
pub fn folder_slug(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .take(40)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_wrote_is_broken_and_stays_what_it_is() {
        assert_eq!(broken("as it is\n\n  so", 8), "as it is\n\n  so");
        assert_eq!(broken("one two three", 8), "one two\nthree");
        assert_eq!(broken("one two three", 7), "one two\nthree");
        assert_eq!(broken("abcdefgh ij", 3), "abc\ndef\ngh\nij");
        assert_eq!(broken("吾輩は猫", 5), "吾輩\nは猫");
        assert_eq!(broken("吾輩", 1), "吾\n輩");
        assert_eq!(broken("a   b", 2), "a\n b");
        assert_eq!(broken("", 5), "");
    }

    #[test]
    fn numbers_are_grouped_by_three() {
        let formatted: Vec<String> = [0, 999, 1_000, 61_000, 1_234_567].map(count).to_vec();
        assert_eq!(formatted, ["0", "999", "1,000", "61,000", "1,234,567"]);
        assert_eq!(plural(1, "token"), "1 token");
        assert_eq!(plural(2_000, "token"), "2,000 tokens");
    }

    #[test]
    fn durations_are_short() {
        assert_eq!(duration(90.0), "90.0 s");
        assert_eq!(duration(7_200.0), "2.0 h");
        assert_eq!(duration_in_two_units(3.07), "3.1 s");
        assert_eq!(duration_in_two_units(200.2), "3 min 20 s");
        assert_eq!(duration_in_two_units(7_300.0), "2 h 1 min");
    }

    /// The widths are those of Unicode's annex 11.
    #[test]
    fn east_asian_characters_take_two_columns() {
        assert_eq!(display_width("吾輩 = I"), 8);
        assert_eq!(display_width("e\u{301}"), 1);
        assert_eq!(padded("吾輩", 6), "吾輩  ");
        assert_eq!(wrapped("text   吾輩 は猫", 15), "text   吾輩\n       は猫");
        assert_eq!(columns(&["猫", "cat"], 9), "猫   cat\n");
    }

    #[test]
    fn lines_are_indented_and_no_longer_than_asked() {
        assert_eq!(indented("one two three", 2, 9), "  one two\n  three\n");
        assert_eq!(indented("", 2, 9), "");
    }

    #[test]
    fn later_lines_hang_below_the_text_of_the_first() {
        assert_eq!(wrapped("one two three", 9), "one two\nthree");
        assert_eq!(wrapped("  one two three", 9), "  one two\n  three");
        assert_eq!(
            wrapped("text   one two three", 14),
            "text   one two\n       three"
        );
        assert_eq!(wrapped("short\n\nlines", 9), "short\n\nlines");
        let command = "hint: `gptlab generate runs/a` goes on";
        assert_eq!(wrapped(command, 20), command);
        assert_eq!(
            wrapped(command, 26),
            "hint:\n`gptlab generate runs/a`\ngoes on"
        );
        assert_eq!(
            wrapped("a-label-as-long  as a line", 20),
            "a-label-as-long as a\nline"
        );
    }

    #[test]
    fn fields_and_comments_stay_whole() {
        assert_eq!(
            wrapped("step 1 | val 3.9 | lr 3e-4", 26),
            "step 1 | val 3.9 | lr 3e-4"
        );
        assert_eq!(
            wrapped("step 1 | val 3.9 | lr 3e-4", 20),
            "step 1 | val 3.9\n       | lr 3e-4"
        );
        let op = "- ln     = norm(a, b) # T x 32";
        assert_eq!(wrapped(op, 30), op);
        assert_eq!(wrapped(op, 28), "- ln     = norm(a, b)\n         # T x 32");
        assert_eq!(wrapped(op, 20), "- ln     = norm(a,\n         b) # T x 32");
    }

    #[test]
    fn columns_are_as_many_as_fit() {
        let words = ["a", "bb", "ccc", "d", "e"];
        assert_eq!(columns(&words, 13), "a    ccc  e\nbb   d\n");
        assert_eq!(columns(&words, 1), "a\nbb\nccc\nd\ne\n");
        assert_eq!(columns(&[], 80), "");
    }

    #[test]
    fn a_command_can_be_pasted() {
        assert_eq!(shell_word("--data"), "--data");
        assert_eq!(shell_word("my text.txt"), "'my text.txt'");
        assert_eq!(shell_word("it's; rm"), "'it'\\''s; rm'");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_path(r"C:\runs\吾輩"), r"C:\runs\吾輩");
        assert_eq!(shell_path("it's"), r"'it'\''s'");
    }

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug("no residual / lr=0.1"), "no-residual-lr-0-1");
        assert_eq!(folder_slug("my text"), "my-text");
        assert_eq!(folder_slug("吾輩は猫である"), "吾輩は猫である");
    }
}
