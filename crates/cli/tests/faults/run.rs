//! One run: started, continued, continued after its end, and resumed from an earlier checkpoint.

use std::collections::BTreeSet;

use crate::{
    check,
    lab::{Lab, TINY},
    points::Choice,
    trial::{End, Trial},
};

const SAVE: &str = "--save model.safetensors --keep-checkpoints 2";

fn train() -> String {
    format!(
        "train {TINY} --steps 6 --checkpoint-interval 2 --sample-interval 3 --log-interval 2 --max-tokens 5 \
         --observe full {SAVE} --out run"
    )
}

/// Returns the command that continues a run that has started, and starts one that has not.
fn resumed(lab: &Lab) -> String {
    if lab.has("run/experiment.json") {
        format!("train --resume run {SAVE}")
    } else {
        train()
    }
}

fn nothing(_: &str) -> bool {
    false
}

/// Returns every line of events and every other file in `run/`, except the experiment, which can be
/// rewritten.
fn recorded(lab: &Lab) -> BTreeSet<Vec<u8>> {
    let mut found = BTreeSet::new();
    for (name, bytes) in lab
        .files()
        .into_iter()
        .filter(|(name, _)| name.starts_with("run/"))
    {
        if check::ends_in(&name, "jsonl") {
            found.extend(bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec));
        } else if !name.ends_with("/experiment.json") {
            found.insert(bytes);
        }
    }
    found
}

/// Checks that everything that `before` has recorded in `run/` is somewhere in that of `lab`.
fn nothing_is_lost(before: &Lab, lab: &Lab, after: &str) {
    let now = recorded(lab);
    for bytes in recorded(before) {
        let lost = String::from_utf8_lossy(&bytes);
        assert!(now.contains(&bytes), "{after}: lost: {lost:.200}");
    }
}

#[test]
fn a_run_that_begins() {
    let line = train();
    Trial {
        before: &Lab::new(),
        line: &line,
        again: &resumed,
        ignored: nothing,
        kept: &|_, _| {},
        events: Some("run/events.jsonl"),
        ordered: true,
        choice: Choice::EveryKind,
    }
    .at_all_points(&End::FAILURES);
}

/// Returns a run that was killed after its second checkpoint.
fn killed() -> Lab {
    let lab = Lab::new();
    let points = lab.copied().trace(&train());
    let second = |p: &crate::points::Passed| {
        p.what == "rename" && p.path.ends_with("step-00000004.safetensors")
    };
    let at = points.iter().position(second).expect("a checkpoint") + 5;
    lab.faulty(&train(), &format!("kill@{at}"));
    lab
}

#[test]
fn a_run_that_is_gone_on_with() {
    let before = killed();
    Trial {
        before: &before,
        line: &resumed(&before),
        again: &resumed,
        ignored: nothing,
        kept: &|_, _| {},
        events: None,
        ordered: true,
        choice: Choice::EveryKind,
    }
    .at_all_points(&End::FAILURES);
}

fn finished(steps: u32) -> Lab {
    let lab = Lab::new();
    lab.ok(&format!(
        "train {TINY} --steps {steps} --checkpoint-interval 2 --sample-interval 2 --max-tokens 5 --out run"
    ));
    lab
}

#[test]
fn a_run_that_is_gone_on_with_after_its_end() {
    let before = finished(4);
    let line = "train --resume run --steps 8";
    let again = |lab: &Lab| {
        let text = lab.read("run/experiment.json");
        let rewritten = String::from_utf8_lossy(&text).contains("\"to\": 8");
        let again = if rewritten {
            "train --resume run"
        } else {
            line
        };
        again.to_owned()
    };
    Trial {
        before: &before,
        line,
        again: &again,
        ignored: nothing,
        kept: &|lab, after| nothing_is_lost(&before, lab, after),
        events: None,
        ordered: true,
        choice: Choice::EveryKind,
    }
    .at_all_points(&End::FAILURES);
}

#[test]
fn a_run_that_is_gone_back_in_by_the_same_command() {
    let before = finished(6);
    let line = "train --resume run/checkpoints/step-00000002.safetensors";
    Trial {
        before: &before,
        line,
        again: &|_| line.to_owned(),
        ignored: |name| name.contains("/aside-"),
        kept: &|lab, after| nothing_is_lost(&before, lab, after),
        events: None,
        ordered: true,
        choice: Choice::EveryKind,
    }
    .at_all_points(&End::FAILURES);
}

/// What is set aside when the disk fails can include a checkpoint between the resumed one and the
/// newest.
#[test]
fn a_run_that_is_gone_back_in_and_then_gone_on_with() {
    let before = finished(6);
    Trial {
        before: &before,
        line: "train --resume run/checkpoints/step-00000002.safetensors",
        again: &|_| "train --resume run".to_owned(),
        ignored: |name| name.contains("/aside-") || name.ends_with("step-00000004.safetensors"),
        kept: &|lab, after| nothing_is_lost(&before, lab, after),
        events: None,
        ordered: true,
        choice: Choice::EveryKind,
    }
    .at_all_points(&[End::Full]);
}
