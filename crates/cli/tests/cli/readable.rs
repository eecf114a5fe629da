//! The program's descriptions of models, machines and itself.

use serde_json::Value;

use crate::Lab;

fn json(lab: &Lab, line: &str) -> Value {
    serde_json::from_str(&lab.ok(line).out).expect("JSON")
}

#[test]
fn inspect_shows_a_checkpoint() {
    let lab = Lab::trained();
    let output = lab.ok("inspect model.safetensors").out;
    for part in [
        "step         5 of 5",
        "seed         0",
        "tokenizer    chars, 15 tokens: \"\\n .acdeghlmnost\"",
        "hyper        adamw, batch size 2, lr 3.00e-4",
        "block0.attn.mix",
        "blocks.0.attn.c_attn.weight",
        "48 x 16",
        "parameters, 15 tokens of vocabulary, context 16",
    ] {
        assert!(output.contains(part), "no {part} in\n{output}");
    }
    let found = json(&lab, "inspect model.safetensors --json");
    assert_eq!(found["checkpoint"]["step"], 5);
    assert_eq!(found["spec"]["n_embd"], 16);
    assert_eq!(found["table"][0]["name"], "tok_emb.weight");
    assert_eq!(found["table"][0]["shape"], serde_json::json!([15, 16]));
}

#[test]
fn what_differs_from_the_papers_is_told() {
    let lab = Lab::trained();
    let post = "Post-LN keeps the norm before the head (ln_f)";
    assert!(!lab.ok("inspect").out.contains(post));
    assert!(lab.ok("inspect --ln-style post").out.contains(post));
    let bare = lab.ok("inspect --ln-style post --final-norm none").out;
    assert!(!bare.contains(post), "{bare}");
    let fused = "queries, keys and values (c_attn) as one matrix";
    assert!(!lab.ok("inspect model.safetensors").out.contains(fused));
    let tiny = crate::TINY;
    lab.ok(&format!(
        "train --data data.txt {tiny} --optimizer muon --save muon.safetensors"
    ));
    assert!(lab.ok("inspect muon.safetensors").out.contains(fused));
    let help = lab.ok("train --help").out;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "the norm before the head stays in both",
        "of which queries, keys and values are one",
        "[default: 0.1; 0 with microgpt]",
        "[default: 65536 by preset, another by recipe]",
    ] {
        assert!(help.contains(part), "no {part} in {help}");
    }
}

#[test]
fn presets_are_listed() {
    let lab = Lab::new();
    let rows = json(&lab, "presets --json");
    let names: Vec<&str> = rows
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|r| r["name"].as_str())
        .collect();
    assert!(names.contains(&"gpt2-mini") && names.contains(&"microgpt"));
    let output = lab.ok("presets").out;
    for name in names {
        assert!(
            output
                .lines()
                .any(|line| line.split(' ').next() == Some(name)),
            "{name}"
        );
    }
    assert!(output.contains("124,439,808"), "{output}");
}

#[test]
fn doctor_tells_what_there_is() {
    let lab = Lab::new();
    let found = json(&lab, "doctor --json");
    assert!(found["cores"].as_u64().is_some_and(|n| n > 0));
    assert_eq!(found["simd"][0], "portable");
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
    let output = lab.ok("doctor").out;
    for part in ["cores ", "simd ", "memory ", "engines "] {
        assert!(output.contains(part), "no {part} in\n{output}");
    }
}

#[test]
fn shells_complete_what_the_help_tells() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lab.ok(&format!("completions {shell}")).out;
        for word in ["gptlab", "interactive", "embedding-norm", "gpt2-mini"] {
            assert!(script.contains(word), "{shell} completes no {word}");
        }
    }
    assert_eq!(lab.run("completions tcsh").code, 2);
}

#[test]
fn version_is_quick_and_says_which() {
    let begun = std::time::Instant::now();
    let ran = Lab::new().ok("--version");
    assert_eq!(ran.out, format!("gptlab {}\n", env!("CARGO_PKG_VERSION")));
    assert!(begun.elapsed().as_secs() < 5, "even on a busy machine");
}

#[test]
fn colour_is_for_terminals() {
    let lab = Lab::new();
    let ran = lab.run("train --data nope.txt");
    assert!(!ran.err.contains('\x1b'), "{}", ran.err);
}

/// A preset's recipe as a settings file is equivalent to the preset: models are compared for all,
/// and the records of short runs for small ones.
#[test]
fn a_preset_s_recipe_is_a_settings_file() {
    let lab = Lab::new();
    let rows = json(&lab, "presets --json");
    let names = rows.as_array().expect("rows").iter();
    for name in names.filter_map(|row| row["name"].as_str()) {
        let file = format!("{name}.toml");
        lab.file(&file, lab.ok(&format!("presets {name}")).out);
        let by_file = json(&lab, &format!("inspect --json --config {file}"));
        let by_name = json(&lab, &format!("inspect --json --preset {name}"));
        assert_eq!(by_file["spec"], by_name["spec"], "{name}");
    }
    let short = "--data data.txt --batch-size 1 --steps 1 --block-size 16 --max-tokens 4";
    for name in ["microgpt", "gpt2-mini", "modern"] {
        lab.ok(&format!(
            "train {short} --config {name}.toml --warmup 0 --out file-{name}"
        ));
        lab.ok(&format!(
            "train {short} --preset {name} --warmup 0 --out name-{name}"
        ));
        assert_eq!(
            lab.json(format!("file-{name}/experiment.json")),
            lab.json(format!("name-{name}/experiment.json")),
            "{name}"
        );
    }
}

/// What a run would do can be printed, repeats the run, and is printed without one.
#[test]
fn the_effective_settings_are_a_settings_file() {
    let lab = Lab::new();
    let flags = "train --data data.txt --steps 2 --n-layer 1 --block-size 16 --lr 3e-3";
    lab.file("run.toml", lab.ok(&format!("{flags} --print-settings")).out);
    assert!(!lab.path("runs").exists());
    lab.ok(&format!("{flags} --out typed"));
    lab.ok("train --config run.toml --out read");
    assert_eq!(
        lab.json("typed/experiment.json"),
        lab.json("read/experiment.json")
    );
    let found = json(&lab, &format!("{flags} --print-settings --json"));
    assert_eq!(found["lr"], 3e-3);
    assert_eq!(found["data"], "data.txt");
    assert_eq!(found["optimizer"], "muon");
}

#[test]
fn the_help_of_train_tells_what_comes_by_preset_and_what_does_not() {
    let help = Lab::new().ok("train --help").out;
    let help: Vec<&str> = help.split_whitespace().collect();
    let help = help.join(" ");
    for expected in [
        "--eps <X> AdamW's epsilon [default: 1e-8]",
        "--lr <X> The learning rate at its highest [default: by preset]",
        "[default: a recipe for the text]",
        "[built in: stories, names, copy, brackets, agreement, addition, in-context]",
    ] {
        assert!(help.contains(expected), "no {expected} in\n{help}");
    }
}
