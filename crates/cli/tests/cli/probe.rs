//! `gptlab probe`: its output, its files and its errors.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{Lab, Ran, TINY};

/// Runs `probe model.safetensors` with `flags` and a prompt, which can contain spaces.
fn probe(lab: &Lab, prompt: &str, flags: &str) -> Ran {
    let mut words = vec!["probe", "model.safetensors", "--prompt", prompt];
    words.extend(flags.split_whitespace());
    lab.words(&words)
}

fn json(lab: &Lab, prompt: &str, flags: &str) -> Value {
    let ran = probe(lab, prompt, &format!("{flags} --json"));
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).expect("JSON")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("no list {key} in {value}"))
}

fn number(value: &Value, key: &str) -> f64 {
    value[key]
        .as_f64()
        .unwrap_or_else(|| panic!("no number {key} in {value}"))
}

#[test]
fn a_terminal_gets_a_table_of_each_probe() {
    let lab = Lab::trained();
    let ran = probe(&lab, "the cat sat", "--train-text data.txt");
    assert_eq!(ran.code, 0, "{}", ran.err);
    for part in [
        "checkpoint  model.safetensors: 1 block, 2 heads, width 16, context 16, step 5\n",
        "prompt      \"the cat sat\", 11 tokens\n",
        "text        the prompt, 10 predictions, loss ",
        "So few say little about the parts; `--data FILE` reads a text.",
        "repeated    8 random tokens twice, 8 times: loss ",
        "block0.attn.head1 ",
        "stream: on the prompt; the logits' mean log Z is ",
        "surprise: nats",
        "(next) ",
        "token  embedding",
        "\nkl ",
        "block0.mlp.bias ",
        "\nlogit ",
        "copied      11 characters of the prompt, from 0: \"the cat sat\", which stands at 0 in data.txt",
    ] {
        assert!(ran.out.contains(part), "no {part} in\n{}", ran.out);
    }
    assert!(ran.err.contains("--measures"), "{}", ran.err);
}

#[test]
fn json_holds_everything_and_adds_up() {
    let lab = Lab::trained();
    let found = json(&lab, "the cat sat", "--top 15");
    assert_eq!(list(&found, "tokens").len(), 11);
    for head in list(&found, "attention") {
        for (q, row) in list(head, "weights").iter().enumerate() {
            let row: Vec<f64> = row
                .as_array()
                .expect("a row")
                .iter()
                .filter_map(Value::as_f64)
                .collect();
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5);
            assert!(row[q + 1..].iter().all(|w| *w == 0.0));
        }
    }
    let shares = &found["attribution"];
    for (t, logit) in list(shares, "logits").iter().enumerate() {
        let parts = list(shares, "parts").iter();
        let sum: f64 = parts
            .map(|p| list(p, "logit_attribution")[t].as_f64().expect("a share"))
            .sum();
        assert!((sum - logit.as_f64().expect("a logit")).abs() < 1e-4);
    }
    for (t, logit) in list(shares, "centred_logits").iter().enumerate() {
        let parts = list(shares, "parts").iter();
        let sum: f64 = parts
            .map(|p| list(p, "centred_attribution")[t].as_f64().expect("a share"))
            .sum();
        assert!((sum - logit.as_f64().expect("a logit")).abs() < 1e-4);
    }
    assert_eq!(
        (&found["precision"], &found["trained_in"]),
        (&"f32".into(), &"f32".into())
    );
    let layers = list(&found, "lens");
    assert_eq!(layers.len(), 2);
    assert_eq!(number(&layers[1], "lens_kl"), 0.0);
    let surprise = list(&found, "surprise");
    let losses: Vec<f64> = surprise
        .iter()
        .filter_map(|s| s["surprise"].as_f64())
        .collect();
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    assert!((number(&layers[1], "lens_loss") - mean).abs() < 1e-9);
    assert!((number(&found["ablation"], "loss") - mean).abs() < 1e-5);
    let guesses = list(&surprise[10], "top").iter();
    assert!((guesses.map(|g| number(g, "probability")).sum::<f64>() - 1.0).abs() < 1e-9);
    assert!(
        list(&found, "measures")
            .iter()
            .any(|m| m["name"] == "induction")
    );
    assert_eq!(
        (&found["patching"], &found["copied"]),
        (&Value::Null, &Value::Null)
    );
}

