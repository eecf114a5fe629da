//! Finds a part of a source file by a text in its first line.

/// Returns the lines of an item of `source`: from the comments and attributes above the only line
/// that contains `start`, to the line that ends the item. That is the first line with a semicolon
/// at its end, or a closing bracket at its beginning and no opening one at its end, that is not
/// further to the right.
///
/// # Errors
/// Returns a sentence if no line contains `start`, if several do, or if the item has no end.
pub fn item(source: &str, start: &str) -> Result<String, String> {
    let lines: Vec<&str> = source.lines().collect();
    let mut found = (0..lines.len()).filter(|i| !is_above(lines[*i]) && lines[*i].contains(start));
    let first = match (found.next(), found.next()) {
        (Some(first), None) => first,
        (None, _) => return Err(format!("no line of the file contains `{start}`")),
        (Some(_), Some(_)) => {
            return Err(format!(
                "several lines of the file contain `{start}`; write more of the line"
            ));
        }
    };
    let depth = indent(lines[first]);
    let ends = |i: &usize| {
        let line = lines[*i];
        let closes = line.trim_start().starts_with(['}', ')', ']']) && !line.ends_with('{');
        let is_whole = line.ends_with(';') || (line.ends_with('}') && *i == first);
        indent(line) <= depth && !line.trim().is_empty() && (closes && *i > first || is_whole)
    };
    let last = (first..lines.len()).find(ends);
    let last = last.ok_or_else(|| format!("the item that begins with `{start}` has no end"))?;
    let above = lines[..first]
        .iter()
        .rev()
        .take_while(|line| is_above(line));
    let lines = &lines[first - above.count()..=last];
    let text: Vec<&str> = lines
        .iter()
        .map(|line| line.get(depth..).unwrap_or(""))
        .collect();
    Ok(text.join("\n"))
}

/// Returns whether a line is a comment or an attribute, which belongs to the item below it.
fn is_above(line: &str) -> bool {
    ["//", "#["]
        .iter()
        .any(|mark| line.trim_start().starts_with(mark))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "//! A file.\n\n/// Says f.\n#[inline]\nfn f(x: f64) -> f64 {\n    if x > 0.0 {\n        x\n    } else {\n        g(x)\n    }\n}\n\n\
        const N: usize = 3;\n\nfn long(\n    a: u8,\n) -> u8 {\n    a\n}\n\nimpl S {\n    // Adds.\n    fn add(self) -> S {\n        self\n    }\n}\n";

    #[test]
    fn an_item_has_its_comments_and_its_end() {
        let f = "/// Says f.\n#[inline]\nfn f(x: f64) -> f64 {\n    if x > 0.0 {\n        x\n    } else {\n        g(x)\n    }\n}";
        assert_eq!(item(SOURCE, "fn f(").unwrap(), f);
        assert_eq!(item(SOURCE, "const N").unwrap(), "const N: usize = 3;");
        let add = "// Adds.\nfn add(self) -> S {\n    self\n}";
        assert_eq!(item(SOURCE, "fn add").unwrap(), add);
        assert_eq!(
            item(SOURCE, "fn long(").unwrap(),
            "fn long(\n    a: u8,\n) -> u8 {\n    a\n}"
        );
    }

    #[test]
    fn a_text_that_is_not_there_or_not_alone_is_refused() {
        assert!(item(SOURCE, "fn h").unwrap_err().contains("no line"));
        assert!(item(SOURCE, "fn ").unwrap_err().contains("several lines"));
        assert!(
            item("fn f() {\n", "fn f")
                .unwrap_err()
                .contains("has no end")
        );
    }
}
