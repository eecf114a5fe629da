//! The recipe that `train` chooses for a text, `--for`, and runs as models.

use std::fs;

use crate::{Lab, TINY};

/// The lines between `recipe` and the first step.
fn reasons(err: &str) -> Vec<&str> {
    let begun = err.lines().skip_while(|line| !line.starts_with("recipe"));
    let lines = begun.take_while(|line| line.starts_with("recipe") || line.starts_with(' '));
    lines.collect()
}

#[test]
fn a_text_without_a_preset_gets_a_recipe_with_reasons() {
    let lab = Lab::new();
    // The built-in stories are a text like any other, too long to be read too often in a second.
    let ran = lab.ok("train --for 1s --val-tokens 256 --out timed");
    let begun = lab.json("timed/experiment.json");
    assert_eq!(begun["data"]["origin"]["builtin"], "stories");
    assert_eq!(begun["hyper"]["optimizer"], "muon");
    let timed = reasons(&ran.err);
    assert_eq!(timed.len(), 8, "{}", ran.err);
    assert!(timed[0].contains(" on two ordinary cores"), "{}", ran.err);
    assert!(timed[6].contains(" ms a step"), "{}", ran.err);
    assert!(timed[7].contains("--size-for "), "{}", ran.err);
    // In so short a time, most of it goes into validations of a text.
    let ran = lab.ok("train --for 1s --out short");
    let short = reasons(&ran.err);
    assert!(short[6].ends_with(" s a val"), "{}", ran.err);
    // A flag takes the reason of what it changes away.
    let small = "--n-layer 1 --n-embd 32 --n-head 2";
    let ran = lab.ok(&format!(
        "train --data data.txt {small} --steps 20 --out run"
    ));
    let reasons = reasons(&ran.err);
    assert_eq!(reasons.len(), 5, "{}", ran.err);
    assert!(!ran.err.contains("layers of width"), "{}", ran.err);
    let lines = timed.iter().chain(&reasons);
    assert!(
        lines.into_iter().all(|line| line.len() <= 80),
        "{}",
        ran.err
    );
    let experiment = lab.json("run/experiment.json");
    let hyper = &experiment["hyper"];
    assert_eq!(hyper["optimizer"], "muon");
    assert_eq!(hyper["precision"], serde_json::Value::Null, "f32");
    assert_eq!(experiment["spec"]["position"], "rotary");
    // A text of 400 characters is read a hundred times, so that its model needs dropout.
    assert!(experiment["spec"]["dropout"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_flags_that_are_printed_repeat_the_run_to_the_bit() {
    let lab = Lab::new();
    let ran = lab.ok("train --data data.txt --for 1s --out timed --save timed.safetensors");
    let again = ran.err.lines().find(|line| line.contains("again"));
    let flags = again.and_then(|line| line.find("--size-for").map(|at| &line[at..]));
    let flags = flags.unwrap_or_else(|| panic!("{}", ran.err));
    lab.ok(&format!(
        "train --data data.txt {flags} --out again --save again.safetensors"
    ));
    assert!(lab.read("timed.safetensors") == lab.read("again.safetensors"));
}

#[test]
fn a_typed_time_sizes_the_model_and_no_speed_does() {
    let lab = Lab::new();
    let width = |flags: &str, out: &str| {
        lab.ok(&format!(
            "train --data data.txt {flags} --val-tokens 128 --out {out}"
        ));
        lab.json(format!("{out}/experiment.json"))["spec"]["n_embd"].clone()
    };
    assert_eq!(width("--steps 1", "default"), 64);
    assert_eq!(width("--steps 1 --for 5s", "for"), 32);
    assert_eq!(width("--steps 1 --size-for 10m", "size"), 128);
    assert_eq!(width("--for 1s --size-for 25s", "timed"), 48);
    let refused = lab.run("train --data data.txt --steps 1 --for 5s --size-for 10m");
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("leave --for out"), "{}", refused.err);
    let refused = lab.run("train --data data.txt --preset modern --size-for 25s --steps 1");
    assert_eq!(refused.code, 2);
    assert!(
        refused.err.contains("a preset has its own size"),
        "{}",
        refused.err
    );
}

#[test]
fn every_choice_can_be_overridden() {
    let lab = Lab::new();
    let flags = "--optimizer adamw --precision f32 --n-layer 1 --dropout 0.3 --batch-size 2 \
                 --position learned --lr 0.001 --steps 2";
    lab.ok(&format!("train --data data.txt {flags} --out run"));
    let experiment = lab.json("run/experiment.json");
    let hyper = &experiment["hyper"];
    assert_eq!(hyper["optimizer"], serde_json::Value::Null);
    assert_eq!(hyper["precision"], serde_json::Value::Null);
    assert_eq!(hyper["steps"], 2);
    assert_eq!(hyper["batch_size"], 2);
    assert_eq!(hyper["lr"], 0.001);
    assert_eq!(experiment["spec"]["position"], "learned");
    assert_eq!(experiment["spec"]["layers"].as_array().unwrap().len(), 1);
}

#[test]
fn a_preset_is_trained_for_a_time() {
    let lab = Lab::new();
    let tiny = TINY.replace("--steps 5", "");
    let ran = lab.ok(&format!("train --data data.txt {tiny} --for 1s --out run"));
    assert!(
        ran.err.contains("the same run again       --steps "),
        "{}",
        ran.err
    );
    let experiment = lab.json("run/experiment.json");
    assert!(experiment["hyper"]["steps"].as_u64().unwrap() > 5);
    assert_eq!(experiment["spec"]["position"], "learned");
}

#[test]
fn a_preset_of_documents_learns_names_where_no_text_is_typed() {
    let lab = Lab::new();
    let ran = lab.ok("train --preset microgpt --steps 1");
    assert!(ran.err.contains("the built-in text `names`"), "{}", ran.err);
}

#[test]
fn times_that_cannot_be_are_refused() {
    let lab = Lab::new();
    for typed in ["soon", "0s", "2", "10ms"] {
        let ran = lab.run(&format!("train --data data.txt --for {typed}"));
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(
            ran.err
                .contains("expected a time of at least a second, such as 90s, 2m or 1h30m"),
            "{}",
            ran.err
        );
    }
    let ran = lab.run(&format!("train --data data.txt {TINY} --for 1s"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("give one of them"), "{}", ran.err);
    // No number of steps is too large to be refused with a sentence.
    let ran = lab.run(&format!("train --data data.txt --steps {}", u64::MAX));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(
        ran.err.contains("steps must be from 1 to 4294967295"),
        "{}",
        ran.err
    );
    // A resumed run has its number of steps, and a loaded model its own recipe.
    for from in ["--load m.safetensors", "--resume run"] {
        let ran = lab.run(&format!("train --data data.txt {from} --for 1s"));
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains("cannot be used with"), "{}", ran.err);
    }
}

#[test]
fn mini_is_the_ancestor_with_its_own_defaults() {
    let lab = Lab::new();
    let tiny = TINY
        .replace("--preset gpt2-mini", "")
        .replace('-', "_")
        .replace("__", "--");
    let tiny = tiny.replace(" _", " -");
    lab.ok(&format!(
        "mini --data data.txt --disable_residual 1 {tiny} --out mini"
    ));
    let hyper = &lab.json("mini/experiment.json")["hyper"];
    assert_eq!(
        (&hyper["lr"], &hyper["beta2"]),
        (&3e-4.into(), &0.999.into())
    );
    let spec = &lab.json("mini/experiment.json")["spec"];
    assert_eq!(spec["position"], "learned");
    assert_eq!(spec["wiring"]["residual"], "none");
}

#[test]
fn the_folder_of_a_run_is_a_model() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --out run --save model.safetensors"
    ));
    let by = |model: &str| {
        lab.ok(&format!("generate {model} --prompt the --seed 1"))
            .out
    };
    assert_eq!(by("run"), by("model.safetensors"));
    assert_eq!(
        lab.ok("eval run --data data.txt").out,
        lab.ok("eval model.safetensors --data data.txt").out
    );
    fs::create_dir(lab.path("empty")).unwrap();
    let ran = lab.run("generate empty");
    assert_eq!(ran.code, 3);
    assert!(
        ran.err
            .contains("expected a checkpoint or the folder of a run, found another folder"),
        "{}",
        ran.err
    );
}