#[test]
fn only_what_was_asked_for_is_probed() {
    let lab = Lab::trained();
    let found = json(&lab, "the cat", "--only lens,surprise --top 2");
    let made: Vec<&str> = [
        "attention",
        "repeated",
        "activations",
        "ablation",
        "lens",
        "attribution",
        "surprise",
    ]
    .into_iter()
    .filter(|key| !found[key].is_null())
    .collect();
    assert_eq!(made, ["lens", "surprise"]);
    assert_eq!(list(&list(&found, "surprise")[0], "top").len(), 2);
}

/// The seed, the text and its length are the typed ones.
#[test]
fn flags_change_what_they_name() {
    let lab = Lab::trained();
    let scores = |flags: &str| json(&lab, "the cat", flags)["repeated"].clone();
    assert_eq!(
        scores("--only attention"),
        scores("--only attention --seed 0")
    );
    assert_ne!(
        scores("--only attention"),
        scores("--only attention --seed 1")
    );
    for threads in ["1", "3"] {
        let flags = format!("--only attention --threads {threads} --isa portable");
        assert_eq!(scores(&flags)["length"], 8);
    }
    let ablation = |flags: &str| {
        let found = json(&lab, "the cat", flags);
        (
            number(&found["ablation"], "predictions"),
            found["text"].clone(),
        )
    };
    let only = "--only ablation";
    assert_eq!(ablation(only), (6.0, "the prompt".into()));
    let (predictions, text) = ablation(&format!("{only} --data data.txt --tokens 20"));
    assert_eq!(
        (predictions, text),
        (20.0, "data.txt (its last 0.100)".into())
    );
    lab.file("other.txt", "a cat and a dog.");
    let (predictions, text) = ablation(&format!("{only} --data other.txt"));
    assert_eq!((predictions, text), (15.0, "other.txt".into()));
    let prompted = lab.ok("probe model.safetensors --data other.txt --only surprise");
    assert!(
        prompted
            .out
            .contains("prompt      \"a cat and a dog.\", 16 tokens")
    );
    lab.file("run.toml", "top = 1\nonly = \"surprise\"\n");
    let found = json(&lab, "the", "--config run.toml");
    assert_eq!(list(&list(&found, "surprise")[0], "top").len(), 1);
}

#[test]
fn patching_compares_two_prompts() {
    let lab = Lab::trained();
    let mut words = vec![
        "probe",
        "model.safetensors",
        "--prompt",
        "the cat s",
        "--corrupt",
    ];
    words.extend(["the dog s", "--answers", "ao", "--only", "patching"]);
    let shown = lab.words(&words);
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(
        shown.out.contains("patching: recovery of 'a' over 'o', "),
        "{}",
        shown.out
    );
    assert!(shown.out.contains("block0.attn.head1 "), "{}", shown.out);
    words.push("--json");
    let found: Value = serde_json::from_str(&lab.words(&words).out).expect("JSON");
    let stream = list(&found["patching"], "stream");
    let of = |stage: usize| -> Vec<f64> {
        let cells = list(&stream[stage], "recovery").iter();
        cells.map(|r| r.as_f64().expect("a number")).collect()
    };
    assert_eq!(of(1), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    let embedding = of(0);
    let same = [0, 1, 2, 3, 7, 8].map(|t| embedding[t]);
    assert_eq!(same, [0.0; 6], "where the tokens are the same");
    assert!(
        [4, 5, 6].iter().all(|t| embedding[*t] != 0.0),
        "{embedding:?}"
    );
}

#[test]
fn copied_looks_a_text_up_in_another() {
    let lab = Lab::trained();
    lab.file("written.txt", "a hen sat on the mat and then");
    let flags = "--only copied --written written.txt --train-text data.txt";
    let found = json(&lab, "the", flags)["copied"].clone();
    // The tokens of the prompt do not matter; the text repeats one sentence 8 times.
    assert_eq!(found["longest"]["text"], " sat on the mat and the");
    assert_eq!(
        (
            number(&found["longest"], "length"),
            number(&found["longest"], "at")
        ),
        (23.0, 5.0)
    );
    assert_eq!(found["training"], "data.txt (its training part)");
}

#[test]
fn csv_is_a_file_a_table() {
    let lab = Lab::trained();
    let flags = "--corrupt dog --answers ac --train-text data.txt --csv tables/new";
    let ran = probe(&lab, "cat", flags);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let expected = [
        // There is a header and a row for the heads, the attention and the MLP of one block.
        ("parts", 1 + 4, "part,previous token,"),
        ("stream", 1 + 2, "depth,activation rms,token similarity"),
        (
            "attention",
            1 + 2 * 3 * 3,
            "part,query_token,key_token,head,query,key,weight",
        ),
        ("surprise", 1 + 3 * 3, "token,guessed,position,surprise,"),
        ("lens", 1 + 2 * 3 * 3, "depth,token,came,guessed,position,"),
        (
            "patching",
            1 + 2 * 3,
            "depth,clean,corrupted,position,recovery",
        ),
        ("patched_heads", 1 + 2, "part,recovery"),
    ];
    for (name, lines, header) in expected {
        let text = lab.read(&format!("tables/new/{name}.csv"));
        let text = String::from_utf8(text).expect("UTF-8");
        assert!(text.starts_with(header), "{name}: {text}");
        assert_eq!(text.lines().count(), lines, "{name}: {text}");
    }
    let measures = String::from_utf8(lab.read("tables/new/measures.csv")).expect("UTF-8");
    assert!(measures.starts_with("measure,formula,unit,usual range,source\n"));
    assert!(measures.contains("\ninduction,"), "{measures}");
    assert!(ran.err.contains("9 tables in tables/new"), "{}", ran.err);
}

#[test]
fn measures_are_defined() {
    let lab = Lab::new();
    let output = lab.ok("probe --measures").out;
    assert!(
        output.contains("Olsson et al. 2022") && output.contains("nats per token"),
        "{output}"
    );
    let defined: Value =
        serde_json::from_str(&lab.ok("probe --measures --json").out).expect("JSON");
    let keys: BTreeSet<&str> = defined[0]
        .as_object()
        .expect("a definition")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        ["formula", "measure", "name", "range", "source", "unit"].into()
    );
}

