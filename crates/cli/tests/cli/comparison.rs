//! The report of several runs.

use std::fs;

use serde_json::Value;

use crate::{Lab, TINY, unwrapped};

impl Lab {
    /// Makes a run called `name` with more flags.
    fn run_of(&self, name: &str, flags: &str) {
        self.ok(&format!(
            "train --data data.txt {TINY} {flags} --out runs/{name}"
        ));
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).expect("UTF-8")
    }
}

#[test]
fn several_runs_become_one_page() {
    let lab = Lab::new();
    lab.run_of("a", "");
    lab.run_of("b", "--lr 0.02 --batch-size 4");
    let ran = lab.ok("report runs/a runs/b --date 2026-01-02");
    let said = unwrapped(&ran.out);
    for part in [
        "`b` ends lowest: ",
        " below `a` Validation losses on data.txt, nats per token",
        "settings change from `a` to `b`",
        "ran with one seed, so it is not known whether the difference is more than chance",
        "The settings in which the runs differ",
        "N-gram baselines: 1-gram ",
        "(the best), in nats per token",
        "validation loss, nats per token 2.",
        "After 5 steps b wrote:",
    ] {
        assert!(said.contains(part), "no {part} in\n{}", ran.out);
    }
    assert_eq!(ran.err, "hint: open comparison/report.html\n");
    let page = lab.text("comparison/report.html");
    for part in [
        "gptlab comparison of 2 runs on data.txt",
        "2026-01-02",
        "The validation loss by step",
        "The validation loss by trained tokens",
        "peak learning rate",
        "sequences a step",
        // The n-gram baselines are those of the text of the runs.
        "3-gram",
        "What each run wrote last",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    assert!(!page.contains("dropout"), "settings that do not differ");
    assert!(
        lab.text("comparison/report.md")
            .starts_with("# `b` ends lowest")
    );
    assert!(
        lab.text("comparison/runs.csv")
            .contains("\na,data.txt,finished,0,")
    );
    // A page can be replaced, and equal records make equal bytes.
    lab.ok("report runs/a runs/b --date 2026-01-02");
    assert_eq!(lab.text("comparison/report.html"), page);
}

#[test]
fn programs_read_what_was_compared() {
    let lab = Lab::new();
    lab.run_of("a", "");
    lab.run_of("a1", "--seed 1");
    lab.run_of("byte", "--tokenizer bytes");
    let printed = lab
        .ok("report runs/a runs/a1 runs/byte --out page --json")
        .out;
    let found: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(found["out"], "page");
    assert_eq!(found["files"][0], "report.html");
    assert_eq!(found["groups"][0]["unit"], "bits-per-character");
    let names = found["runs"].as_array().expect("runs");
    assert_eq!(names.len(), 3, "{found}");
    for run in names {
        assert_eq!(
            (&run["status"], &run["steps"]),
            (&"finished".into(), &5.into())
        );
        assert!(run["bits_per_char"].as_f64() > Some(0.0), "{run}");
        assert_eq!(run["tokens"], 5 * 2 * 16);
    }
    let settings = found["settings"].as_array().expect("settings");
    let paths: Vec<&Value> = settings.iter().map(|setting| &setting["path"]).collect();
    assert_eq!(paths, ["seed", "tokenizer", "vocab_size"]);
}

#[test]
fn runs_on_other_texts_and_unfinished_ones_are_told() {
    let lab = Lab::new();
    lab.file("other.txt", "a dog and a cat. ".repeat(30));
    lab.run_of("a", "");
    lab.ok(&format!("train --data other.txt {TINY} --out runs/other"));
    lab.run(&format!(
        "train --data data.txt {TINY} --init-std 3e38 --out runs/div"
    ));
    lab.run_of("killed", "");
    let events = lab.text("runs/killed/events.jsonl");
    let before: Vec<&str> = events
        .lines()
        .take_while(|l| !l.contains("\"step\":4"))
        .collect();
    lab.file("runs/killed/events.jsonl", before.join("\n") + "\n");
    let said = unwrapped(&lab.ok("report runs/a runs/other runs/div runs/killed").out);
    for part in [
        "The losses of 4 runs cannot all be compared: they read different texts",
        "On data.txt: Only `a` has finished: it ends at ",
        "`killed` has not finished: it has made 3 of 5 steps",
        "`div` diverged at step 0.",
    ] {
        assert!(said.contains(part), "no {part} in\n{said}");
    }
    assert!(lab.path("comparison/curves-2.svg").is_file());
}

#[test]
fn what_cannot_be_compared_is_refused_in_a_sentence() {
    let lab = Lab::new();
    lab.run_of("a", "");
    lab.run_of("b", "");
    let grid = "--seeds 2 --switches no-residual --out grid";
    let small = TINY
        .replace("--preset gpt2-mini", "")
        .replace("--max-tokens 8", "");
    lab.ok(&format!("ablate --data data.txt {small} {grid}"));
    fs::create_dir(lab.path("empty")).expect("a folder");
    for (line, code, sentence, hint) in [
        (
            "report runs/a empty",
            3,
            "error: empty: expected the folder of a run (experiment.json), found another folder",
            "hint: `gptlab runs` lists runs",
        ),
        (
            "report runs/a runs",
            3,
            "error: runs: expected the folder of a run (experiment.json), found a folder of runs",
            "hint: `gptlab runs runs` lists the runs in it",
        ),
        (
            "report data.txt runs/a",
            3,
            "error: data.txt: expected the folder of a run (experiment.json), found a file",
            "hint: `gptlab runs` lists runs",
        ),
        (
            "report runs/a nowhere",
            3,
            "error: nowhere: expected the folder of a run (experiment.json), found nothing",
            "hint: `gptlab runs` lists runs",
        ),
        (
            "report runs/a runs/b --out runs/b/page",
            2,
            "error: runs/b/page: expected a folder outside of the runs, found one inside of runs/b",
            "hint: name another folder: --out DIR",
        ),
    ] {
        let ran = lab.run(line);
        assert_eq!((ran.code, ran.first_line()), (code, sentence));
        assert!(ran.err.contains(hint), "{line}\n{}", ran.err);
    }
    assert!(!lab.path("comparison").exists(), "nothing is written");
    // `runs/*` can hold grids, which are no runs.
    let ran = lab.ok("report runs/a runs/b grid --out compared");
    let left_out = "warning: left out grid, a grid: `gptlab report grid` makes its page\n";
    assert!(ran.err.starts_with(left_out), "{}", ran.err);
    lab.ok(&format!(
        "ablate --data data.txt {small} --switches no-mlp --seeds 1 --out other"
    ));
    let ran = lab.run("report grid other --out compared");
    assert_eq!(ran.code, 3);
    assert!(
        ran.err
            .contains("error: expected runs to compare, found grids only"),
        "{}",
        ran.err
    );
    // The runs of a grid are ordinary runs, and a run that is named twice is one run.
    lab.ok("report grid/runs/baseline-s0 grid/runs/no-residual-s0 --out page");
    let ran = lab.run("report runs/a page");
    let sentence =
        "error: page: expected the folder of a run (experiment.json), found the folder of a report";
    assert_eq!((ran.code, ran.first_line()), (3, sentence));
    let ran = lab.ok("report runs/a runs/../runs/a");
    assert_eq!(ran.err, "hint: open runs/a/report/report.html\n");
}

/// Folders of somebody else stay as they are.
#[test]
fn the_folder_of_the_page_may_not_be_somebody_else_s() {
    let lab = Lab::new();
    lab.run_of("a", "");
    lab.run_of("b", "");
    fs::create_dir(lab.path("comparison")).expect("a folder");
    lab.file("comparison/notes.txt", "mine");
    let ran = lab.run("report runs/a runs/b");
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.err.contains("hint: name a new folder: --out DIR"),
        "{}",
        ran.err
    );
}

#[test]
fn thirty_runs_fit_one_page() {
    let lab = Lab::new();
    lab.run_of("00", "");
    let copy = |from: &str, to: &str, seed: &str| {
        fs::create_dir(lab.path(to)).expect("a folder");
        let experiment = lab.text(&format!("{from}/experiment.json"));
        let experiment = experiment.replace("\"seed\": 0,", seed);
        lab.file(&format!("{to}/experiment.json"), experiment);
        lab.file(
            &format!("{to}/events.jsonl"),
            lab.text(&format!("{from}/events.jsonl")),
        );
    };
    for n in 1..30 {
        let seed = format!("\"seed\": {n},");
        copy("runs/00", &format!("runs/{n:02}"), &seed);
    }
    let all: Vec<String> = (0..30).map(|n| format!("runs/{n:02}")).collect();
    let ran = lab.ok(&format!("report {}", all.join(" ")));
    assert!(ran.out.starts_with("All 30 runs end level"), "{}", ran.out);
    assert!(ran.out.contains("The page draws 24 more curves."));
    let page = lab.text("comparison/report.html");
    assert!(page.contains("2 more are not drawn."), "28 are told apart");
}
