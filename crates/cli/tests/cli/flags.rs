//! Every flag is in the help, and has an effect.

use std::collections::BTreeSet;

use gptlab_model::{
    Activation, Choice, Mask, Norm, NormPlace, Position, ResidualInit, Scale, SublayerOrder,
};
use serde_json::Value;

use crate::{Lab, TINY};

/// The flags of the model that change the listing, or else the table of parameters below it.
const MODEL: &[&str] = &[
    "--preset modern",
    "--n-layer 2",
    "--n-head 2",
    "--n-kv-head 2",
    "--n-embd 64",
    "--block-size 32",
    "--dropout 0.5",
    "--disable-residual",
    "--disable-attention",
    "--ln-style post",
    "--position none",
    "--position sinusoidal",
    "--position sinusoidal-unscaled",
    "--position rotary",
    "--position alibi",
    "--norm none",
    "--norm rms-norm",
    "--norm rms-norm-no-gain",
    "--embedding-norm layer-norm",
    "--final-norm none",
    "--order parallel",
    "--mlp none",
    "--mlp gated",
    "--gated",
    "--mlp-hidden 100",
    "--activation gelu-tanh",
    "--activation relu",
    "--activation relu-squared",
    "--activation silu",
    "--mask full",
    "--window 16",
    "--attention-scale one",
    "--qk-norm",
    "--softcap 30",
    "--tied 0",
    "--bias 0",
    "--init-std 0.1",
    "--init-residual scaled",
];

/// The flags of a run that change its numbers.
const NUMBERS: &[&str] = &[
    "--data other.txt",
    "--tokenizer lines",
    "--tokenizer bytes",
    "--documents lines",
    "--val-fraction 0.3",
    "--batch-size 3",
    "--seed 1",
    "--steps 6",
    "--lr 0.01",
    "--min-lr 1e-4",
    "--warmup 3",
    "--lr-shape constant",
    "--beta1 0.5",
    "--beta2 0.5",
    "--eps 0.01",
    "--weight-decay 10",
    "--decayed matrices",
    "--grad-clip 0.01",
    "--optimizer sgd",
    "--optimizer muon",
    "--precision bf16",
    "--log-interval 1",
    "--sample-interval 2",
    "--checkpoint-interval 2",
    "--val-tokens 10",
    "--prompt dog",
    "--max-tokens 3",
    "--temperature 0",
    "--top-k 2",
    "--top-p 0.1",
    "--stop a",
];

/// The flags of `train` that have a test of their own.
const ELSEWHERE: &[&str] = &[
    "--save",
    "--save-init",
    "--print-settings",
    "--load",
    "--resume",
    "--out",
    "--generate",
    "--interactive",
    "--device",
    "--threads",
    "--isa",
    "--json",
    "--config",
    "--help",
    "--for",
    "--size-for",
    "--keep-checkpoints",
    "--micro-batch",
    "--observe",
    "--warmup-start",
];

fn name(flag: &str) -> &str {
    flag.split(' ').next().unwrap_or_default()
}

/// Returns the flags in a subcommand's help.
fn in_help(lab: &Lab, command: &str) -> BTreeSet<String> {
    lab.ok(&format!("{command} --help"))
        .out
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .map(|word| {
            word.trim_matches(|c: char| !(c.is_alphanumeric() || c == '-'))
                .to_owned()
        })
        .collect()
}

#[test]
fn every_flag_of_train_is_tested_and_in_the_help() {
    let lab = Lab::new();
    let tested: BTreeSet<String> = [MODEL, NUMBERS, ELSEWHERE]
        .concat()
        .iter()
        .map(|flag| name(flag).to_owned())
        .collect();
    assert_eq!(in_help(&lab, "train"), tested);
}