/// Every wiring can be probed, and a built-in text needs no flag.
#[test]
fn broken_models_are_probed_like_whole_ones() {
    for (flags, missing) in [
        ("--disable-attention", "attn"),
        ("--mlp none", "mlp"),
        ("--ln-style post --disable-residual", ""),
        (
            "--position rotary --order parallel --tied 0 --n-kv-head 1 --norm rms-norm",
            "",
        ),
        ("--tokenizer lines --mask full", ""),
    ] {
        let lab = Lab::new();
        lab.ok(&format!(
            "train --data data.txt {TINY} {flags} --save model.safetensors"
        ));
        let found = json(
            &lab,
            "the cat",
            "--corrupt dog.cat --answers ac --only attention,lens,attribution,ablation",
        );
        for part in list(&found["ablation"], "parts") {
            let name = part["part"].as_str().expect("a name");
            assert!(
                missing.is_empty() || !name.contains(missing),
                "{flags}: {name}"
            );
        }
        let layers = list(&found, "lens");
        assert_eq!(number(&layers[layers.len() - 1], "lens_kl"), 0.0, "{flags}");
        assert_eq!(probe(&lab, "the", "").code, 0, "{flags}");
    }
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data names {TINY} --save model.safetensors"
    ));
    let output = lab
        .ok("probe model.safetensors --tokens 40 --only ablation,copied")
        .out;
    assert!(
        output.contains("text        the built-in text `names` (its last 0.100), 40 predictions"),
        "{output}"
    );
    assert!(
        output.contains("in the built-in text `names` (its training part)"),
        "{output}"
    );
}

