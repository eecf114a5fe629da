//! `doctor RUN`: the diagnosis of a run.

use serde_json::Value;

use crate::{Lab, TINY, unwrapped};

#[test]
fn a_diverged_run_is_told_what_to_try() {
    let lab = Lab::new();
    let flags = format!("{TINY} --steps 60 --warmup 0 --lr 1000 --norm none --grad-clip 0");
    let trained = lab.run(&format!("train --data data.txt {flags} --out run"));
    assert!(trained.err.contains("diverged"), "{}", trained.err);
    let output = lab.ok("doctor run").out;
    for part in [
        "Diverged: the loss of step ",
        "  likely cause  ",
        "  to find out   `--lr 333`",
        "The doctor looked at ",
    ] {
        assert!(output.contains(part), "no {part} in\n{output}");
    }
    let found: Value = serde_json::from_str(&lab.ok("doctor run --json").out).expect("JSON");
    assert_eq!(found[0]["findings"][0]["symptom"], "diverged");
    assert_eq!(found[0]["variant"], "run");
}

#[test]
fn a_run_without_learning_is_stuck() {
    let lab = Lab::new();
    let flags = format!("{TINY} --steps 20 --log-interval 2 --lr 1e-9");
    lab.ok(&format!("train --data data.txt {flags} --out run"));
    let output = lab.ok("doctor run").out;
    assert!(output.starts_with("Stuck: the loss, "), "{output}");
}

/// The doctor, the report in a terminal and the page give one verdict in the same words.
#[test]
fn the_verdict_is_the_same_everywhere() {
    let lab = Lab::new();
    for (name, flags, verdict) in [
        (
            "long",
            "--steps 20 --log-interval 2 --lr 1e-9",
            "Stuck: the loss, ",
        ),
        (
            "short",
            "--steps 3 --lr 1e-2",
            "The course of the loss is not judged: ",
        ),
    ] {
        let tiny = TINY.replace("--max-tokens 8", "");
        lab.ok(&format!(
            "train --data data.txt {tiny} {flags} --out {name}"
        ));
        let said = lab.ok(&format!("doctor {name}")).out;
        let line = said.lines().find(|line| line.starts_with(verdict));
        let line = line.unwrap_or_else(|| panic!("no {verdict} in\n{said}"));
        let report = unwrapped(&lab.ok(&format!("report {name}")).out);
        assert!(report.contains(line), "{line}\n{report}");
        let page = lab.read(&format!("{name}/report/report.md"));
        let page = String::from_utf8(page).expect("UTF-8").replace("\\`", "`");
        assert!(page.contains(line), "{line}\n{page}");
    }
}

#[test]
fn without_a_run_the_machine_is_told_of() {
    let lab = Lab::new();
    assert!(lab.ok("doctor").out.contains("cores "));
    let ran = lab.run("doctor nowhere");
    assert_eq!(
        (ran.code, ran.first_line()),
        (
            1,
            "error: cannot read nowhere: there is no such file or folder"
        )
    );
}

/// The folder two levels up counts only if a grid there lists the run as its own.
#[test]
fn baselines_are_those_of_the_run_s_own_grid() {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --out x/runs/a"));
    let alone = lab.ok("doctor x/runs/a").out;
    let tiny = TINY.replace("--max-tokens 8", "");
    lab.ok(&format!(
        "ablate --data data.txt {tiny} --switches no-mlp --seeds 1 --out g"
    ));
    let plan = lab.json("g/grid.json");
    let cell = plan["cells"][0]["folder"].as_str().expect("a folder");
    let own = lab.ok(&format!("doctor g/{cell}")).out;
    assert!(own.contains("n-gram baselines up to "), "{own}");
    // Somebody else's results, and a grid that knows nothing of the run.
    for file in ["results.json", "grid.json"] {
        std::fs::copy(lab.path("g").join(file), lab.path("x").join(file)).expect("a copy");
        assert_eq!(lab.ok("doctor x/runs/a").out, alone);
    }
    for file in ["results.json", "grid.json"] {
        lab.file(&format!("x/{file}"), "no JSON");
        assert_eq!(lab.ok("doctor x/runs/a").out, alone);
    }
    // A run with its text needs no results of a grid; one without it reads those of its own grid.
    lab.file("g/results.json", "no JSON");
    assert_eq!(lab.ok(&format!("doctor g/{cell}")).out, own);
    std::fs::remove_file(lab.path("data.txt")).expect("the text");
    let ran = lab.run(&format!("doctor g/{cell}"));
    assert_eq!(ran.code, 3, "its own grid's results: {}", ran.err);
}

#[test]
fn a_run_that_was_stopped_is_not_spoken_of_as_a_whole() {
    let lab = Lab::new();
    let flags = format!("{TINY} --steps 4 --checkpoint-interval 2 --log-interval 10");
    lab.ok(&format!("train --data data.txt {flags} --out run"));
    let events = String::from_utf8(lab.read("run/events.jsonl")).expect("UTF-8");
    let end = events.find("\"step\":3").expect("an end");
    let begun = events[..end].rfind('\n').expect("lines") + 1;
    lab.file("run/events.jsonl", &events[..begun]);
    let output = lab.ok("doctor run").out;
    let end = ", after 2 of 4 steps: the run has not ended.\n";
    assert!(output.ends_with(end), "{output}\n{events}");
    let output = lab.ok("report run").out;
    let title = "The run has made 2 of 4 steps, and has not ended\n";
    assert!(output.starts_with(title), "{output}");
    assert!(
        output.contains("\nSymptoms:\n  There is too little to judge.\n"),
        "{output}"
    );
}
