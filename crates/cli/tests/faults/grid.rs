//! Grids: the same command continues one, and ends with the same results.

use crate::{
    check,
    lab::{Lab, TINY},
    points::{Choice, Passed},
    trial::{End, Trial},
};

fn tried(line: &str, ordered: bool, choice: Choice) {
    Trial {
        before: &Lab::new(),
        line,
        again: &|_| line.to_owned(),
        ignored: |_| false,
        kept: &|_, _| {},
        events: None,
        ordered,
        choice,
    }
    .at_all_points(&End::FAILURES);
}

fn ablate(jobs: u32) -> String {
    format!(
        "ablate {TINY} --steps 4 --log-interval 2 --switches no-mlp --seeds 1 --jobs {jobs} --out grid"
    )
}

#[test]
fn an_ablation() {
    tried(&ablate(1), true, Choice::EveryKind);
}

/// The clock decides which run passes a point.
#[test]
fn an_ablation_of_two_runs_side_by_side() {
    tried(&ablate(2), false, Choice::Few);
}

#[test]
fn a_sweep() {
    let line = format!("sweep {TINY} --steps 2 --log-interval 1 --sizes tiny --out grid");
    tried(&line, true, Choice::Few);
}

/// Only the checkpoint of each variant's first seed is kept.
#[test]
fn a_kill_between_an_outcome_and_its_checkpoint_s_removal() {
    let line = ablate(1).replace("--seeds 1", "--seeds 2");
    let whole = Lab::new();
    let points = whole.trace(&line);
    let removed = |p: &Passed| {
        p.what == "remove" && p.path == "grid/runs/no-mlp-s1/checkpoints/step-00000004.safetensors"
    };
    let at = 1 + points
        .iter()
        .position(removed)
        .expect("the checkpoint is removed");
    let lab = Lab::new();
    lab.faulty(&line, &format!("kill@{at}"));
    assert!(lab.has(&points[at - 1].path));
    lab.ok(&line);
    check::same_files(&lab, &whole, |_| false, "killed before it was removed");
}
