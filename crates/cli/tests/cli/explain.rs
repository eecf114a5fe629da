//! `gptlab explain`: the glossary, and what it says of this program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

use crate::Lab;

fn entries(lab: &Lab) -> Vec<Value> {
    serde_json::from_str(&lab.ok("explain --json").out).expect("a list of entries")
}

#[test]
fn every_word_is_listed_and_explained() {
    let lab = Lab::new();
    let list = lab.ok("explain").out;
    assert!(
        list.lines().all(|line| line.chars().count() <= 80),
        "{list}"
    );
    for word in [
        "nats",
        "KV cache",
        "grouped-query attention",
        "query, key, value",
    ] {
        assert!(list.contains(word), "{list}");
        let ran = lab.ok(&format!("explain {word}"));
        assert!(ran.out.starts_with(&format!("{word}\n  ")), "{}", ran.out);
        assert!(
            ran.out.lines().all(|line| line.chars().count() <= 80),
            "{}",
            ran.out
        );
    }
    let same = lab.ok("explain Block_Size").out;
    assert_eq!(same, lab.ok("explain context").out);
    assert_eq!(lab.ok("explain blocksize").out, same);
    assert!(
        lab.ok("explain muon")
            .out
            .contains("\n  Source: Jordan 2024;")
    );
    let found: Value = serde_json::from_str(&lab.ok("explain nat --json").out).expect("JSON");
    assert_eq!(found["word"], "nats");
}

#[test]
fn an_unknown_word_is_a_usage_error_with_the_nearest_words() {
    let lab = Lab::new();
    let ran = lab.run("explain perplexty");
    assert_eq!(
        (ran.code, ran.err.as_str(), ran.out.as_str()),
        (
            2,
            "error: the glossary has no word `perplexty`\nhint: did you mean `perplexity`?\n\
             hint: `gptlab explain` lists all words\n",
            ""
        )
    );
    assert_eq!(lab.run("explain zebra crossing").code, 2);
    assert_eq!(lab.run("explain nats --all").code, 2);
}

#[test]
fn every_measure_is_explained() {
    let lab = Lab::new();
    let measures = lab.ok("probe --measures --json").out;
    let measures: Vec<Value> = serde_json::from_str(&measures).expect("measures");
    for measure in &measures {
        let name = measure["name"].as_str().expect("a name");
        let said = lab.ok(&format!("explain {name}")).out;
        assert!(
            said.contains(&format!("{name} (a measure)\n  Formula: ")),
            "{said}"
        );
        assert!(
            said.lines().all(|line| line.chars().count() <= 80),
            "{said}"
        );
    }
    let both = lab.ok("explain attention entropy").out;
    assert!(both.starts_with("attention entropy\n"), "{both}");
    assert!(both.contains("\nattention_entropy (a measure)\n"), "{both}");
}

/// A source package may be without the page.
#[test]
fn the_page_of_the_repository_is_the_one_that_is_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../GLOSSARY.md");
    let printed = Lab::new().ok("explain --all").out;
    if let Ok(page) = fs::read_to_string(page) {
        assert!(
            page == printed,
            "`gptlab explain --all > GLOSSARY.md` makes the page again"
        );
    }
}

/// What an entry tells users to type is there.
#[test]
fn every_flag_and_command_of_an_entry_exists() {
    let lab = Lab::new();
    let flags_in = |text: &str| -> BTreeSet<String> {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
            .filter(|word| word.starts_with("--") && word.len() > 2)
            .map(str::to_owned)
            .collect()
    };
    let commands: BTreeMap<String, BTreeSet<String>> = lab
        .commands()
        .into_iter()
        .map(|name| {
            (
                name.clone(),
                flags_in(&lab.ok(&format!("{name} --help")).out),
            )
        })
        .collect();
    let mut checked = 0;
    for entry in entries(&lab) {
        let text = entry["text"].as_str().expect("a text");
        for code in text.split('`').skip(1).step_by(2) {
            let command = code.strip_prefix("gptlab ");
            let command = command.map(|rest| rest.split(' ').next().unwrap_or_default());
            for flag in flags_in(code) {
                let known = match command {
                    Some(command) => commands[command].contains(&flag),
                    None => commands.values().any(|flags| flags.contains(&flag)),
                };
                assert!(known, "{}: {code}", entry["word"]);
                checked += 1;
            }
            if let Some(command) = command {
                assert!(commands.contains_key(command), "{}: {code}", entry["word"]);
            }
        }
    }
    assert!(checked > 80, "{checked} flags");
}

/// The witness is the recipe of a preset.
#[test]
fn numbers_of_entries_are_those_of_the_presets() {
    let lab = Lab::new();
    let recipe: Value = serde_json::from_str(&lab.ok("presets modern --json").out).expect("JSON");
    let entries = entries(&lab);
    for (word, setting) in [
        ("temperature", "temperature"),
        ("top-k", "top-k"),
        ("warm-up", "warmup"),
        ("weight decay", "weight-decay"),
        ("gradient clipping", "grad-clip"),
        ("AdamW", "beta1"),
        ("AdamW", "beta2"),
        ("context", "block-size"),
        ("width", "n-embd"),
        ("block", "n-layer"),
        ("head", "n-head"),
        ("batch", "batch-size"),
    ] {
        let entry = entries.iter().find(|entry| entry["word"] == word);
        let text = entry
            .and_then(|entry| entry["text"].as_str())
            .expect("an entry");
        let value = recipe[setting].as_f64().expect("a number").to_string();
        let numbers = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
        let mut numbers = numbers.map(|number| number.trim_end_matches('.'));
        assert!(numbers.any(|n| n == value), "{word}: {setting} is {value}");
    }
}
