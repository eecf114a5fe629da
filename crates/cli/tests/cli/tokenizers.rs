//! Vocabularies and documents, from the flag to the checkpoint and back.

use serde_json::{Value, json};

use crate::{Lab, TINY};

/// 8 characters and 11 bytes.
const LINE: &str = "猫 und é\n";

fn value(lab: &Lab, line: &str) -> Value {
    serde_json::from_str(&lab.ok(line).out).expect("JSON")
}

/// Makes a lab with a model of bytes, and the run that trained it.
fn of_bytes() -> Lab {
    let lab = Lab::new();
    lab.file("cats.txt", LINE.repeat(60));
    lab.ok(&format!(
        "train --data cats.txt {TINY} --tokenizer bytes --save model.safetensors --out run"
    ));
    lab
}

#[test]
fn bytes_are_trained_saved_and_resumed() {
    let lab = of_bytes();
    let experiment = lab.json("run/experiment.json");
    assert_eq!(experiment["tokenizer"], json!({"kind": "bytes"}));
    assert_eq!(experiment["vocab_size"], 256);
    let output = lab.ok("inspect model.safetensors").out;
    assert!(
        output.contains("tokenizer    bytes, 256 tokens\n"),
        "{output}"
    );
    lab.ok("train --resume run --steps 8");
    let refused = lab.run("train --load model.safetensors --data cats.txt --tokenizer chars");
    let sentence = "model.safetensors holds a tokenizer of bytes, and the flags ask for chars";
    assert!(refused.err.contains(sentence), "{}", refused.err);
}

/// A prompt can contain characters that the text does not, and a model after five steps writes
/// bytes that are not valid UTF-8.
#[test]
fn bytes_write_text() {
    let lab = of_bytes();
    let flags = "--prompt 🐈 --max-tokens 60 --top-k 0 --temperature 2";
    let written = value(&lab, &format!("generate model.safetensors {flags} --json"));
    assert_eq!(written["prompt"], "🐈");
    let text = written["text"].as_str().expect("a text");
    assert!(text.contains('\u{FFFD}'), "{text}");
    assert_eq!(written["tokens"], 60);
    let shown = lab.ok(&format!("generate model.safetensors {flags}")).out;
    assert!(shown.starts_with("🐈"), "{shown}");
}

/// The counts are made by hand: 60 lines of 8 characters and 11 bytes.
#[test]
fn losses_on_bytes_are_bits_a_character() {
    let lab = of_bytes();
    let eval = "eval model.safetensors --data cats.txt --val-fraction 0 --json";
    let report = value(&lab, eval);
    let number = |report: &Value, key: &str| report[key].as_f64().expect("a number");
    assert_eq!(report["predictions"], 659);
    let bits = number(&report, "loss") / std::f64::consts::LN_2 * 11.0 / 8.0;
    assert!((number(&report, "bits_per_char") - bits).abs() < 1e-9);
    let floors = "baselines --data cats.txt --tokenizer bytes --val-fraction 0.5 --up-to 1 --json";
    let floors = value(&lab, floors);
    assert_eq!(
        (&floors["tokenizer"], &floors["vocab_size"]),
        (&json!("bytes"), &json!(256))
    );
    let uniform = &floors["floors"][0];
    assert!(
        (number(uniform, "bits_per_char") - 11.0).abs() < 1e-9,
        "8 bits of 11 bytes"
    );
}

#[test]
fn a_byte_that_is_no_character_has_a_name_in_tables() {
    let lab = of_bytes();
    let report = value(&lab, "probe model.safetensors --prompt 猫 --json");
    assert_eq!(report["tokens"], json!(["<0xE7>", "<0x8C>", "<0xAB>"]));
}

#[test]
fn documents_end_at_the_requested_separator() {
    let lab = Lab::new();
    lab.file(
        "ends.txt",
        "a cat sat<|end|>\n a dog ran\n<|end|>\n".repeat(20),
    );
    let train = format!("train {TINY} --data ends.txt --documents separator=<|end|>");
    lab.ok(&format!("{train} --out run --save model.safetensors"));
    let tokenizer = &lab.json("run/experiment.json")["tokenizer"];
    let expected = json!({
        "kind": "chars", "chars": " acdgnorst", "documents": {"separator": "<|end|>"}
    });
    assert_eq!(*tokenizer, expected);
    let output = lab.ok("inspect model.safetensors").out;
    let line = "tokenizer    chars with documents separator=<|end|>, 11 tokens: \" acdgnorst\"";
    assert!(output.contains(line), "{output}");
    // There are 40 documents of 9 characters and a token between them.
    let all = "eval model.safetensors --data ends.txt --val-fraction 0 --json";
    assert_eq!(value(&lab, all)["predictions"], 400);
}

#[test]
fn documents_are_a_setting_like_any_other() {
    let lab = Lab::new();
    let of = |flags: &str| {
        value(
            &lab,
            &format!("baselines --data data.txt --up-to 1 --json {flags}"),
        )
    };
    assert_eq!(of("--documents lines"), of("--tokenizer lines"));
    assert_eq!(of("--tokenizer lines --documents text"), of(""));
    let by_line = of("--tokenizer bytes --documents lines");
    assert_eq!(by_line["tokenizer"], "bytes with documents lines");
    assert_eq!(by_line["vocab_size"], 257);
    lab.file("gptlab.toml", "documents = 'separator=\\n'\n");
    let configured = of("--config gptlab.toml");
    assert_eq!(
        configured["tokenizer"],
        r"chars with documents separator=\n"
    );
    let refused = lab.run("train --data data.txt --documents words");
    assert_eq!(refused.code, 2);
    assert!(
        refused
            .err
            .contains("called \"words\"; there are text, lines and separator=TEXT"),
        "{}",
        refused.err
    );
}
