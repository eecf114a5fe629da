//! The commands in the README are those that the checks run.

use crate::{none, root};
use std::fs;

#[test]
fn every_command_of_the_readme_is_run_by_the_checks() {
    let readme = fs::read_to_string(root().join("README.md"));
    let checks = fs::read_to_string(root().join(".ci/run"));
    // Either file can be absent from a source package; if both exist, they must agree.
    if let (Ok(readme), Ok(checks)) = (readme, checks) {
        none(&unchecked(&readme, &checks));
    }
}

#[test]
fn lines_of_the_readme_are_at_most_120_columns() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let wide = readme.lines().filter(|line| line.chars().count() > 120);
    let wide: Vec<String> = wide
        .map(|line| format!("README.md: a wide line: {line}"))
        .collect();
    none(&wide);
}

/// Returns commands in the README's shell blocks that the checks do not run.
fn unchecked(readme: &str, checks: &str) -> Vec<String> {
    commands(readme)
        .into_iter()
        .filter(|command| !squeeze(checks).contains(&squeeze(command)))
        .map(|command| format!("README.md says `{command}` and .ci/run never runs it"))
        .collect()
}

/// Normalises the white space, and the program's name however it is started.
fn squeeze(text: &str) -> String {
    let words: Vec<&str> = text
        .split_whitespace()
        .filter(|word| *word != "--locked")
        .collect();
    let mut text = words.join(" ");
    for started in [
        "cargo run --release --",
        "./target/release/gptlab",
        "\"$gptlab\"",
    ] {
        text = text.replace(started, "gptlab");
    }
    text
}

/// Returns lines of fenced shell blocks that run this project, without prompt and comment.
fn commands(readme: &str) -> Vec<String> {
    let (mut found, mut shell) = (Vec::new(), false);
    for line in readme.lines().map(str::trim) {
        if let Some(language) = line.strip_prefix("```") {
            shell = ["sh", "bash", "console", "shell"].contains(&language);
        } else if shell {
            let line = line.trim_start_matches("$ ");
            let line = line.split(" #").next().unwrap_or_default().trim();
            if ["cargo ", "gptlab ", "./"]
                .iter()
                .any(|c| line.starts_with(c))
            {
                found.push(line.to_owned());
            }
        }
    }
    found
}

#[test]
fn a_command_nobody_runs_is_seen() {
    let readme = "# x\n```sh\n$ cargo run --release -- train   # first\ngptlab eval a.b\n```\n\
                  ```text\ngptlab not a command\n```\n";
    assert_eq!(
        commands(readme),
        ["cargo run --release -- train", "gptlab eval a.b"]
    );
    let checks = "set -e\n\"$gptlab\"  train --steps 2\n";
    assert_eq!(
        unchecked(readme, checks),
        ["README.md says `gptlab eval a.b` and .ci/run never runs it"]
    );
    assert_eq!(
        unchecked(readme, &format!("{checks}gptlab eval a.b\n")),
        [] as [&str; 0]
    );
}
