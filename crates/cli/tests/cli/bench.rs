//! `gptlab bench`: its output, and the ratios that it prints. Nothing here depends on how fast
//! anything is.

use std::fs;

use serde_json::Value;

use crate::{Lab, Ran};

fn report(lab: &Lab, line: &str) -> Value {
    serde_json::from_str(&lab.ok(line).out).expect("JSON")
}

/// The fastest workload, for the shortest possible time.
const QUICK: &str = "bench --only micro-16 --rounds 1 --seconds 0";

#[test]
fn a_workload_is_a_line_under_its_roof() {
    let output = Lab::new().ok(QUICK).out;
    let line = output.lines().find(|l| l.starts_with("| micro-16 | f32 "));
    assert_eq!(line.map(|l| l.matches('|').count()), Some(15), "{output}");
    for part in [
        "Peak: ",
        "of peak",
        "FLOP/B",
        "hand-vectorised C (quoted)",
        "Quoted: ",
    ] {
        assert!(output.contains(part), "no {part} in\n{output}");
    }
    assert!(
        !output.contains("NaN") && !output.contains("PyTorch"),
        "{output}"
    );
}

/// A terminal gets tables that fit it; a file, a pipe, and who asks for it get Markdown.
#[test]
fn a_terminal_gets_no_markdown_unless_asked() {
    let lab = Lab::new();
    let at = |columns: &str, line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ran = lab.command(&words).env("COLUMNS", columns).output();
        Ran::of(ran.expect("the program starts"))
    };
    let fitted = at("80", &format!("{QUICK} --out kept"));
    assert_eq!(fitted.code, 0, "{}", fitted.err);
    assert!(!fitted.out.contains('|'), "{}", fitted.out);
    assert!(fitted.out.contains("micro-16  "), "{}", fitted.out);
    for line in fitted.out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    // Both say the same words.
    let kept = String::from_utf8(lab.read("kept/table.md")).expect("text");
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let (said, written): (Vec<String>, Vec<String>) = (words(&fitted.out), words(&kept));
    let is_rule = |word: &str| word.chars().all(|c| "|-:".contains(c));
    for word in written.iter().filter(|word| !is_rule(word)) {
        assert!(said.contains(word), "no {word} in\n{}", fitted.out);
    }
    let typed = at("80", &format!("{QUICK} --markdown"));
    assert!(typed.out.contains("\n| micro-16 | f32 "), "{}", typed.out);
    let both = lab.run(&format!("{QUICK} --markdown --json"));
    assert_eq!(both.code, 2, "{}", both.err);
}

