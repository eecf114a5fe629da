//! What only a terminal is shown. The tests use `script`, which is a terminal for the program it
//! runs, and are skipped without it.

use std::process::{Command, Stdio};

use crate::{Lab, TINY};

impl Lab {
    /// Returns what a terminal is shown of a command line; `None` without `script`.
    fn on_terminal(&self, line: &str) -> Option<String> {
        let script = Command::new("script")
            .args([
                "-qec",
                &format!("'{}' {line}", env!("CARGO_BIN_EXE_gptlab")),
            ])
            .arg("/dev/null")
            .current_dir(self.folder.path())
            .env("NO_COLOR", "1")
            .env("TERM", "xterm")
            .env_remove("COLUMNS")
            .stdin(Stdio::null())
            .output();
        Some(String::from_utf8(script.ok()?.stdout).expect("UTF-8"))
    }
}

#[test]
fn a_bar_says_what_time_is_left_once_a_speed_is_known() {
    let lab = Lab::new();
    let line = format!("train --data data.txt {TINY} --steps 40");
    let Some(shown) = lab.on_terminal(&line) else {
        return;
    };
    let bars: Vec<&str> = shown
        .split(['\r', '\n'])
        .filter(|line| line.contains("/40 | "))
        .collect();
    let unknown = " 0/40 | measuring the speed";
    assert!(bars.iter().any(|bar| bar.contains(unknown)), "{bars:?}");
    let at_the_start = |bar: &&&str| bar.contains(" 0/40 | ");
    let too_early = bars
        .iter()
        .filter(at_the_start)
        .find(|bar| bar.contains("left"));
    assert_eq!(too_early, None, "{bars:?}");
    let says_time = |bar: &&str| bar.contains(" tok/s | ") && bar.contains("s left");
    assert!(bars.iter().any(says_time), "{bars:?}");
}
