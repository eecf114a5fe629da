//! `gptlab baselines`, and `train` on texts with a known answer.

use serde_json::Value;

use crate::{Lab, TINY};

fn json(lab: &Lab, line: &str) -> Value {
    serde_json::from_str(&lab.ok(line).out).expect("JSON")
}

fn row(report: &Value, name: &str) -> Value {
    let rows = report["floors"].as_array().expect("rows");
    let found = rows.iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}")).clone()
}

fn loss(report: &Value, name: &str) -> f64 {
    row(report, name)["loss"].as_f64().expect("a loss")
}

fn skill(report: &Value, name: &str) -> f64 {
    row(report, name)["skill_loss"].as_f64().expect("a loss")
}

/// The text repeats 26 letters in order: a letter determines the next, and without one all are
/// equal.
#[test]
fn a_ladder_goes_down() {
    let lab = Lab::new();
    lab.file("turns.txt", "abcdefghijklmnopqrstuvwxyz".repeat(100));
    let report = json(&lab, "baselines --data turns.txt --up-to 3 --json");
    let blind = 26f64.ln();
    assert!((loss(&report, "uniform") - blind).abs() < 1e-12);
    assert!((loss(&report, "1-gram") - blind).abs() < 1e-3);
    assert!(loss(&report, "2-gram") < 0.05);
    assert!(loss(&report, "3-gram") < loss(&report, "2-gram"));
    assert_eq!(report["floors"].as_array().expect("rows").len(), 4);
    assert_eq!(report["predictions"], 259);
    let uniform = row(&report, "uniform");
    let near = |key: &str, expected: f64| {
        let found = uniform[key].as_f64().expect("a number");
        assert!((found - expected).abs() < 1e-9, "{key}: {found}");
    };
    near("bits_per_char", 26f64.log2());
    near("perplexity", 26.0);
    assert_eq!(report["skill"], Value::Null);
}

#[test]
fn a_text_is_cut_as_requested() {
    let lab = Lab::new();
    let of = |flags: &str| json(&lab, &format!("baselines --data data.txt {flags} --json"));
    assert_eq!(of("")["tokenizer"], "chars");
    assert_eq!(of("--tokenizer lines")["tokenizer"], "lines");
    assert_eq!(of("--up-to 2")["floors"].as_array().map(Vec::len), Some(3));
    assert_eq!(of("--block-size 8")["block_size"], 8);
    assert_eq!(of("--val-fraction 0.5")["predictions"], 203);
    lab.file("gptlab.toml", "up-to = 1\nlr = 0.1\n");
    let configured = of("--config gptlab.toml");
    assert_eq!(configured["floors"].as_array().map(Vec::len), Some(2));
}

#[test]
fn stories_say_their_entropy() {
    let output = Lab::new().ok("baselines --up-to 2").out;
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "text         the built-in text `stories`");
    assert_eq!(lines[1], "tokens       chars, a vocabulary of 58");
    assert!(
        lines[2].starts_with("measured on  its last 0.1: 100,0"),
        "{output}"
    );
    assert_eq!(
        lines[3],
        "context      all that stands before (a model's: --block-size N)"
    );
    assert_eq!(lines[4], "losses       in nats per token");
    assert_eq!(lines[6], "baseline        loss  bits/char  perplexity");
    assert_eq!(lines[7], "uniform       4.0604     5.8580     58.0000");
    assert!(lines[10].starts_with("entropy       0.1037"), "{output}");
    assert_eq!(lines.len(), 11);
}

/// Letters that follow each other at random: what a 2-gram has counted is chance.
#[test]
fn why_a_longer_n_gram_is_worse_is_said_where_it_is() {
    let lab = Lab::new();
    let mut state = 1u32;
    let letters = (0..3000).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + (state >> 28) as u8)
    });
    lab.file("random.txt", letters.collect::<String>());
    let said = |data: &str| crate::unwrapped(&lab.ok(&format!("baselines --data {data}")).out);
    let random = said("random.txt");
    assert!(
        random.contains("N-grams longer than the 1-gram are worse: a longer context"),
        "{random}"
    );
    let repeated = said("data.txt --up-to 3");
    assert!(!repeated.contains("longer than"), "{repeated}");
}

