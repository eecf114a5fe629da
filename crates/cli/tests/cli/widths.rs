//! Lines that the program composes fit the terminal. Text that a model writes has any length.

use std::str;

use crate::{Lab, Ran, TINY};

impl Lab {
    /// Runs a command line in a terminal with `columns` characters a line; it must do its work.
    fn at(&self, columns: usize, line: &str) -> Ran {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = self.command(&words);
        command.env("COLUMNS", columns.to_string());
        let ran = Ran::of(command.output().expect("the program starts"));
        // `diff` ends with 1 if the runs differ.
        let code = i32::from(line.starts_with("diff"));
        assert_eq!(ran.code, code, "{line}\n{}", ran.err);
        ran
    }
}

/// Fails if a line is wider than `columns`, unless it is one word, which is never cut, and perhaps
/// its label, or holds a command that is wider with its label.
fn fits(columns: usize, line: &str, text: &str) {
    for said in text.lines() {
        let width = said.chars().count();
        let is_word = said.split_whitespace().count() <= 2;
        let mut code = said.split('`').skip(1).step_by(2);
        let is_code = code.any(|code| code.chars().count() + 26 > columns);
        assert!(
            width <= columns || is_word || is_code,
            "{line}\n{width}: {said}"
        );
    }
}

#[test]
fn every_command_fits_the_terminal() {
    let lab = Lab::trained();
    for run in ["a", "b"] {
        lab.ok(&format!("train --data data.txt {TINY} --out runs/{run}"));
    }
    let small = TINY
        .replace("--max-tokens 8", "")
        .replace("--preset gpt2-mini", "");
    let grid = "--seeds 2 --switches no-residual,qk-norm --out";
    lab.ok(&format!("ablate --data data.txt {small} {grid} grid"));
    for columns in [60, 80] {
        for line in [
            "--help",
            "train --help",
            "ablate --help",
            "probe --help",
            "eval model.safetensors --data data.txt",
            "eval runs/a --data data.txt --stride 4",
            "inspect model.safetensors",
            "inspect --preset modern",
            "inspect --preset modern --program train",
            "ablate --list",
            "probe --measures",
            "probe model.safetensors --prompt on --train-text data.txt",
            "baselines --data data.txt",
            "baselines --data copy:size=4000",
            "presets",
            "presets gpt2-mini",
            "presets modern",
            "presets nano-laptop",
            "train --preset modern --steps 3 --print-settings",
            "bench --only micro-16 --rounds 1 --seconds 0",
            "bench --only generate --rounds 1 --seconds 0 --peer",
            "runs",
            "diff runs/a grid/runs/baseline-s0",
            "doctor runs/a",
            "doctor grid",
            "doctor",
            "explain",
            "explain layer norm",
            "ablate --against published --list",
        ] {
            let ran = lab.at(columns, line);
            fits(columns, line, &ran.out);
            fits(columns, line, &ran.err);
        }
        // Reports are written into a folder of their own.
        for (i, line) in ["report runs/a", "report grid", "report runs/a runs/b"]
            .iter()
            .enumerate()
        {
            let line = format!("{line} --out page-{columns}-{i}");
            let ran = lab.at(columns, &line);
            let composed = ran.out.split(" wrote:").map(|part| {
                part.split_once("\nSymptoms:")
                    .map_or(part, |(_, rest)| rest)
            });
            composed.for_each(|part| fits(columns, &line, part));
            fits(columns, &line, &ran.err);
        }
        let line = format!("train --data data.txt {TINY} --out runs/{columns}");
        let ran = lab.at(columns, &line);
        let written = ran.out.split("---\n").step_by(2);
        written.for_each(|part| fits(columns, &line, part));
        fits(columns, &line, &ran.err);
    }
}

#[test]
fn a_wide_terminal_is_used_and_a_pipe_gets_whole_messages() {
    let lab = Lab::new();
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    assert!(widest(&lab.at(140, "probe --measures").out) > Some(100));
    let refused = lab.run("train --data nowhere-at-all.txt --steps 1");
    assert_eq!(refused.first_line().split(": ").next(), Some("error"));
    let words: Vec<&str> = "train --data nowhere-at-all.txt --steps 1"
        .split(' ')
        .collect();
    let narrow = lab.command(&words).env("COLUMNS", "40").output();
    let narrow = narrow.expect("the program starts").stderr;
    let narrow = str::from_utf8(&narrow).expect("UTF-8");
    assert_eq!(crate::unwrapped(narrow), crate::unwrapped(&refused.err));
    assert!(
        narrow.lines().count() > refused.err.lines().count(),
        "{narrow}"
    );
}
