//! `learn`: the chapters of the book.

use gptlab_report::words::display_width;

use crate::{Lab, Ran, unwrapped};

/// Runs a command line that must succeed, with these environment variables.
fn with(lab: &Lab, line: &str, variables: &[(&str, &str)]) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = lab.command(&words);
    command.envs(variables.iter().copied());
    let ran = Ran::of(command.output().expect("the program starts"));
    assert_eq!(ran.code, 0, "{line}\n{}", ran.err);
    ran.out
}

#[test]
fn chapters_are_listed_and_shown_by_number_or_name() {
    let lab = Lab::new();
    let list = lab.ok("learn --language en");
    assert!(
        list.out.starts_with(" 1  Guessing the next character\n"),
        "{}",
        list.out
    );
    let japanese = lab.ok("learn --language ja").out;
    assert!(
        japanese.starts_with(" 1  ") && !japanese.is_ascii(),
        "{japanese}"
    );
    let chapter = lab.ok("learn 4 --language en");
    assert_eq!(chapter.out, lab.ok("learn attention --language en").out);
    let hint = "the page with its pictures is book/html/en/04-attention.html";
    assert!(unwrapped(&chapter.err).contains(hint), "{}", chapter.err);
    let all = lab.ok("learn --json --language en").out;
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    assert_eq!(all[0]["name"], "01-guessing");
    let one = lab.ok("learn 1 --json --language ja").out;
    let one: serde_json::Value = serde_json::from_str(&one).unwrap();
    assert_eq!(one["language"], "ja");
    assert!(one["text"].as_str().unwrap().starts_with("# "));
}

#[test]
fn a_chapter_that_does_not_exist_and_a_language_without_a_book() {
    let lab = Lab::new();
    let ran = lab.run("learn 99");
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.err,
        "error: the book has no chapter 99\nhint: `gptlab learn` lists the chapters\n"
    );
    assert_eq!(lab.run("learn 1 --language fr").code, 2);
}

/// A pipe gets the Markdown; a terminal gets lines that fit.
#[test]
fn lines_fit_the_terminal_and_a_pipe_gets_markdown() {
    let lab = Lab::new();
    let whole = lab.ok("learn 4 --language en").out;
    assert!(
        whole.starts_with("# ") && whole.contains("\n## "),
        "{whole}"
    );
    for (language, columns) in [("en", 60), ("ja", 60), ("ja", 80)] {
        let line = format!("learn 4 --language {language}");
        let fitted = with(&lab, &line, &[("COLUMNS", &columns.to_string())]);
        let mut in_code = fitted.lines().filter(|line| display_width(line) > columns);
        // Commands and outputs keep their lines.
        let source = lab.ok(&line).out;
        assert!(
            in_code.all(|line| source.contains(line)),
            "{language} {columns}\n{fitted}"
        );
        assert!(!fitted.contains("\n## "));
    }
}

/// The language of the environment is the default, by the variable that POSIX says counts.
#[test]
fn the_environment_chooses_the_language() {
    let lab = Lab::new();
    let japanese = lab.ok("learn --language ja").out;
    let none = [("LC_ALL", ""), ("LC_MESSAGES", ""), ("LANG", "")];
    let asks = |name: &'static str, value: &'static str| {
        let mut set = none.to_vec();
        set.retain(|(other, _)| *other != name);
        set.push((name, value));
        with(&lab, "learn", &set)
    };
    assert_eq!(asks("LANG", "ja_JP.UTF-8"), japanese);
    assert_eq!(asks("LC_ALL", "ja"), japanese);
    assert_eq!(
        asks("LANG", "de_DE.UTF-8"),
        lab.ok("learn --language en").out
    );
    assert_eq!(asks("LANG", "C"), lab.ok("learn --language en").out);
}
