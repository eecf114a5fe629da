//! Lines that the program composes fit the terminal, and so do samples of a training.

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
            fits(columns, &line, &ran.out);
            fits(columns, &line, &ran.err);
        }
        let line = format!("train --data data.txt {TINY} --out runs/{columns}");
        let ran = lab.at(columns, &line);
        fits(columns, &line, &ran.out);
        fits(columns, &line, &ran.err);
    }
}

/// What a model wrote is broken to the terminal's width by `train` and `report`; a pipe, the record
/// and `generate` have it as it is.
#[test]
fn samples_of_a_training_are_broken_to_the_terminal() {
    let lab = Lab::new();
    let long = TINY.replace("--max-tokens 8", "--max-tokens 300");
    // A text of one line has no line break to learn.
    lab.file("line.txt", "the cat sat on the mat ".repeat(20));
    let line = |out: &str| format!("train --data line.txt {long} --out {out}");
    let sample = |ran: &Ran| -> String {
        let after = ran.out.split(" ---\n").nth(1).expect("a sample");
        after.split("\n---\n").next().unwrap_or_default().to_owned()
    };
    let narrow = sample(&lab.at(60, &line("narrow")));
    let whole = sample(&lab.ok(&line("whole")));
    let widest = |text: &str| text.lines().map(|line| line.chars().count()).max();
    assert!(widest(&whole) > Some(60), "{whole}");
    assert!(widest(&narrow) <= Some(60), "{narrow}");
    let letters = |text: &str| text.replace([' ', '\n'], "");
    assert_eq!(letters(&narrow), letters(&whole));
    for run in ["narrow", "whole"] {
        let events = String::from_utf8(lab.read(&format!("{run}/events.jsonl"))).expect("UTF-8");
        let whole = serde_json::to_string(&whole).expect("JSON");
        assert!(events.contains(&whole), "{run} does not hold {whole}");
    }
    let told = lab.at(60, "report narrow --out page").out;
    let told = told.split(" wrote:\n").nth(1).expect("a sample");
    let told: Vec<&str> = told.lines().take_while(|line| !line.is_empty()).collect();
    assert!(
        told.len() > 1 && told.iter().all(|line| line.chars().count() <= 60),
        "{told:?}"
    );
    let words = "generate narrow --max-tokens 300";
    assert!(widest(&lab.at(60, words).out) > Some(60));
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