#[test]
fn what_cannot_be_probed_is_refused() {
    let lab = Lab::trained();
    lab.file("one.txt", "qz");
    for (line, code, sentence) in [
        ("probe", 2, "error: probe needs a checkpoint"),
        (
            "probe nowhere.safetensors",
            1,
            "error: cannot read nowhere.safetensors",
        ),
        ("probe data.txt", 3, "error: data.txt"),
        (
            "probe model.safetensors",
            2,
            "error: probe needs --prompt or --data",
        ),
        (
            "probe model.safetensors --prompt xyz",
            3,
            "error: the tokenizer knows 15 characters and not 'x'",
        ),
        (
            "probe model.safetensors --prompt thecatsatonthemat",
            2,
            "error: the prompt has 17 tokens and the model's context holds 16; shorten it",
        ),
        (
            "probe model.safetensors --prompt a --corrupt b",
            2,
            "error: --corrupt needs --answers",
        ),
        (
            "probe model.safetensors --prompt a --answers ab",
            2,
            "error: --answers needs --corrupt",
        ),
        (
            "probe model.safetensors --corrupt a --answers ab",
            2,
            "error: --corrupt needs --prompt",
        ),
        (
            "probe model.safetensors --prompt at --corrupt a --answers ac",
            2,
            "error: the prompt has 2 tokens and the corrupted one 1",
        ),
        (
            "probe model.safetensors --prompt at --corrupt as --answers a",
            2,
            "error: answers are two different tokens",
        ),
        (
            "probe model.safetensors --prompt at --corrupt at --answers ac",
            2,
            "error: the model prefers the first answer to the second exactly as much after both",
        ),
        (
            "probe model.safetensors --prompt at --only patching",
            2,
            "error: patching needs --corrupt",
        ),
        (
            "probe model.safetensors --prompt at --only copied",
            2,
            "error: copied needs --train-text",
        ),
        (
            "probe model.safetensors --prompt a --only ablation",
            2,
            "error: the text needs at least 2 tokens",
        ),
        (
            "probe model.safetensors --prompt a --tokens 0",
            2,
            "error: --tokens must be at least 1",
        ),
        (
            "probe model.safetensors --prompt a --only lenses",
            2,
            "error: invalid value 'lenses'",
        ),
        ("probe model.safetensors --data one.txt", 3, "error: "),
        (
            "probe model.safetensors --prompt a --csv data.txt",
            1,
            "error: cannot make data.txt",
        ),
    ] {
        let ran = lab.run(line);
        assert_eq!(ran.code, code, "{line}\n{}", ran.err);
        assert!(
            ran.first_line().starts_with(sentence),
            "{line}\n{}",
            ran.err
        );
        assert_eq!(ran.out, "", "{line}");
    }
}