#[test]
fn help_of_every_command_tells_every_flag() {
    let lab = Lab::new();
    let has = |command: &str, flags: &str| {
        let help = in_help(&lab, command);
        for flag in flags.split(' ') {
            assert!(help.contains(flag), "{command} --help has no {flag}");
        }
    };
    let writing = "--prompt --max-tokens --temperature --top-k --top-p --stop --seed --precision --device --threads --isa --config";
    has("generate", &format!("{writing} --samples --json"));
    has("interactive", writing);
    has(
        "eval",
        "--data --val-fraction --stride --device --threads --isa --json --config",
    );
    has(
        "baselines",
        "--data --up-to --block-size --val-fraction --json",
    );
    has(
        "inspect",
        "--preset --n-layer --softcap --vocab-size --json --config",
    );
    has(
        "micro",
        "--data --steps --seed --temperature --device --threads --isa",
    );
    has("presets", "--json");
    has("doctor", "--device --json");
    let top = lab.ok("--help").out;
    for expected in [
        "train",
        "generate",
        "interactive",
        "eval",
        "inspect",
        "micro",
        "presets",
        "data",
        "doctor",
    ] {
        assert!(
            top.contains(&format!("\n  {expected} ")),
            "{expected} is not in the help"
        );
    }
    for code in [
        "0  success",
        "1  failure",
        "2  usage",
        "3  data",
        "130  interrupted",
    ] {
        assert!(top.contains(code), "exit code {code} is not in the help");
    }
}

#[test]
fn a_model_is_shown_as_the_program_of_each_purpose() {
    let lab = Lab::new();
    let train = lab.ok("inspect --preset microgpt --program train").out;
    assert!(train.contains("backward block0.mlp.residual:"), "{train}");
    assert!(train.lines().all(|line| line.len() <= 80), "{train}");
    let decode = lab.ok("inspect --preset microgpt --program decode").out;
    assert!(decode.contains("-> logits of requested rows"), "{decode}");
    let deeper = lab
        .ok("inspect --preset microgpt --program train --n-layer 2")
        .out;
    assert!(deeper.contains("backward block1.mlp.residual:"), "{deeper}");
    let both = lab.run("inspect --program train --json");
    assert_eq!(both.code, 2, "{}", both.out);
    assert!(both.err.contains("--json"), "{}", both.err);
}

#[test]
fn every_flag_of_the_model_changes_the_listing_or_the_table() {
    let lab = Lab::new();
    let base = lab.ok("inspect").out;
    for flag in MODEL {
        assert_ne!(
            lab.ok(&format!("inspect {flag}")).out,
            base,
            "{flag} does nothing"
        );
    }
    for same in [
        "--gated 0",
        "--mlp plain",
        "--tied",
        "--bias",
        "--qk-norm 0",
        "--softcap 0",
        "--window 0",
        "--mask causal",
    ] {
        assert_eq!(
            lab.ok(&format!("inspect {same}")).out,
            base,
            "{same} is the default"
        );
    }
    assert_ne!(lab.ok("inspect --vocab-size 5").out, base);
}

/// A value in a list of choices that is not typed here would be a flag's value without a test.
#[test]
fn every_value_of_a_choice_is_typed_or_is_the_default() {
    fn names<C: Choice>(flag: &str) -> (&str, Vec<&'static str>) {
        (flag, C::ALL.iter().map(|value| value.name()).collect())
    }
    let lab = Lab::new();
    let base: Value = serde_json::from_str(&lab.ok("presets gpt2-mini --json").out).expect("JSON");
    for (flag, names) in [
        names::<Position>("position"),
        names::<Norm>("norm"),
        names::<NormPlace>("ln-style"),
        names::<SublayerOrder>("order"),
        names::<Activation>("activation"),
        names::<Mask>("mask"),
        names::<Scale>("attention-scale"),
        names::<ResidualInit>("init-residual"),
    ] {
        for name in names.into_iter().filter(|name| base[flag] != *name) {
            let typed = format!("--{flag} {name}");
            assert!(MODEL.contains(&typed.as_str()), "{typed} is not tried");
        }
    }
}

#[test]
fn the_seed_s_switches_are_the_listing_s() {
    let lab = Lab::new();
    let spec = |flags: &str| -> Value {
        serde_json::from_str(&lab.ok(&format!("inspect --json {flags}")).out).expect("JSON")
    };
    assert_eq!(
        spec("--disable_residual 1")["spec"]["wiring"]["residual"],
        "none"
    );
    assert_eq!(
        spec("--disable_residual 0")["spec"]["wiring"]["residual"],
        "add"
    );
    assert_eq!(spec("--ln_style post")["spec"]["wiring"]["norm"], "after");
    let layers = spec("--disable_attention");
    assert_eq!(
        layers["spec"]["layers"][0].as_array().map(Vec::len),
        Some(1)
    );
    assert!(
        !lab.ok("inspect --disable_attention")
            .out
            .contains("attention(")
    );
    assert_eq!(spec("--preset gpt2")["parameters"], 124_439_808);
}

