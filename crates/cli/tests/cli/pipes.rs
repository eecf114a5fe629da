//! The behaviour when nobody reads the output, as in `gptlab generate model.safetensors | head -1`.

use std::io;

use crate::{Lab, Ran, TINY};

#[test]
fn a_reader_that_leaves_ends_every_command_in_peace() {
    let lab = Lab::trained();
    let train = format!("train --data data.txt {TINY}");
    for line in [
        "--help",
        "presets",
        "inspect --preset microgpt",
        "baselines --data data.txt",
        "generate model.safetensors --max-tokens 1000000000",
        "eval model.safetensors --data data.txt",
        "micro",
        &train,
        &format!("{train} --json"),
    ] {
        let ran = unread(&lab, line);
        assert_eq!(ran.code, 0, "{line}\n{}", ran.err);
        let complains = ["panicked", "error", "pipe"]
            .iter()
            .any(|word| ran.err.contains(word));
        assert!(!complains, "{line}\n{}", ran.err);
    }
}

/// Runs a command line into a pipe that nobody reads.
fn unread(lab: &Lab, line: &str) -> Ran {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    let words: Vec<&str> = line.split_whitespace().collect();
    let mut command = lab.command(&words);
    Ran::of(command.stdout(writer).output().expect("the program starts"))
}