#[test]
fn pictures_are_a_page_and_a_file_each() {
    let lab = Lab::trained();
    let flags = "--pictures inside --only attention,lens,ablation,surprise";
    let ran = probe(&lab, "the cat sat", flags);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(
        ran.err.contains("pictures in inside/probe.html"),
        "{}",
        ran.err
    );
    let text = |name: &str| String::from_utf8(lab.read(&format!("inside/{name}"))).expect("UTF-8");
    let page = text("probe.html");
    for part in [
        "<h1>After &quot;the cat sat&quot; the model expects ",
        "The logit lens",
        "The loss without each head",
        "block0.attn, head 1",
        "How surprising each token was",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    for file in [
        "lens.svg",
        "zero-ablation.svg",
        "ablation.svg",
        "surprise.svg",
        "attention-block0.attn-head0.svg",
    ] {
        assert!(text(file).starts_with("<?xml"), "{file}");
    }
    let words = [
        "probe",
        "model.safetensors",
        "--prompt",
        "the cat s",
        "--corrupt",
        "the dog s",
        "--answers",
        "ao",
        "--only",
        "patching",
        "--pictures",
        "patched",
    ];
    assert_eq!(lab.words(&words).code, 0);
    assert!(lab.path("patched/patching.svg").exists());
}

#[test]
fn a_folder_of_somebody_else_is_left_as_it_is() {
    let lab = Lab::trained();
    std::fs::create_dir(lab.path("own")).expect("a folder");
    lab.file("own/lens.svg", "mine");
    for flag in ["--pictures", "--csv"] {
        let ran = probe(&lab, "the cat", &format!("--only lens {flag} own"));
        let sentence = "error: own: expected a new or empty folder, or one with a probe.html or a measures.csv or a \
                    values.safetensors that gptlab made, found files of somebody else: `lens.svg`";
        assert_eq!((ran.code, ran.first_line()), (3, sentence));
        assert!(
            ran.err
                .contains(&format!("hint: name a new folder: {flag} DIR"))
        );
        assert_eq!(
            std::fs::read_dir(lab.path("own"))
                .expect("a folder")
                .count(),
            1
        );
    }
    // Tables and pictures can share a folder, and can be made again.
    for flags in ["--csv new --pictures new", "--pictures new", "--csv new"] {
        let ran = probe(&lab, "the cat", &format!("--only lens {flags}"));
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
}

/// Probes run in f32, and say so of a model that was trained in another precision.
#[test]
fn another_precision_than_the_run_s_is_said() {
    let lab = Lab::new();
    lab.ok(&format!(
        "train --data data.txt {TINY} --precision bf16 --save bf16.safetensors"
    ));
    let said = lab
        .ok("probe bf16.safetensors --prompt the --only attention")
        .out;
    let line =
        "precision   f32 here; the model was trained in bf16, and `gptlab eval` measures it so\n";
    assert!(said.contains(line), "{said}");
    assert!(
        said.contains("(standard error below 0.001, over 8 sequences)"),
        "{said}"
    );
}

/// A witness reads the file as the format's definition says: eight bytes of length, a header of
/// JSON, and the numbers.
#[test]
fn values_are_a_file_with_the_names_of_the_listing() {
    let lab = Lab::trained();
    let ran = probe(&lab, "the cat sat", "--only attention --values inside");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let file = lab.read("inside/values.safetensors");
    let (length, rest) = file.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
    let header: Value = serde_json::from_slice(&rest[..length]).expect("a header");
    let tensor = |name: &str| {
        let at = |i: usize| header[name]["data_offsets"][i].as_u64().expect("a place") as usize;
        let bytes = &rest[length..][at(0)..at(1)];
        let numbers = bytes
            .chunks_exact(4)
            .map(|b| b.try_into().expect("four bytes"));
        (
            numbers.collect::<Vec<[u8; 4]>>(),
            header[name]["shape"].clone(),
        )
    };
    let floats = |name: &str| -> Vec<f64> {
        let (numbers, _) = tensor(name);
        numbers
            .into_iter()
            .map(|b| f32::from_le_bytes(b).into())
            .collect()
    };
    let listing = lab.ok("inspect model.safetensors").out;
    for name in ["block0.attn.mix", "block0.mlp.residual", "logits"] {
        assert!(listing.contains(&format!("{name} ")), "{name}");
        assert_eq!(tensor(name).1[0], 11, "{name}");
    }
    assert_eq!(tensor("block0.attn.weights").1.to_string(), "[2,11,11]");
    for row in floats("block0.attn.weights").chunks_exact(11) {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
    }
    // The losses are those of the logits.
    let (tokens, logits, losses) = (tensor("tokens").0, floats("logits"), floats("losses"));
    let vocabulary = logits.len() / 11;
    assert_eq!(losses.len(), 10);
    for (t, loss) in losses.iter().enumerate() {
        let row = &logits[t * vocabulary..][..vocabulary];
        let next = u32::from_le_bytes(tokens[t + 1]) as usize;
        let total: f64 = row.iter().map(|x| x.exp()).sum();
        assert!((total.ln() - row[next] - loss).abs() < 1e-4, "{t}");
    }
    // A second time the file is replaced, and another folder is left alone.
    let again = probe(&lab, "the cat", "--only attention --values inside");
    assert_eq!(again.code, 0, "{}", again.err);
    std::fs::create_dir(lab.path("taken")).expect("a folder");
    lab.file("taken/mine.txt", "mine");
    let refused = probe(&lab, "the cat", "--only attention --values taken");
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.first_line().contains("mine.txt"), "{}", refused.err);
}

/// A document is predicted without those before it, as in training and by `eval`.
#[test]
fn the_loss_that_parts_are_taken_from_is_of_documents() {
    let lab = Lab::new();
    lab.file("names.txt", "anna\nbob\ncarla\ndan\n".repeat(30));
    lab.file("few.txt", "anna\nbob\ndan\ncarla\n");
    lab.ok("train --preset microgpt --data names.txt --steps 20 --block-size 8 --out run --seed 3");
    let read = |line: &str| -> Value { serde_json::from_str(&lab.ok(line).out).expect("JSON") };
    let eval = read("eval run --data few.txt --val-fraction 0 --json");
    let probe = read("probe run --data few.txt --only ablation --json");
    let (loss, predictions) = (
        number(&probe["ablation"], "loss"),
        number(&probe["ablation"], "predictions"),
    );
    // Each document ends in one prediction more than it has letters.
    assert_eq!(predictions, 19.0);
    assert_eq!(number(&eval, "predictions"), 19.0);
    assert!((loss - number(&eval, "loss")).abs() < 1e-6, "{loss}");
}
