//! Paths that hold something else than a run, and runs that lack something: what the message says,
//! and what it says to do.

use std::fs;

use crate::{Lab, TINY, unwrapped};

/// A small model for a grid.
const SMALL: &str = "--preset gpt2-mini --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 5";

/// Makes a lab with the grid `grid`, the run `run` in the folder `some`, and a damaged run.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.ok(&format!(
        "ablate --data data.txt {SMALL} --switches no-mlp --seeds 1 --out grid"
    ));
    lab.ok(&format!("train --data data.txt {TINY} --out some/run"));
    lab.ok(&format!("train --data data.txt {TINY} --out damaged"));
    lab.file("damaged/experiment.json", "{");
    lab
}

#[test]
fn what_is_no_run_is_named_and_the_way_to_runs_is_told() {
    let lab = lab();
    let inside = "hint: `gptlab runs grid/runs` lists the runs in it";
    let some = "hint: `gptlab runs some` lists the runs in it";
    let usual = "hint: `gptlab runs` lists runs";
    let model = "a checkpoint or the folder of a run";
    for (line, expected, found, hint) in [
        ("eval grid", model, "the folder of a grid", inside),
        ("generate some", model, "a folder of runs", some),
        (
            "diff grid some/run",
            "the folder of a run or a checkpoint",
            "the folder of a grid",
            inside,
        ),
        (
            "train --resume grid",
            "the folder of a run, or a checkpoint",
            "the folder of a grid",
            inside,
        ),
        (
            "report data.txt",
            "the folder of a run or a grid",
            "a file",
            usual,
        ),
        (
            "report some/run grid/report",
            "the folder of a run (experiment.json)",
            "the folder of a report",
            usual,
        ),
    ] {
        let ran = lab.run(line);
        assert_eq!(ran.code, 3, "{line}\n{}", ran.err);
        let err = unwrapped(&ran.err);
        let sentence = format!("expected {expected}, found {found} {hint}");
        assert!(err.contains(&sentence), "{line}\n{}", ran.err);
    }
}

#[test]
fn the_runs_of_a_grid_are_listed_by_its_folder() {
    let lab = lab();
    let out = lab.ok("runs grid").out;
    assert!(
        out.contains("baseline-s0") && out.contains("no-mlp-s0"),
        "{out}"
    );
}

#[test]
fn a_damaged_record_names_the_checkpoint_that_is_left() {
    let lab = lab();
    let ran = lab.run("report damaged");
    assert_eq!(ran.code, 3, "{}", ran.err);
    let checkpoints = fs::read_dir(lab.path("damaged/checkpoints")).unwrap();
    assert_eq!(checkpoints.count(), 1);
    let hint = "hint: the model that this run saved last can still be used: \
                damaged/checkpoints/step-00000005.safetensors";
    assert!(unwrapped(&ran.err).contains(hint), "{}", ran.err);
    lab.ok("generate damaged/checkpoints/step-00000005.safetensors --max-tokens 2");
}

#[test]
fn a_run_that_diverged_before_its_first_checkpoint_says_so() {
    let lab = Lab::new();
    let diverges = "--lr 1000 --norm none --grad-clip 0 --warmup 0 --steps 50";
    let ran = lab.run(&format!(
        "train --data data.txt {TINY} {diverges} --out run"
    ));
    assert_eq!(ran.code, 1, "{}", ran.err);
    let ran = lab.run("generate run");
    let found = "expected a run with a checkpoint, found one that diverged at step ";
    assert!(unwrapped(&ran.err).contains(found), "{}", ran.err);
    // Resuming it computes the same, and sets aside what was recorded before.
    let ran = lab.run("train --resume run");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(lab.path("run/aside-1/events.jsonl").is_file());
}

#[test]
fn without_validation_nothing_is_compared_and_it_is_said_why() {
    let lab = Lab::new();
    for grid in [
        "ablate --switches no-mlp --seeds 2",
        "sweep --grid lr=1e-3,2e-3",
    ] {
        let ran = lab.run(&format!(
            "{grid} --data data.txt {SMALL} --val-fraction 0 --out grid"
        ));
        assert_eq!(ran.code, 2, "{grid}\n{}", ran.err);
        let why = "error: a grid compares validation losses, and nothing is kept for validation;";
        assert!(unwrapped(&ran.err).starts_with(why), "{}", ran.err);
        assert!(!lab.path("grid").exists());
    }
    for seed in [1, 2] {
        lab.ok(&format!(
            "train --data data.txt {TINY} --val-fraction 0 --seed {seed} --out run{seed}"
        ));
    }
    let out = unwrapped(&lab.ok("report run1").out);
    let why = "There is no validation loss: nothing of the text was kept for validation";
    assert!(out.contains(why), "{out}");
    let out = lab.ok("report run1 run2").out;
    assert!(
        out.starts_with("No run kept a part of its text for validation"),
        "{out}"
    );
}
