//! `ablate --against`: recipes that others have measured, beside our runs of them.

use serde_json::Value;

use crate::{Lab, TEXT};

/// A recipe so small that running it takes little time.
const SMALL: &str =
    "n-layer = 1, n-embd = 16, n-head = 2, block-size = 16, batch-size = 2, val-fraction = 0.2";

/// Returns the lines of one result of a file.
fn result(name: &str, steps: u64, rest: &str) -> String {
    format!(
        "[[results]]\nname = \"{name}\"\nsource = \"us\"\ntext = \"cats\"\npreset = \"gpt2-mini\"\n\
         settings = {{ {SMALL}, steps = {steps} }}\n{rest}\n"
    )
}

/// Makes a lab with `rows.toml`: a result that no run can have, one that any run agrees with, a
/// n-gram baseline, and a long one.
fn lab() -> Lab {
    let lab = Lab::new();
    let data = gptlab_data::Fingerprint::of(TEXT.repeat(8).as_bytes());
    let head = format!(
        "[texts.cats]\ntitle = \"cats and dogs\"\nbytes = {}\nsha256 = \"{data}\"\nfound = \"the file that the tests \
         write\"\n\n[sources.us]\nauthor = \"A. Nobody\"\nyear = 1999\naddress = \"https://example.org/cats\"\n\n",
        TEXT.len() * 8
    );
    let loss = |value: f64, rest: &str| {
        format!("quantity = \"validation-loss\"\nvalue = {value:?}\n{rest}")
    };
    let rows = [
        result(
            "too low",
            6,
            &loss(0.25, "remark = \"No run is so low.\"\n"),
        ),
        result("anywhere", 4, &loss(3.0, "spread = 3.0\nseeds = 2\n")),
        result(
            "on the unigram",
            4,
            "quantity = { ngram-baseline = 1 }\nwithin = 50.0\nseeds = 2\n",
        ),
        result("long one", 4, &loss(3.0, "long = true\n")),
    ];
    lab.file("rows.toml", head + &rows.concat());
    lab
}