/// The command's first name still works, and no list shows it.
#[test]
fn floors_is_another_name_of_baselines() {
    let lab = Lab::new();
    let of = |command: &str| lab.ok(&format!("{command} --data data.txt --up-to 2")).out;
    assert_eq!(of("floors"), of("baselines"));
    lab.file("gptlab.toml", "up-to = 1\n");
    let configured = |command: &str| {
        let line = format!("{command} --data data.txt --config gptlab.toml");
        lab.ok(&line).out
    };
    assert_eq!(configured("floors"), configured("baselines"));
    assert!(lab.commands().contains(&"baselines".to_owned()));
    assert!(!lab.ok("--help").out.contains("floors"));
}

/// Training says first of all what its losses can be compared with.
#[test]
fn training_begins_with_the_uniform_baseline() {
    let ran = Lab::new().ok(&format!("train --data data.txt {TINY} --out run"));
    // The text has 15 different characters.
    let expected = "\nlosses   2.71 is uniform guessing\n";
    assert!(ran.err.contains(expected), "{}", ran.err);
}

/// The first prediction of a window is from one letter alone, so that a 3-gram has only the
/// 2-gram's context there.
#[test]
fn a_context_cuts_what_every_predictor_sees() {
    let lab = Lab::new();
    // After `ab` comes c, after `cb` comes d: one letter leaves two to choose from.
    lab.file("pairs.txt", "abccbd".repeat(400));
    let of = |flags: &str| {
        json(
            &lab,
            &format!("baselines --data pairs.txt --up-to 3 {flags} --json"),
        )
    };
    let (whole, cut, pairs) = (of(""), of("--block-size 5"), of("--block-size 1"));
    assert!(loss(&whole, "3-gram") < 0.02, "{whole}");
    // One in five predictions is the first of its window. Two in three of those follow a `b` or a
    // `c`, and lose ln 2.
    assert!(
        loss(&cut, "3-gram") > loss(&whole, "3-gram") + 0.05,
        "{cut}"
    );
    // With one letter of context a 3-gram is a 2-gram.
    assert!((loss(&pairs, "3-gram") - loss(&pairs, "2-gram")).abs() < 1e-12);
    assert_eq!(cut["predictions"], whole["predictions"]);
}

/// What cannot be known is a sentence, and never a number of other predictions.
#[test]
fn the_ideal_predictor_sees_what_the_model_sees() {
    let lab = Lab::new();
    let of = |flags: &str| json(&lab, &format!("baselines --up-to 1 {flags} --json"));
    let data = "--data in-context:size=20000";
    let cut = of(&format!("{data} --block-size 64"));
    let rows = cut["floors"].as_array().expect("rows");
    assert_eq!(rows.len(), 2, "neither ideal nor entropy: {cut}");
    let unknown = cut["unknown"].as_str().expect("a sentence");
    assert!(
        unknown.contains("hold a part of a document") && unknown.contains("`--block-size 128`"),
        "{unknown}"
    );
    let whole = of(&format!("{data} --block-size 128"));
    let free = of(data);
    assert_eq!(loss(&whole, "ideal"), loss(&free, "ideal"));
    assert_eq!(whole["unknown"], Value::Null);
    let said = lab
        .ok(&format!("baselines --up-to 1 {data} --block-size 64"))
        .out;
    assert!(said.ends_with(&format!("\n\n{unknown}\n")), "{said}");
    // Stories in windows of 64: about 0.24 nats per character, where whole ones have 0.10.
    let windows = of("--block-size 64");
    let ideal = loss(&windows, "ideal");
    assert!((0.2..0.28).contains(&ideal), "{ideal}");
}

/// A grid's n-gram baselines are in the windows of its runs.
#[test]
fn a_grid_says_why_it_knows_no_entropy() {
    let lab = Lab::new();
    let flags =
        "--n-layer 1 --n-embd 16 --n-head 2 --batch-size 2 --steps 2 --seeds 1 --switches mlp";
    for (context, known) in [(64, false), (128, true)] {
        let output = lab.ok(&format!(
            "ablate --data in-context:size=20000 {flags} --block-size {context} --out g{context}"
        ));
        let sentence = "The best possible loss is not known: ";
        assert_eq!(output.out.contains(sentence), !known, "{}", output.out);
        let floors = &lab.json(format!("g{context}/results.json"))["floors"];
        assert_eq!(floors["block_size"], context);
        assert_eq!(floors["entropy"].is_null(), !known, "{floors}");
        assert_eq!(floors["unknown"].is_string(), !known, "{floors}");
    }
}

