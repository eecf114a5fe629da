//! Grids: the same command goes on with one, and comes to the same results.

use crate::{
    lab::{Lab, TINY},
    points::Choice,
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
        "ablate {TINY} --steps 4 --log-interval 2 --switches mlp --seeds 1 --jobs {jobs} --out grid"
    )
}

#[test]
fn an_ablation() {
    tried(&ablate(1), true, Choice::EveryKind);
}

/// Which run passes a point depends on the clock.
#[test]
fn an_ablation_of_two_runs_side_by_side() {
    tried(&ablate(2), false, Choice::Few);
}

#[test]
fn a_sweep() {
    let line = format!("sweep {TINY} --steps 2 --log-interval 1 --sizes tiny --out grid");
    tried(&line, true, Choice::Few);
}