#[test]
fn every_flag_of_a_run_changes_what_it_does() {
    let lab = Lab::new();
    lab.file(
        "other.txt",
        "a dog and a log and a cat and a hat\n".repeat(12),
    );
    let events = |flag: &str| {
        // This is the one flag that cannot be given twice.
        let data = if flag.contains("--data ") {
            ""
        } else {
            "--data data.txt"
        };
        lab.events(&format!(
            "train {data} --json --sample-interval 5 {TINY} {flag}"
        ))
    };
    let base = without_names(events(""));
    for flag in NUMBERS {
        assert_ne!(without_names(events(flag)), base, "{flag} does nothing");
    }
    assert_eq!(
        without_names(events("--threads 1")),
        base,
        "threads change numbers"
    );
    assert_eq!(
        without_names(events("--seed 0")),
        base,
        "a run is not what its flags say"
    );
}

/// Returns events without the names of files, which contain the time.
fn without_names(events: Vec<Value>) -> Vec<Value> {
    let unnamed = |mut event: Value| {
        if let Some(event) = event.as_object_mut() {
            event.remove("file");
        }
        event
    };
    events.into_iter().map(unnamed).collect()
}

#[test]
fn flags_win_over_the_file_and_the_file_over_the_preset() {
    let lab = Lab::new();
    lab.file(
        "s.toml",
        "preset = \"modern\"\nn_layer = 3\nn-embd = 32\nn_head = 2\nsteps = 9\ntied = false\n",
    );
    let spec = |flags: &str| -> Value {
        serde_json::from_str(&lab.ok(&format!("inspect --json {flags}")).out).expect("JSON")
    };
    let found = spec("--config s.toml --n-layer 2");
    assert_eq!(
        found["spec"]["layers"].as_array().map(Vec::len),
        Some(2),
        "a flag wins"
    );
    assert_eq!(found["spec"]["n_embd"], 32, "the file wins over the preset");
    assert_eq!(found["spec"]["position"], "rotary", "the preset is beneath");
    assert_eq!(found["spec"]["head"], "untied");
    assert_eq!(
        spec("--n-layer 2 --config s.toml"),
        found,
        "wherever the file is typed"
    );

    let tiny = TINY.replace("--preset gpt2-mini", "");
    lab.ok(&format!(
        "train --config s.toml --data data.txt {tiny} --out run"
    ));
    let experiment = lab.json("run/experiment.json");
    assert_eq!(experiment["hyper"]["steps"], 5, "a flag wins");
    assert_eq!(experiment["spec"]["position"], "rotary");
}

#[test]
fn a_settings_file_can_say_all_a_flag_can() {
    let lab = Lab::new();
    let mut text = String::from("data = \"data.txt\"\n");
    for flag in MODEL
        .iter()
        .chain(NUMBERS)
        .filter(|f| !f.starts_with("--data"))
    {
        let (key, value) = flag.split_once(' ').unwrap_or((flag, "1"));
        let key = key.trim_start_matches('-');
        let plain = value.parse::<f64>().is_ok() && key != "stop";
        let line = if plain {
            format!("{key} = {value}\n")
        } else {
            format!("{key} = \"{value}\"\n")
        };
        if !text.contains(&format!("\n{key} = ")) && !["mlp", "order"].contains(&key) {
            text += &line;
        }
    }
    lab.file("all.toml", text);
    lab.ok("train --config all.toml --n-embd 16 --n-head 2 --steps 1 --out run");
    assert_eq!(lab.json("run/experiment.json")["hyper"]["eps"], 0.01);
}

/// The ancestor's first step has a rate of 0; nanoGPT's does not.
#[test]
fn a_warm_up_begins_where_it_is_told_to() {
    let lab = Lab::new();
    for (start, first) in [("zero", 0.0), ("first-step", 3e-4 / 4.0)] {
        let line = format!("train --data data.txt {TINY} --json --warmup 3 --warmup-start {start}");
        let events = lab.events(&line);
        let step = events.iter().find(|event| event["event"] == "step");
        assert_eq!(
            step.and_then(|step| step["lr"].as_f64()),
            Some(first),
            "{start}"
        );
    }
}