fn unwrapped(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn theirs_and_ours_are_printed_with_whether_they_agree() {
    let lab = lab();
    let ran = lab.ok("ablate --against rows.toml --data data.txt --out grid");
    for line in ran.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for said in [
        "left out long-one: it is long; `--switches long-one` runs it",
        "7 runs of at most 6 steps: 3 variants, 3 seeds; in grid",
        "for 7 runs, by the speed of the first steps",
        "7 of 7",
    ] {
        assert!(ran.err.contains(said), "no {said:?} in {}", ran.err);
    }
    let row = |name: &str| {
        let mut lines = ran.out.lines();
        unwrapped(lines.find(|line| line.starts_with(name)).expect("a row"))
    };
    assert!(row("too low").starts_with("too low 0.2500 "), "{}", ran.out);
    assert!(row("too low").ends_with(" differs"), "{}", ran.out);
    assert!(row("anywhere").ends_with(" agrees"), "{}", ran.out);
    assert!(row("on the unigram").ends_with(" agrees"), "{}", ran.out);
    let said = unwrapped(&ran.out);
    for sentence in [
        "2 of 3 published results agree with ours",
        "lies within our 95 % interval of a single run",
        "No spread was published of too low;",
        "Source of too low, anywhere, on the unigram: A. Nobody (1999), https://example.org/cats.",
    ] {
        assert!(said.contains(sentence), "no {sentence:?} in {}", ran.out);
    }
    let results = lab.json("grid/results.json");
    let rows = results["published"].as_array().expect("rows");
    assert_eq!(rows[0]["verdict"], "differs");
    assert_eq!(rows[1]["has_spread"], true);
    // The baseline is the loss of letters without a context, which the program measured.
    let ngram = results["floors"]["ngrams"][0].as_f64().expect("a loss");
    assert_eq!(rows[2]["published"].as_f64(), Some(ngram));
    let losses: Vec<f64> = results["rows"][0]["outcomes"]
        .as_array()
        .expect("outcomes")
        .iter()
        .map(|outcome| outcome["val_loss"].as_f64().expect("a loss"))
        .collect();
    let mean = losses.iter().sum::<f64>() / 3.0;
    assert!((rows[0]["ours"].as_f64().expect("a mean") - mean).abs() < 1e-12);
    let page = String::from_utf8(lab.read("grid/report/report.html")).expect("UTF-8");
    for said in ["A. Nobody (1999)", "No run is so low.", "1-gram baseline"] {
        assert!(page.contains(said), "no {said} in the page");
    }
    let csv = String::from_utf8(lab.read("grid/report/published.csv")).expect("UTF-8");
    assert!(csv.contains("\ntoo low,validation loss,0.25,"), "{csv}");
    // The same from the record, and as JSON.
    assert!(
        lab.ok("report grid")
            .out
            .contains("2 of 3 published results")
    );
    let again = lab.ok("ablate --against rows.toml --data data.txt --out grid --json");
    let printed: Value = serde_json::from_str(&again.out).expect("JSON");
    assert_eq!(printed["published"], results["published"]);
    // A value that is corrected changes no run.
    let rows = String::from_utf8(lab.read("rows.toml")).expect("UTF-8");
    lab.file("rows.toml", rows.replace("value = 0.25", "value = 0.5"));
    let ran = lab.ok("ablate --against rows.toml --data data.txt --out grid");
    assert!(ran.out.contains("0.5000"), "{}", ran.out);
    let claim = &lab.json("grid/grid.json")["variants"][0]["published"];
    assert_eq!(claim["value"], 0.5);
}

#[test]
fn one_run_by_name_cannot_tell() {
    let lab = lab();
    let ran = lab.ok(
        "ablate --against rows.toml --switches long-one --data data.txt --seeds 1 --seed 7 --observe basic --out grid",
    );
    let said = unwrapped(&ran.out);
    for sentence in [
        "Whether the published results agree with ours cannot be told",
        "Cannot be told: long one (",
        "One run has no spread, and cannot tell an agreement from chance: `--seeds 3` can.",
    ] {
        assert!(said.contains(sentence), "no {sentence:?} in {}", ran.out);
    }
    assert!(lab.path("grid/runs/long-one-s7").is_dir());
}

#[test]
fn the_results_are_listed() {
    let lab = lab();
    let ours = lab.ok("ablate --against published --list").out;
    for line in ours.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let said = unwrapped(&ours);
    for sentence in [
        "base validation loss 1.9189 nano-laptop, on tiny Shakespeare nanoGPT's README",
        "no-residual ends on the 1-gram baseline, within 0.05",
        "rate-1e-2 training loss 2.475 long, nano with lr 0.01, on tiny Shakespeare",
        "source: measured with nanoGPT's laptop recipe at rate 1e-3",
    ] {
        assert!(said.contains(sentence), "no {sentence:?} in {ours}");
    }
    let own = lab.ok("ablate --against rows.toml --list --json").out;
    let own: Value = serde_json::from_str(&own).expect("JSON");
    assert_eq!(own[1]["name"], "anywhere");
    assert_eq!(own[1]["settings"]["n-layer"], 1);
}

#[test]
fn refusals_say_what_was_expected() {
    let lab = lab();
    lab.file(
        "bad.toml",
        "texts = {}\nsources = {}\nresults = []\nmore = 1\n",
    );
    lab.file("empty.toml", "texts = {}\nsources = {}\nresults = []\n");
    let data = "--data data.txt";
    let cases = [
        (
            "--against published".to_owned(),
            2,
            "error: --against needs --data with the text that the results were measured on, tiny Shakespeare (1,115,394 \
             bytes, SHA-256 86c4e6aa",
        ),
        (
            format!("--against published {data}"),
            3,
            "error: the results were measured on tiny Shakespeare (1,115,394 bytes, SHA-256 86c4e6aa",
        ),
        (
            format!("--against published {data}"),
            3,
            "found data.txt (408 bytes, SHA-256 ",
        ),
        (
            format!("--against published {data}"),
            3,
            "the file data/shakespeare_char/input.txt, which nanoGPT's data/shakespeare_char/prepare.py downloads",
        ),
        (
            format!("--against rows.toml {data} --steps 3"),
            2,
            "error: --against repeats recipes as they were measured, and --steps would change them",
        ),
        (
            format!("--against rows.toml {data} --switches anwhere"),
            2,
            "error: there is no published result called \"anwhere\"; did you mean `anywhere`?",
        ),
        (
            format!("--against rows.toml {data} --grid lr=1,2"),
            2,
            "error: ",
        ),
        (
            format!("--against bad.toml {data}"),
            3,
            "error: bad.toml, line 4: unknown field `more`",
        ),
        (
            format!("--against empty.toml {data}"),
            2,
            "error: no published result is named; the file has none",
        ),
        (
            format!("--against publishd {data}"),
            1,
            "`--against published` takes the results that are part of the program",
        ),
        (
            format!("--against rows.toml {data} --seeds 0"),
            2,
            "error: --seeds must be from 1 to 1000, found 0",
        ),
    ];
    for (flags, code, sentence) in cases {
        let ran = lab.run(&format!("ablate {flags} --out grid"));
        assert_eq!(ran.code, code, "{flags}: {}", ran.err);
        assert!(
            unwrapped(&ran.err).contains(sentence),
            "{flags}: {}",
            ran.err
        );
        assert!(!lab.path("grid").exists(), "{flags} left a folder");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_the_same_command_goes_on() {
    let lab = lab();
    let rows = String::from_utf8(lab.read("rows.toml")).expect("UTF-8");
    lab.file("rows.toml", rows.replace("steps = 4", "steps = 400"));
    lab.stopped_and_continued(
        "ablate --against rows.toml --data data.txt --switches anywhere,on-the-unigram --jobs 1",
    );
}
