//! `gptlab data`, and the weights that a run begins with: what others need to check a run.

use serde_json::Value;

use crate::{Lab, TEXT, TINY};

#[test]
fn built_in_texts_are_written() {
    let lab = Lab::new();
    let stories = lab.ok("data write stories").out;
    assert!(stories.len() > 900_000);
    let copy = lab.ok("data write copy:seed=3,size=2000").out;
    let first = copy.lines().next().expect("a line");
    let (before, after) = first.split_once('|').expect("a bar");
    assert_eq!(before, after);
    // What is written is what is trained on.
    lab.file("copy.txt", &copy);
    let loss = |data: &str| {
        lab.ok(&format!(
            "baselines --tokenizer lines --data {data} --up-to 2"
        ))
        .out
    };
    let numbers = |said: String| -> Vec<String> {
        let rows = said.lines().filter(|line| line.contains("-gram"));
        rows.map(|row| row.split_whitespace().take(4).collect::<Vec<_>>().join(" "))
            .collect()
    };
    assert_eq!(
        numbers(loss("copy.txt")),
        numbers(loss("copy:seed=3,size=2000"))
    );
    let ran = lab.run("data write poems");
    assert_eq!(ran.code, 2);
    assert!(
        ran.err
            .contains("there is no built-in text called `poems`; there are stories, names")
    );
}

/// The witness cuts the text by hand, and finds every window in it.
#[test]
fn batches_of_a_run_are_windows_of_its_text() {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --out run"));
    let found: Value =
        serde_json::from_str(&lab.ok("data batches run --step 3 --json").out).expect("JSON");
    assert_eq!(found["step"], 3);
    let sequences = found["sequences"].as_array().expect("sequences");
    assert_eq!(sequences.len(), 2);
    let whole = TEXT.repeat(8);
    let mut alphabet: Vec<char> = whole.chars().collect();
    alphabet.sort_unstable();
    alphabet.dedup();
    for sequence in sequences {
        let numbers = |key: &str| -> Vec<usize> {
            let list = sequence[key].as_array().expect("tokens");
            list.iter()
                .map(|t| t.as_u64().expect("a token") as usize)
                .collect()
        };
        let (inputs, targets) = (numbers("inputs"), numbers("targets"));
        assert_eq!(inputs.len(), 16);
        assert_eq!(inputs[1..], targets[..15]);
        let read: String = inputs.iter().map(|t| alphabet[*t]).collect();
        assert!(whole.contains(&read), "{read:?}");
    }
    let said = lab.ok("data batches run").out;
    assert_eq!(said.lines().count(), 2, "{said}");
    let ran = lab.run("data batches run --step 5");
    assert_eq!(
        (ran.code, ran.first_line()),
        (2, "error: --step must be below the run's 5 steps, found 5")
    );
    std::fs::remove_file(lab.path("data.txt")).expect("the text");
    assert_eq!(lab.run("data batches run").code, 3);
}

/// A run that begins with the saved first weights is the run that saved them.
#[test]
fn first_weights_can_be_saved() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --save-init first.safetensors --save last.safetensors"
    ));
    let said = lab.ok("inspect first.safetensors").out;
    assert!(said.contains("step         0 of 5"), "{said}");
    lab.ok(&format!(
        "train --data data.txt {TINY} --load first.safetensors --save again.safetensors"
    ));
    let loss = |file: &str| lab.ok(&format!("eval {file} --data data.txt --json")).out;
    assert_eq!(loss("last.safetensors"), loss("again.safetensors"));
    assert_ne!(loss("last.safetensors"), loss("first.safetensors"));
    // It replaces nothing but a checkpoint, and a run that goes on has no first weights.
    let ran = lab.run(&format!(
        "train --data data.txt {TINY} --save-init data.txt"
    ));
    assert_eq!(ran.code, 3, "{}", ran.err);
    let ran = lab
        .run("train --resume last.safetensors --data data.txt --steps 9 --save-init x.safetensors");
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("goes on after 5 steps"), "{}", ran.err);
}
