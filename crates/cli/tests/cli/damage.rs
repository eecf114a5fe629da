//! Damaged files and diverged models: both are detected, and nothing valid is lost.

use std::fs;

use crate::{Lab, TINY};

#[test]
fn a_flipped_bit_in_a_checkpoint_is_noticed_by_everyone() {
    let lab = Lab::trained();
    let whole = lab.read("model.safetensors");
    // The flipped bit is in the weights, in the moments that only training needs, and in the
    // metadata.
    for at in [whole.len() / 3, whole.len() - 100, 40] {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        lab.file("flipped.safetensors", &flipped);
        for line in [
            "generate flipped.safetensors",
            "eval flipped.safetensors --data data.txt",
            "inspect flipped.safetensors",
            "probe flipped.safetensors --prompt the",
            "train --resume flipped.safetensors --data data.txt",
            "train --load flipped.safetensors --data data.txt --steps 1",
            "diff flipped.safetensors model.safetensors",
        ] {
            let ran = lab.run(line);
            assert_eq!(ran.code, 3, "byte {at}, {line}: {}{}", ran.out, ran.err);
            assert!(
                ran.err.contains("flipped.safetensors: expected "),
                "{}",
                ran.err
            );
        }
    }
    let mut flipped = whole.clone();
    let at = whole.len() / 3;
    flipped[at] ^= 4;
    lab.file("flipped.safetensors", &flipped);
    let output = lab.run("eval flipped.safetensors --data data.txt").err;
    assert!(
        output.contains("error: flipped.safetensors: expected weights with SHA-256 "),
        "{output}"
    );
    assert!(
        output.contains("; the file is damaged, or another program changed it"),
        "{output}"
    );
}

