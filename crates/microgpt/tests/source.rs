//! House rules of this crate: the algorithm in one file of fewer than 200 lines, what Python has
//! built in beside it, no dependency, names of our own.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

const SOURCE: &str = include_str!("../src/main.rs");
const PYTHON: &str = include_str!("../src/python.rs");
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
        assert!(
            status.success(),
            "rustfmt would change main.rs or python.rs"
        );
    } else {
        eprintln!("no rustfmt here: the lines are counted as they stand");
    }
    assert!(
        SOURCE.lines().count() < 200,
        "{} lines",
        SOURCE.lines().count()
    );
    let mut lines = SOURCE.lines().chain(PYTHON.lines());
    assert!(
        lines.all(|line| line.chars().count() <= 100),
        "a line of over 100"
    );
}

/// The page that explains the two files holds all of them, in order.
#[test]
fn the_companion_page_explains_every_line() {
    let blocks = COMPANION.split("```rust\n").skip(1);
    let parts = blocks.map(|block| block.split_once("```").expect("an end of the code"));
    let (code, after): (Vec<&str>, Vec<&str>) = parts.unzip();
    let explained = code.into_iter().flat_map(str::lines);
    let lines = SOURCE.lines().chain(PYTHON.lines());
    let lines = lines.filter(|line| !line.is_empty());
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
    let lines = || {
        let lines = SOURCE.lines().chain(PYTHON.lines()).map(str::trim_start);
        lines.map(|line| line.trim_start_matches("pub(crate) "))
    };
    let allowed = ["std::", "python::", "crate::Value;", "println;"];
    for name in lines().filter_map(|line| line.strip_prefix("use ")) {
        assert!(
            allowed.iter().any(|ours| name.starts_with(ours)),
            "use {name}"
        );
    }
    let modules: Vec<&str> = lines().filter(|line| line.starts_with("mod ")).collect();
    assert_eq!(modules, ["mod python;"]);
    assert!(!lines().any(|line| line.starts_with("extern crate")));
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
