//! The commands of `gptlab interactive`.

use std::{io::Write, iter::repeat_n, process::Stdio, thread, time::Duration};

use crate::Lab;

const LINE: &str = "interactive model.safetensors --max-tokens 12 --seed 1";

fn talk(lab: &Lab, input: &str) -> crate::Ran {
    let ran = lab.piped(LINE, input);
    assert_eq!(ran.code, 0, "{}", ran.err);
    ran
}

/// The witness is the same setting as a flag.
#[test]
fn a_command_does_what_the_flag_does() {
    let lab = Lab::trained();
    for (command, flag) in [
        ("/temperature 3", "--temperature 3"),
        ("/top-k 2", "--top-k 2"),
        ("/top_k=2", "--top-k 2"),
        ("/top-p 0.1", "--top-p 0.1"),
        ("/max-tokens 3", "--max-tokens 3"),
        ("/stop a", "--stop a"),
        ("/seed 7", "--seed 7"),
    ] {
        let by_command = talk(&lab, &format!("{command}\nthe cat\n")).out;
        let by_flag = lab.piped(&format!("{LINE} {flag}"), "the cat\n").out;
        assert_eq!(by_command, by_flag, "{command}");
        assert_ne!(
            by_command,
            talk(&lab, "the cat\n").out,
            "{command} does nothing"
        );
    }
    let ran = talk(&lab, "/temperature 3\n/temperature\n/seed\n/top-p\n");
    assert_eq!(
        ran.err,
        "temperature 3\ntemperature 3\nseed 1\ntop-p none\n"
    );
}

#[test]
fn a_reset_goes_back_to_the_start() {
    let lab = Lab::trained();
    let once = talk(&lab, "the cat\n").out;
    let twice = talk(&lab, "the cat\n/temperature 3\n/seed 5\n/reset\nthe cat\n").out;
    assert_eq!(twice, once.repeat(2));
    assert_ne!(talk(&lab, "the cat\nthe cat\n").out, once.repeat(2));
    assert_eq!(
        talk(&lab, "the cat\n/seed 1\nthe cat\n").out,
        once.repeat(2)
    );
}

#[test]
fn a_bad_value_is_a_sentence_and_changes_nothing() {
    let lab = Lab::trained();
    let bad = "/temperature x\n/temperature -1\n/top-k -2\n/top-p 2\n/seed x\n/stop QQ\n/nope 1\n";
    let ran = talk(
        &lab,
        &format!("/temperature 3\n{bad}/temperature\nthe cat\n"),
    );
    let expected = [
        "temperature 3",
        "error: temperature = x: expected a number",
        "error: temperature must be a number of at least 0, found -1",
        "error: top-k = -2: expected a whole number that is not negative",
        "error: top-p must be above 0 and at most 1, found 2",
        "error: seed = x: expected a whole number",
        "error: --stop \"QQ\" can never come: ",
        "error: there is no command /nope",
        "hint: /help lists the commands",
        "hint: a text that begins with a slash is typed with two: //nope 1",
        "temperature 3",
    ];
    assert_eq!(ran.err.lines().count(), expected.len(), "{}", ran.err);
    for (line, expected) in ran.err.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    assert_eq!(ran.out, talk(&lab, "/temperature 3\nthe cat\n").out);
}

#[test]
fn help_quit_and_a_text_that_begins_with_a_slash() {
    let lab = Lab::trained();
    let ran = talk(&lab, "/help\n/quit\nthe cat\n");
    assert_eq!(ran.out, "");
    for command in [
        "/temperature X",
        "/top-k K",
        "/top-p P",
        "/seed N",
        "/reset",
        "/quit",
        "//TEXT",
    ] {
        assert!(
            ran.err.lines().any(|line| line.starts_with(command)),
            "{}",
            ran.err
        );
    }
    assert!(
        ran.err.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.err
    );
    lab.file("paths.txt", "/usr/bin /usr/lib\n".repeat(20));
    lab.ok("train --data paths.txt --n-layer 1 --n-embd 8 --n-head 1 --block-size 8 --steps 1 --save m");
    let ran = lab.piped("interactive m --max-tokens 3 --seed 1", "//usr\n");
    assert!(ran.out.starts_with("/usr"), "{}{}", ran.out, ran.err);
}

/// A pipe gets no colours, and a terminal gets them unless `NO_COLOR` is set. The test of the
/// terminal uses `script`, and is skipped without it.
#[test]
fn what_was_typed_is_coloured_on_a_terminal_only() {
    let lab = Lab::trained();
    assert!(!talk(&lab, "the cat\n").out.contains('\x1b'));
    if cfg!(not(target_os = "linux")) {
        return;
    }
    let line = format!("'{}' {LINE}", env!("CARGO_BIN_EXE_gptlab"));
    for (no_color, coloured) in [("", true), ("1", false)] {
        let script = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .current_dir(lab.folder.path())
            .env("NO_COLOR", no_color)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut script) = script else { return };
        // A terminal may drop what is typed before the program has begun to read.
        let mut keys = script.stdin.take().expect("a pipe");
        let typed = ["the cat\n"; 2].into_iter().chain(repeat_n("/quit\n", 200));
        let typist = thread::spawn(move || {
            for line in typed {
                thread::sleep(Duration::from_millis(300));
                if keys.write_all(line.as_bytes()).is_err() {
                    break;
                }
            }
        });
        let script = script.wait_with_output().expect("its output");
        typist.join().expect("a typist");
        let shown = String::from_utf8(script.stdout).expect("UTF-8");
        assert!(shown.contains("/help lists commands"), "{shown:?}");
        let has = shown.contains("\x1b[36mthe cat\x1b[0m");
        assert_eq!(has, coloured, "{shown:?}");
    }
}
