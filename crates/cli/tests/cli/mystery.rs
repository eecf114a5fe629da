//! `mystery`: a model with one part secretly changed.

use std::fs;

use crate::{Lab, unwrapped};

/// A small model, which takes little time.
const SMALL: &str = "--data data.txt --n-layer 2 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 20 \
                     --precision f32";

#[test]
fn what_is_written_does_not_tell_what_was_changed() {
    let lab = Lab::new();
    // Seed 6 takes out the residual connections, seed 4 the MLPs.
    for (seed, told) in [(6, "no residual"), (4, "no MLP")] {
        let out = format!("mystery-{seed}");
        let ran = lab.ok(&format!("mystery --seed {seed} {SMALL}"));
        let page = String::from_utf8(lab.read(&format!("{out}/report.html"))).unwrap();
        for text in [&ran.out, &ran.err, &page] {
            assert!(!text.contains(told), "{seed}: {told}");
            assert!(!text.contains("Listings"), "{seed}");
        }
        assert!(ran.out.contains("\nmystery "), "{}", ran.out);
        let names = "no-residual no-mlp no-positions short-window no-attention no-norm no-causal-mask init-x10";
        assert!(unwrapped(&ran.out).ends_with(names), "{}", ran.out);
        // The listing, the settings and the number of parameters are in other files as well.
        for file in fs::read_dir(lab.path(&out)).unwrap() {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if !name.ends_with(".safetensors") {
                let text = fs::read_to_string(&path).unwrap();
                assert!(!text.contains(told), "{name}");
            }
        }
        // What is not shown is said to be so.
        assert!(page.contains("not shown: it would tell what was changed"));
        assert!(!page.contains("The listing is the baseline"));
        // Both models have symptoms, and only the whole one's are followed by advice.
        let markdown = String::from_utf8(lab.read(&format!("{out}/report.md"))).unwrap();
        let times = |word: &str| markdown.matches(word).count();
        assert_eq!(
            (times("**Symptoms:**"), times("**Next:**")),
            (2, 1),
            "{markdown}"
        );
        // The models are there, for probes; and they differ.
        let listing = |model: &str| lab.ok(&format!("inspect {out}/{model}.safetensors")).out;
        assert_ne!(listing("mystery"), listing("baseline"));
        lab.ok(&format!(
            "generate {out}/mystery.safetensors --max-tokens 3"
        ));
    }
}

#[test]
fn a_guess_is_checked_and_the_part_is_revealed() {
    let lab = Lab::new();
    let right = lab.ok("mystery --seed 6 --guess no-residual");
    assert_eq!(right.out, "right: mystery 6 is `no-residual`\n");
    assert!(right.err.contains("--seed 6 --reveal"), "{}", right.err);
    let wrong = lab.ok("mystery --seed 6 --guess no-mlp");
    assert_eq!(wrong.out, "no: mystery 6 is not `no-mlp`\n");
    assert!(wrong.err.contains("expect this: "), "{}", wrong.err);
    let revealed = lab.ok("mystery --seed 6 --reveal").out;
    assert!(
        revealed.starts_with("mystery 6: no residual\n  changed: no residual connections\n  for: "),
        "{revealed}"
    );
    let hint = lab.ok("mystery --seed 6 --reveal").err;
    assert!(
        hint.contains("gptlab ablate --switches no-residual"),
        "{hint}"
    );
    let json = lab.ok("mystery --seed 6 --guess no-mlp --json").out;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        json,
        serde_json::json!({"seed": 6, "guess": "no-mlp", "right": false})
    );
    assert!(!lab.path("mystery-6").exists());
}

#[test]
fn what_makes_no_mystery_is_a_sentence() {
    let lab = Lab::new();
    for (line, sentence) in [
        (
            "--reveal",
            "error: which mystery? expected its seed: --seed N",
        ),
        (
            "--guess no-mlp",
            "error: which mystery? expected its seed: --seed N",
        ),
        (
            "--seed 6 --guess one-head",
            "error: one-head is no candidate; there are no-residual, ",
        ),
        (
            "--seed 6 --guess foo",
            "error: foo is no candidate; there are ",
        ),
        (
            "--seed 6 --disable-residual --data data.txt",
            "error: the model cannot be changed as this mystery asks",
        ),
    ] {
        let ran = lab.run(&format!("mystery {line}"));
        assert_eq!(ran.code, 2, "{line}\n{}", ran.err);
        assert!(ran.err.starts_with(sentence), "{line}\n{}", ran.err);
    }
    // A folder with something else in it is refused before anything is trained.
    fs::create_dir(lab.path("mine")).unwrap();
    lab.file("mine/notes.txt", "notes");
    let ran = lab.run(&format!("mystery --seed 6 --out mine {SMALL}"));
    assert_eq!(ran.code, 3, "{}", ran.err);
}

/// Equal command lines give equal files.
#[test]
fn a_mystery_is_the_same_every_time() {
    let lab = Lab::new();
    for out in ["a", "b"] {
        lab.ok(&format!("mystery --seed 2 --out {out} {SMALL} --seeds 2"));
    }
    for name in ["curves.csv", "mystery.safetensors", "baseline.safetensors"] {
        assert!(
            lab.read(&format!("a/{name}")) == lab.read(&format!("b/{name}")),
            "{name}"
        );
    }
    let page = lab.read("a/report.html");
    let page = String::from_utf8(page).unwrap();
    assert!(!page.contains("short window"));
}
