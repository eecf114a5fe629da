//! House rules of this crate: one file of fewer than 200 lines, no dependency, names of our own.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const SOURCE: &str = include_str!("../src/main.rs");
const COMPANION: &str = include_str!("../README.md");
const MANIFEST: &str = include_str!("../Cargo.toml");
const NAMES: &str = include_str!("../src/names.txt");

#[test]
fn main_rs_has_fewer_than_200_lines_as_rustfmt_leaves_them() {
    let rustfmt = |arguments: &[&str]| Command::new("rustfmt").args(arguments).output();
    if rustfmt(&["--version"]).is_ok_and(|output| output.status.success()) {
        let defaults = concat!(env!("CARGO_TARGET_TMPDIR"), "/rustfmt.toml");
        fs::write(defaults, "").expect("an empty configuration");
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/main.rs");
        let plain = ["--check", "--edition=2024", "--config-path", defaults, path];
        let status = rustfmt(&plain).expect("rustfmt starts").status;
        assert!(status.success(), "rustfmt would change main.rs");
    } else {
        eprintln!("no rustfmt here: the lines are counted as they stand");
    }
    assert!(
        SOURCE.lines().count() < 200,
        "{} lines",
        SOURCE.lines().count()
    );
    assert!(
        SOURCE.lines().all(|line| line.chars().count() <= 100),
        "a line of over 100"
    );
}

/// The page that explains the file holds all of it, in order.
#[test]
fn the_companion_page_explains_every_line() {
    let blocks = COMPANION.split("```rust\n").skip(1);
    let parts = blocks.map(|block| block.split_once("```").expect("an end of the code"));
    let (code, after): (Vec<&str>, Vec<&str>) = parts.unzip();
    let explained = code.into_iter().flat_map(str::lines);
    let lines = SOURCE.lines().filter(|line| !line.is_empty());
    let explained: Vec<&str> = explained.filter(|line| !line.is_empty()).collect();
    assert_eq!(explained, lines.collect::<Vec<_>>());
    for text in after {
        let words = text
            .split_whitespace()
            .take_while(|word| !word.starts_with("```"));
        assert!(
            words.count() > 8,
            "code without an explanation before {text}"
        );
    }
}

#[test]
fn nothing_but_std_is_used_and_safely() {
    assert!(
        !MANIFEST.contains("dependencies"),
        "a dependency in Cargo.toml"
    );
    assert!(MANIFEST.contains("unsafe_code = \"forbid\""));
    let imports = SOURCE
        .lines()
        .filter(|line| line.trim_start().starts_with("use "));
    assert!(imports.into_iter().all(|line| line.contains("use std::")));
    assert!(!SOURCE.contains("\nmod ") && !SOURCE.contains("extern crate"));
}

#[test]
fn the_built_in_names_are_a_thousand_distinct_names() {
    let distinct: BTreeSet<&str> = NAMES.lines().collect();
    assert_eq!(distinct.len(), NAMES.lines().count(), "a name twice");
    assert!(distinct.len() >= 1000, "{} names", distinct.len());
    for name in distinct {
        assert!(
            (2..=15).contains(&name.len()),
            "{name:?} does not fit the context"
        );
        assert!(name.bytes().all(|b| b.is_ascii_lowercase()), "{name:?}");
    }
}