#[test]
fn runs_lie_beside_each_other() {
    let lab = Lab::new();
    for (steps, name) in [(5, "long"), (2, "short")] {
        let tiny = TINY.replace("--steps 5", &format!("--steps {steps}"));
        lab.ok(&format!("train --data data.txt {tiny} --out runs/{name}"));
    }
    let told = lab.ok("runs");
    let row = |name: &str| {
        let found = told.out.lines().find(|line| line.starts_with(name));
        found.unwrap_or_else(|| panic!("{}", told.out)).to_owned()
    };
    assert!(
        row("long").contains("data.txt") && row("long").contains("  5  "),
        "{}",
        told.out
    );
    assert!(
        told.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        told.out
    );
    let rows: serde_json::Value =
        serde_json::from_str(&lab.ok("runs runs/long --json").out).unwrap();
    assert_eq!(rows[0]["steps"], 5);
    assert_eq!(rows[0]["state"], "finished");
    assert!(rows[0]["val_loss"].as_f64().unwrap() > 0.0);
    // The names of runs that nobody named are long, and a run that diverged says where.
    lab.run(&format!("train --data data.txt {TINY} --init-std 3e38"));
    let told = lab.ok("runs");
    assert!(told.out.contains("diverged at 0"), "{}", told.out);
    assert!(
        told.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        told.out
    );
    let ran = lab.run("runs nowhere");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.contains("cannot read the folder nowhere"),
        "{}",
        ran.err
    );
}

/// A measurement that takes seconds is announced, so that nobody waits without a word.
#[test]
fn a_long_measurement_of_the_speed_is_announced() {
    let lab = Lab::new();
    let small =
        "--n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --print-settings";
    let said = "measuring the speed of the first steps for about ";
    let line = |time: &str| format!("train --data data.txt --for {time} --size-for 1m {small}");
    assert!(lab.ok(&line("340s")).err.contains(said));
    assert!(!lab.ok(&line("10s")).err.contains(said));
}