#[test]
fn json_holds_every_step() {
    let found = report(
        &Lab::new(),
        "bench --only generate,micro-16 --rounds 2 --seconds 0 --json",
    );
    let workloads = found["workloads"].as_array().expect("workloads");
    let names: Vec<&Value> = workloads.iter().map(|w| &w["name"]).collect();
    assert_eq!(names, ["micro-16", "generate"]);
    for workload in workloads {
        let rounds = workload["ours"]["rounds"].as_array().expect("rounds");
        let steps: Vec<usize> = rounds
            .iter()
            .filter_map(|r| Some(r.as_array()?.len()))
            .collect();
        assert_eq!(steps, [1, 1]);
        assert!(workload["ours"]["median_seconds"].as_f64() > Some(0.0));
        assert!(workload["flops"].as_f64() > Some(0.0) && workload["bytes"].as_f64() > Some(0.0));
    }
    let quoted = &workloads[0]["quoted"];
    let ratio = 88e-6
        / workloads[0]["ours"]["median_seconds"]
            .as_f64()
            .expect("seconds");
    assert!((quoted["ratio"].as_f64().expect("a ratio") / ratio - 1.0).abs() < 1e-9);
    for rate in ["one", "all"]
        .iter()
        .flat_map(|n| ["f32", "bf16"].map(|p| (p, n)))
    {
        assert!(
            found["ceiling"][rate.0][rate.1].as_f64() > Some(0.0),
            "{rate:?}"
        );
    }
    assert_eq!(found["machine"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_folder_keeps_the_table_and_the_raw_times() {
    let lab = Lab::new();
    let output = lab.ok(&format!("{QUICK} --out runs/here")).out;
    assert_eq!(
        String::from_utf8(lab.read("runs/here/table.md")).expect("text"),
        output
    );
    let raw = lab.json("runs/here/raw.json");
    assert_eq!(raw["workloads"][0]["name"], "micro-16");
    let json = lab.ok(&format!("{QUICK} --out runs/here --json")).out;
    assert_eq!(
        String::from_utf8(lab.read("runs/here/raw.json")).expect("text"),
        json
    );
}

#[test]
fn without_python_the_rest_is_measured() {
    let lab = Lab::new();
    fs::create_dir(lab.path("peers")).expect("a folder");
    let line = "bench --only generate --rounds 1 --seconds 0 --peer";
    let ran = lab.ok(&format!(
        "{line} --peer-scripts peers --python no-python-here"
    ));
    let sentence = "PyTorch is left out: cannot run no-python-here: ";
    assert!(
        ran.err.contains(&format!("warning: {sentence}")),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("hint: `pip install "), "{}", ran.err);
    assert_eq!(ran.err.matches("left out").count(), 1, "{}", ran.err);
    assert!(
        ran.out.contains("| generate ") && ran.out.contains(sentence),
        "{}",
        ran.out
    );
    let ran = lab.ok(line);
    let sentence =
        "PyTorch is left out: there is no folder bench/peers; run this from the repository";
    assert!(
        ran.err.contains(sentence) && ran.out.contains(sentence),
        "{}",
        ran.err
    );
}

/// The text is so short that the recipe makes few steps, whatever the time.
fn short_text(lab: &Lab) {
    lab.file("text.txt", "One line is much like another.\n".repeat(20));
}

#[test]
fn the_time_to_a_loss_is_of_a_whole_training() {
    let lab = Lab::new();
    short_text(&lab);
    let line = "bench --time-to-loss 9 --data text.txt --rounds 2 --out times";
    let ran = lab.ok(line);
    for part in ["seed 0: --for 3s ended at ", "seed 1: --for 3s ended at "] {
        assert!(ran.err.contains(part), "{}", ran.err);
    }
    assert!(!ran.out.contains("ratio:"), "{}", ran.out);
    let found = lab.json("times/raw.json");
    assert_eq!(found["target"], 9.0);
    for round in found["rounds"].as_array().expect("rounds") {
        let ours = round["ours"].as_array().expect("trainings");
        assert_eq!(ours.len(), 1);
        assert!(ours[0]["loss"].as_f64() <= Some(9.0) && ours[0]["seconds"].as_f64() > Some(0.0));
        assert!(round["peer"].is_null());
    }
    assert_eq!(
        String::from_utf8(lab.read("times/table.md")).expect("text"),
        ran.out
    );
}

#[test]
fn a_text_that_cannot_be_trained_on_is_told() {
    let failed = Lab::new().run("bench --time-to-loss 2 --data none.txt");
    assert_eq!(failed.code, 1);
    assert!(
        failed.err.starts_with("error: there is no file none.txt"),
        "{}",
        failed.err
    );
    let lab = Lab::new();
    lab.file("bad.txt", b"caf\xE9 noir");
    let failed = lab.run("bench --time-to-loss 2 --data bad.txt");
    assert_eq!(failed.code, 3, "{}", failed.err);
}

/// A shell script plays the Python interpreter and answers for the peers.
#[cfg(unix)]
mod fake {
    use std::{fs, os::unix::fs::PermissionsExt};

    use serde_json::Value;

    use super::report;
    use crate::Lab;

    const PARAMETERS: usize = 834_432;

    /// Makes a lab with a program `python` that records its arguments and runs `body`.
    fn lab(body: &str) -> Lab {
        let lab = Lab::new();
        fs::create_dir(lab.path("peers")).expect("a folder");
        lab.file(
            "python",
            format!("#!/bin/sh\necho \"$MALLOC_TRIM_THRESHOLD_ $*\" >>output\n{body}\n"),
        );
        fs::set_permissions(lab.path("python"), fs::Permissions::from_mode(0o755)).expect("a mode");
        lab
    }

    fn ready(parameters: usize) -> String {
        format!(r#"echo '{{"ready":{{"program":"fake","threads":3,"parameters":{parameters}}}}}'"#)
    }

    /// Answers every line with these seconds and a peak of `kib` KiB.
    fn turns(seconds: &str, kib: u64) -> String {
        let bytes = kib * 1024;
        format!(
            r#"while read n; do echo '{{"turn":{{"seconds":[{seconds}],"peak_bytes":{bytes}}}}}'; done"#
        )
    }

    const RACE: &str = "bench --only generate --rounds 2 --seconds 0 --peer --peer-scripts peers --python ./python --json";

    fn number(value: &Value) -> f64 {
        value
            .as_f64()
            .unwrap_or_else(|| panic!("{value} is no number"))
    }

    #[test]
    fn a_ratio_is_the_peers_time_over_ours() {
        let lab = lab(&format!(
            "{}\n{}",
            ready(PARAMETERS),
            turns("10, 30, 20", 1 << 30)
        ));
        let found = report(&lab, RACE);
        let workload = &found["workloads"][0];
        let ours: Vec<f64> = (0..2)
            .map(|i| number(&workload["ours"]["rounds"][i][0]))
            .collect();
        let expected: Vec<f64> = ours.iter().map(|ours| 20.0 / ours).collect();
        let peak = number(&workload["ours"]["peak_bytes"]);
        for peer in workload["peers"].as_array().expect("peers") {
            let close =
                |found: &Value, expected: f64| (number(found) / expected - 1.0).abs() < 1e-9;
            assert!(
                close(&peer["ratios"][0], expected[0]) && close(&peer["ratios"][1], expected[1])
            );
            assert!(close(
                &peer["ratio"],
                f64::midpoint(expected[0], expected[1])
            ));
            assert!(close(&peer["memory_ratio"], (1u64 << 40) as f64 / peak));
            assert_eq!(peer["times"]["median_seconds"], 20.0);
            assert_eq!(peer["times"]["program"], "fake");
        }
        let goals = workload["peers"]
            .as_array()
            .expect("peers")
            .iter()
            .filter(|p| !p["goal"].is_null());
        assert_eq!(goals.count(), 1, "the goal stands beside the fastest alone");
    }

    #[test]
    fn a_peer_is_given_our_sizes_and_its_allocator() {
        let lab = lab(&format!("{}\n{}", ready(PARAMETERS), turns("1", 1)));
        report(&lab, &RACE.replace("generate", "mini"));
        let output = String::from_utf8(lab.read("output")).expect("text");
        let lines: Vec<&str> = output.lines().collect();
        let sizes = "peers/step.py --n-layer 4 --n-head 4 --n-embd 128 --block-size 256 --vocab-size 65 \
                     --batch-size 32 --dropout 0.1";
        assert_eq!(lines, [format!(" {sizes}"), format!("4294967296 {sizes}")]);
    }

    #[test]
    fn who_fails_is_left_out_with_its_reason_and_the_others_run() {
        // The first peer has another model, one cannot run, one ends at once, and one works.
        let lab = lab(&format!(
            "case \"$*\" in\n*eager*'threads 1') {};;\n*sdpa*'threads 1') echo '{}'; exit;;\n*eager*) exit;;\n*) {};;\nesac\n{}",
            ready(5),
            r#"{"error":"no compiler"}"#,
            ready(PARAMETERS),
            turns("1", 1)
        ));
        let found = report(&lab, RACE);
        let peers = found["workloads"][0]["peers"].as_array().expect("peers");
        assert_eq!(peers.len(), 1);
        assert_eq!(peers[0]["name"], "PyTorch, cached, fused, 2 threads");
        let reasons: Vec<&str> = found["left_out"]
            .as_array()
            .expect("reasons")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(
            reasons,
            [
                "generate: PyTorch, cached, 1 thread is left out: its model has 5 parameters, and ours 834432",
                "generate: PyTorch, cached, fused, 1 thread is left out: no compiler",
                "generate: PyTorch, cached, 2 threads is left out: ./python ended without an answer (exit status: 0)",
            ]
        );
    }

    #[test]
    fn a_peer_trains_to_the_loss_as_well() {
        let answer = r#"{"trained":{"program":"fake 1","seconds":1000.0,"loss":1.5}}"#;
        let lab = lab(&format!("echo '{answer}'"));
        super::short_text(&lab);
        let line = "bench --time-to-loss 9 --data text.txt --rounds 1 --peer --peer-scripts peers --python ./python";
        let found = report(&lab, &format!("{line} --json"));
        let round = &found["rounds"][0];
        assert_eq!(number(&round["peer"]["seconds"]), 1000.0);
        let ratio = 1000.0 / number(&round["ours"][0]["seconds"]);
        assert!(ratio > 1.0, "{ratio}");
        let output = String::from_utf8(lab.read("output")).expect("text");
        let typed = "peers/time_to_loss.py --data text.txt --target 9 --seed 0";
        assert!(output.ends_with(&format!("{typed}\n")), "{output}");
        let ran = lab.ok(line);
        assert!(
            ran.err.contains("fake 1 was after 1000.0 s at 1.5000"),
            "{}",
            ran.err
        );
        assert!(
            ran.out.contains("times gptlab's: the median of 1 round."),
            "{}",
            ran.out
        );
    }

    #[test]
    fn where_pytorch_is_absent_one_sentence_says_so() {
        let lab = lab(r#"echo '{"absent":"python3 has no module torch"}'"#);
        let ran = lab.ok(&RACE.replace(" --json", ""));
        let sentence = "PyTorch is left out: python3 has no module torch";
        assert_eq!(ran.err.matches(sentence).count(), 1, "{}", ran.err);
        assert!(
            ran.out.contains("| generate ") && ran.out.contains(sentence),
            "{}",
            ran.out
        );
    }
}
