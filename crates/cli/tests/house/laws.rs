//! The table of laws in ARCHITECTURE.md: every law has a test, and every test exists.

use crate::{none, root};
use std::{fs, path::Path};

#[test]
fn every_law_has_a_test_that_exists() {
    // The file can be absent from a source package.
    if let Ok(text) = fs::read_to_string(root().join("ARCHITECTURE.md")) {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
        none(&complaints(&text, read));
    }
}

/// Returns laws without a test, and tests that are not in the file that the table names.
fn complaints(text: &str, read: impl Fn(&str) -> String) -> Vec<String> {
    let rows: Vec<[&str; 3]> = text.lines().filter_map(row).collect();
    let untested = laws(text)
        .filter(|law| !rows.iter().any(|[of, ..]| of == law))
        .map(|law| format!("law {law} has no test in the table"));
    let absent = rows
        .iter()
        .filter(|[_, test, path]| !read(path).contains(&format!("fn {test}(")))
        .map(|[law, test, path]| format!("law {law}: there is no `{test}` in {path}"));
    untested.chain(absent).collect()
}

/// Returns the numbers of the laws: paragraphs of their section that start with one.
fn laws(text: &str) -> impl Iterator<Item = &str> {
    let section = text.split("\n## ").find(|part| part.starts_with("Laws\n"));
    let lines = section.unwrap_or_default().lines();
    lines.filter_map(|line| {
        let (number, _) = line.split_once(". **")?;
        number.parse::<u8>().is_ok().then_some(number)
    })
}

/// A row of the table: a law's number, a test and its file.
fn row(line: &str) -> Option<[&str; 3]> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let ["", law, test, path, ""] = cells[..] else {
        return None;
    };
    let path = path.strip_prefix('`')?.strip_suffix('`')?;
    let test = test.strip_prefix('`')?.strip_suffix('`')?;
    let is_row =
        law.parse::<u8>().is_ok() && Path::new(path).extension().is_some_and(|e| e == "rs");
    is_row.then_some([law, test, path])
}

#[test]
fn a_law_without_a_test_and_a_test_that_is_gone_are_seen() {
    let text = "# x\n## Laws\n\n1. **One.** a\n2. **Two.** b\n\n| law | test | in |\n\
                | 1 | `here` | `a.rs` |\n| 1 | `gone` | `a.rs` |\n## y\n3. **No law**\n";
    let read = |_: &str| "fn here() {}".to_owned();
    assert_eq!(
        complaints(text, read),
        [
            "law 2 has no test in the table",
            "law 1: there is no `gone` in a.rs"
        ]
    );
}