/// A model into which another program wrote a NaN, as a file of format 1, which has no digests.
fn with_nan(lab: &Lab) {
    let whole = lab.read("model.safetensors");
    let length = u64::from_le_bytes(whole[..8].try_into().expect("a length")) as usize;
    let head = std::str::from_utf8(&whole[8..8 + length]).expect("a header");
    let begin = head.find(r#"\"sha256\":{"#).expect("digests");
    let end = begin + head[begin..].find("},").expect("their end") + 2;
    let head = [&head[..begin], &head[end..]].concat();
    let head = head.replace(r#"\"format\":2"#, r#"\"format\":1"#);
    let mut data = whole[8 + length..].to_vec();
    data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let length = (head.len() as u64).to_le_bytes();
    lab.file(
        "nan.safetensors",
        [&length[..], head.as_bytes(), &data].concat(),
    );
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let lab = Lab::trained();
    with_nan(&lab);
    for line in [
        "generate nan.safetensors",
        "eval nan.safetensors --data data.txt",
    ] {
        let ran = lab.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{line}: {}", ran.err);
        assert!(
            ran.first_line().starts_with(
                "error: nan.safetensors: expected a model of finite numbers, found NaN in `"
            ),
            "{}",
            ran.err
        );
    }
}

/// A flag allows a look at the numbers of such a model.
#[test]
fn a_probe_may_look_at_what_is_not_finite() {
    let lab = Lab::trained();
    with_nan(&lab);
    let ran = lab.run("probe nan.safetensors --prompt the");
    assert_eq!(ran.code, 3, "{}", ran.err);
    let ran = lab.run("probe nan.safetensors --prompt the --non-finite");
    assert_eq!(ran.code, 0, "{}", ran.err);
}

/// Steps of size 900 along the gradient overflow after a few updates.
const DIVERGING: &str = "--optimizer sgd --lr 900 --grad-clip 0 --warmup 0 --steps 60";

#[test]
fn a_run_that_diverges_ends_there_and_keeps_every_finite_checkpoint() {
    let lab = Lab::trained();
    let good = lab.read("model.safetensors");
    let line = format!(
        "train --data data.txt {TINY} {DIVERGING} --save model.safetensors --out run \
         --checkpoint-interval 1 --keep-checkpoints 2"
    );
    let ran = lab.run(&line);
    assert_eq!(ran.code, 1, "{}", ran.err);
    let at = ran
        .err
        .lines()
        .find_map(|line| line.strip_prefix("error: the model diverged at step "))
        .unwrap_or_else(|| panic!("{}", ran.err));
    assert!(
        at.contains(": the ") && at.contains(" is no longer a finite number"),
        "{at}"
    );
    assert!(
        ran.err
            .contains("hint: start again with a third of the --lr"),
        "{}",
        ran.err
    );
    let step: u64 = at
        .split(':')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a step");
    assert!(step > 0 && step < 60);

    // Valid checkpoints were not replaced by invalid ones, and those saved since are finite.
    assert!(
        lab.read("model.safetensors") != good,
        "a later finite state"
    );
    lab.ok("generate model.safetensors --max-tokens 3");
    let newest = format!("run/checkpoints/step-{step:08}.safetensors");
    assert!(ran.err.contains(&newest), "{}", ran.err);
    lab.ok(&format!("inspect {newest}"));
    let events = String::from_utf8(lab.read("run/events.jsonl")).expect("UTF-8");
    let last = events.lines().last().expect("an event");
    assert!(
        last.starts_with(&format!(r#"{{"event":"diverged","step":{step},"#)),
        "{last}"
    );
    assert!(!events.contains(r#""event":"done""#));

    // A resumed run diverges at the same step.
    let again = lab.run("train --resume run");
    assert_eq!(again.code, 1);
    assert!(
        again.err.contains(&format!("diverged at step {step}:")),
        "{}",
        again.err
    );
}

#[test]
fn a_first_step_that_diverges_leaves_no_checkpoint_and_the_old_file() {
    let lab = Lab::trained();
    let good = lab.read("model.safetensors");
    let line = format!("train --data data.txt {TINY} --init-std 3e38 --save model.safetensors");
    let ran = lab.run(&line);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.err
            .contains("error: the model diverged at step 0: the validation loss is no longer"),
        "{}",
        ran.err
    );
    assert!(lab.read("model.safetensors") == good);
    let ran = lab.run("micro --steps 3 --data data.txt");
    assert_eq!(ran.code, 0, "{}", ran.err);
}

/// A diverged run of a grid has the same outcome, however long before its end it was killed.
#[test]
fn a_grid_killed_before_the_outcome_of_a_diverged_run_resumes_to_the_same() {
    let lab = Lab::new();
    let small = "--data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2";
    let line = format!("ablate --switches no-mlp --seeds 1 {small} {DIVERGING} --out grid");
    lab.ok(&line);
    let results = lab.read("grid/results.json");
    let run = lab.path("grid/runs/no-mlp-s0");
    let events = fs::read_to_string(run.join("events.jsonl")).expect("events");
    assert!(events.contains(r#""event":"diverged""#), "{events}");
    let lines: Vec<&str> = events.lines().collect();
    for kept in 0..=lines.len() {
        let _ = fs::remove_file(run.join("outcome.json"));
        let text = lines[..kept].join("\n") + if kept > 0 { "\n" } else { "" };
        fs::write(run.join("events.jsonl"), text).expect("the events of a killed run");
        lab.ok(&line);
        assert!(
            lab.read("grid/results.json") == results,
            "killed after {kept} events"
        );
    }
}

#[test]
fn a_damaged_newest_checkpoint_is_named_and_the_one_before_taken() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --steps 6 --checkpoint-interval 2 --out run --save whole.safetensors"
    ));
    let newest = lab.path("run/checkpoints/step-00000006.safetensors");
    let torn = fs::read(&newest).expect("a checkpoint");
    fs::write(&newest, &torn[..torn.len() / 2]).expect("a torn checkpoint");
    let ran = lab.ok("train --resume run");
    assert!(
        ran.err
            .contains("warning: run/checkpoints/step-00000006.safetensors: expected ")
            && ran
                .err
                .contains("; the run continues from run/checkpoints/step-00000004.safetensors"),
        "{}",
        ran.err
    );
    assert!(fs::read(&newest).expect("a checkpoint") == lab.read("whole.safetensors"));
    assert!(
        lab.path("run/aside-1/checkpoints/step-00000006.safetensors")
            .exists()
    );
}

#[test]
fn lost_events_are_begun_anew_with_a_word() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --steps 6 --checkpoint-interval 3 --out run"
    ));
    for name in ["events.jsonl", "checkpoints/step-00000006.safetensors"] {
        fs::remove_file(lab.path(&format!("run/{name}"))).expect("a file of the run");
    }
    let ran = lab.ok("train --resume run");
    assert!(
        ran.err
            .contains("warning: the run's events.jsonl was missing"),
        "{}",
        ran.err
    );
    let events = String::from_utf8(lab.read("run/events.jsonl")).expect("UTF-8");
    assert!(
        events
            .lines()
            .last()
            .is_some_and(|line| line.contains(r#""event":"done""#))
    );
}