/// N-grams learn everything of these texts except the skill; the ideal predictor has it.
#[test]
fn a_skill_is_what_n_grams_lack() {
    let lab = Lab::new();
    for (text, best, ideal) in [
        ("copy", 1.5, 0.0),
        ("agreement", 1.5, 0.0),
        ("addition", 1.5, 0.0),
        ("brackets", 0.8, 0.55),
        ("in-context", 1.6, 1.2),
    ] {
        let report = json(
            &lab,
            &format!("baselines --data {text}:seed=3,size=100000 --json"),
        );
        assert_eq!(report["tokenizer"], "lines");
        assert_eq!(
            report["text"],
            format!("the built-in text `{text}:seed=3,size=100000`")
        );
        for n in 1..=6 {
            let found = skill(&report, &format!("{n}-gram"));
            assert!(found > best, "{text}, {n}: {found}");
        }
        assert!(
            (skill(&report, "ideal") - ideal).abs() < 0.1,
            "{text}: {report}"
        );
        let (ideal, entropy) = (loss(&report, "ideal"), loss(&report, "entropy"));
        assert!(
            (ideal / entropy - 1.0).abs() < 0.05,
            "{text}: {ideal}, {entropy}"
        );
        let needs = report["skill"]["predictions"].as_u64().expect("a count");
        assert!(needs > 100 && needs < report["predictions"].as_u64().expect("a count"));
    }
    let output = lab.ok("baselines --data copy").out;
    assert!(
        output.contains("skill        After the bar, repeat the letters before it"),
        "{output}"
    );
    assert!(output.contains("perplexity  on the skill\n"), "{output}");
    let chars = json(
        &lab,
        "baselines --data copy --tokenizer chars --up-to 1 --json",
    );
    assert_eq!(
        (&chars["tokenizer"], &chars["skill"]),
        (&"chars".into(), &Value::Null)
    );
    assert_eq!(row(&chars, "entropy")["skill_loss"], Value::Null);
}

#[test]
fn what_has_no_baselines_is_a_sentence() {
    let lab = Lab::new();
    for (line, code, sentence) in [
        (
            "--up-to 0",
            2,
            "error: n-grams have from 1 to 16 tokens, found 0",
        ),
        (
            "--up-to 17",
            2,
            "error: n-grams have from 1 to 16 tokens, found 17",
        ),
        (
            "--val-fraction 0",
            2,
            "error: n-gram baselines are measured on a validation split, and nothing was kept for one; use a \
             validation fraction above 0",
        ),
        (
            "--val-fraction 1",
            2,
            "error: the validation fraction must be at least 0 and below 1, found 1",
        ),
        (
            "--data copy:seed=x",
            2,
            "error: the built-in text `copy` takes seed=N and size=N, two whole numbers, and found `seed=x`; \
             type it like `copy:seed=3,size=200000`",
        ),
    ] {
        let data = if line.contains("--data") {
            ""
        } else {
            "--data data.txt"
        };
        let ran = lab.run(&format!("baselines {data} {line}"));
        assert_eq!((ran.code, ran.first_line()), (code, sentence), "{line}");
        assert_eq!(ran.out, "");
    }
    assert_eq!(lab.run("baselines --data nowhere.txt").code, 1);
}

/// Training uses the recipe, cuts the text into lines, prints its entropy, and finds the text again
/// when it resumes.
#[test]
fn a_recipe_is_trained_on_and_resumed() {
    let lab = Lab::new();
    let ran = lab.ok(&format!(
        "train --data copy:seed=2,size=5000 {TINY} --out run"
    ));
    assert!(ran.err.contains("documents to train on"), "{}", ran.err);
    assert!(ran.err.contains("is the text's entropy"), "{}", ran.err);
    let experiment = lab.json("run/experiment.json");
    assert_eq!(
        experiment["data"]["origin"]["builtin"],
        "copy:seed=2,size=5000"
    );
    let again = lab.ok("train --resume run");
    assert!(again.err.contains("copy:seed=2,size=5000"), "{}", again.err);
    let chars = lab.ok(&format!(
        "train --data copy --tokenizer chars {TINY} --out chars"
    ));
    assert!(
        chars.err.contains("characters to train on"),
        "{}",
        chars.err
    );
}

/// A file with the name of a built-in text is preferred.
#[test]
fn a_file_comes_before_a_built_in_text() {
    let lab = Lab::new();
    lab.file("copy", "one two three four five");
    let report = json(&lab, "baselines --data copy --json");
    assert_eq!(
        (&report["text"], &report["tokenizer"]),
        (&"copy".into(), &"chars".into())
    );
}
