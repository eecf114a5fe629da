//! Control characters in names, messages and samples: a terminal gets marks, a pipe gets the bytes.

use crate::{Lab, TINY};

/// A name of a file or a folder that some terminals interpret as new content of the clipboard.
const CLIPBOARD: &str = "no\x1b]52;c;aGk=\x07where";

#[test]
fn speech_shows_what_it_repeats() {
    let lab = Lab::new();
    let marked = "no\u{241B}]52;c;aGk=\u{2407}where";
    for (words, expected) in [
        (
            vec!["report", CLIPBOARD],
            format!("error: cannot read {marked}: there is no such file or folder"),
        ),
        (
            vec!["train", "--data", CLIPBOARD],
            format!("error: there is no file {marked};"),
        ),
        (
            vec![CLIPBOARD],
            format!("error: unrecognized subcommand '{marked}'"),
        ),
        (
            vec!["train", "--preset", "a\u{9b}31m\u{202e}\x1b[31mb"],
            "error: invalid value 'a\\u{9b}31m\\u{202e}\u{241B}[31mb'".to_owned(),
        ),
        (
            vec!["train", "--steps", "1\r2"],
            "error: invalid value '1\u{240D}2'".to_owned(),
        ),
    ] {
        let ran = lab.words(&words);
        assert_ne!(ran.code, 0);
        assert!(
            ran.first_line().starts_with(&expected),
            "{:?}",
            ran.first_line()
        );
        let risky = |c: &char| c.is_control() && *c != '\n' || *c == '\u{202e}';
        assert_eq!(ran.err.chars().find(risky), None, "{:?}", ran.err);
    }
}

/// Makes a lab with a model that knows escape sequences.
fn escaping() -> Lab {
    let lab = Lab::new();
    lab.file("data.txt", "\x1b]52;c;aGk=\x07 a \u{9b}31m".repeat(20));
    lab.ok(&format!("train --data data.txt {TINY} --save m"));
    lab
}

const PROMPT: &str = "\x1b]52;c;aGk=\x07 a \u{9b}3";

#[test]
fn a_pipe_gets_what_was_written() {
    let lab = escaping();
    let words = ["generate", "m", "--seed", "0", "--prompt", PROMPT];
    let ran = lab.words(&words);
    assert!(ran.out.starts_with(PROMPT), "{:?}", ran.out);
}

/// The test uses `script`, which is a terminal for the program it runs, and is skipped without it.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_shown_marks() {
    let lab = escaping();
    lab.file("prompt", PROMPT);
    let program = env!("CARGO_BIN_EXE_gptlab");
    for flags in ["", "--json"] {
        let line = format!("'{program}' generate m --seed 0 --prompt \"$(cat prompt)\" {flags}");
        let script = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(lab.folder.path())
            .env("NO_COLOR", "1")
            .stdin(std::process::Stdio::null())
            .output();
        let Ok(script) = script else { return };
        let shown = String::from_utf8(script.stdout).expect("UTF-8");
        assert!(shown.contains("]52;c;aGk="), "{shown:?}");
        let risky = |c: &char| c.is_control() && !"\r\n".contains(*c);
        assert_eq!(shown.chars().find(risky), None, "{shown:?}");
    }
}
