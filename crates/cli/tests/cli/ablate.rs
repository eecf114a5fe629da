//! `ablate`: a grid of broken models, its table, and its resumption after a kill.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use crate::Lab;

/// A grid so small that running it takes little time.
const SMALL: &str =
    "--data data.txt --n-layer 1 --n-embd 16 --n-head 2 --block-size 16 --batch-size 2 --steps 6";

pub(crate) fn files_below(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path.display().to_string());
        }
    }
}

#[test]
fn the_seed_s_table_has_its_rows_its_record_and_its_report() {
    let lab = Lab::new();
    let ran = lab.ok(&format!(
        "ablate --base gpt2-mini --switches seed {SMALL} --seeds 2 --out grid"
    ));
    for row in ["baseline", "residual", "post-ln", "attention"] {
        assert!(
            ran.out.lines().any(|line| line.starts_with(row)),
            "{}",
            ran.out
        );
    }
    assert!(ran.err.contains("8 of 8"), "{}", ran.err);
    assert!(ran.out.contains("× residual"), "no plot in {}", ran.out);
    assert!(
        !ran.out.contains("chance cannot be ruled out"),
        "{}",
        ran.out
    );
    let grid = lab.json("grid/grid.json");
    assert_eq!(grid["command"][1], "ablate");
    assert_eq!(grid["cells"].as_array().map(Vec::len), Some(8));
    let expect = grid["variants"][3]["prediction"]
        .as_str()
        .expect("a prediction");
    assert!(expect.contains("bigram"), "{expect}");
    let results = lab.json("grid/results.json");
    assert_eq!(
        results["floors"]["ngrams"].as_array().map(Vec::len),
        Some(6)
    );
    assert_eq!(results["rows"][1]["difference"]["pairs"], 2);
    assert_eq!(results["rows"][0]["difference"], Value::Null);
    let page = String::from_utf8(lab.read("grid/report/report.html")).expect("UTF-8");
    assert!(page.contains("no residual connections"));

    // The ablation is the difference of two listings.
    let listing = |variant: usize| {
        grid["variants"][variant]["listing"]
            .as_str()
            .expect("a listing")
    };
    assert!(listing(0).contains("residual") && !listing(1).contains("residual"));
    assert!(!listing(3).contains("attention("));

    // The first seed's models are kept for probes; those of the others are removed.
    let mut files = Vec::new();
    files_below(&lab.path("grid"), &mut files);
    let kept: BTreeSet<bool> = files
        .iter()
        .filter(|file| file.ends_with(".safetensors"))
        .map(|file| file.contains("-s0"))
        .collect();
    assert_eq!(kept, [true].into());
    lab.ok("eval grid/runs/residual-s0/checkpoints/step-00000006.safetensors --data data.txt");
}

#[test]
fn the_same_grid_twice_is_the_same_bytes_on_any_number_of_threads() {
    let lab = Lab::new();
    for (out, machine) in [("a", "--threads 1"), ("b", "--threads 3 --jobs 2")] {
        let flags = "--switches attention,muon,sgd --seeds 2";
        lab.ok(&format!("ablate {flags} {SMALL} {machine} --out {out}"));
    }
    for file in [
        "results.json",
        "report/table.csv",
        "report/predictions.csv",
        "report/curves.csv",
    ] {
        assert!(
            lab.read(&format!("a/{file}")) == lab.read(&format!("b/{file}")),
            "{file}"
        );
    }
    let ran = lab.ok("diff a/runs/muon-s1 b/runs/muon-s1");
    assert!(ran.out.contains("equal"), "{}", ran.out);
}

/// A grid that was killed after a few runs continues: nothing is lost and nothing is repeated.
#[test]
fn a_grid_that_was_killed_goes_on_where_it_was() {
    let lab = Lab::new();
    let line = format!("ablate --switches all --seeds 1 {SMALL} --steps 12");
    lab.ok(&format!("{line} --out whole"));

    let killed = format!("{line} --out killed");
    let words: Vec<&str> = killed.split_whitespace().collect();
    let mut child = lab
        .command(&words)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("   5 of")));
    child.kill().expect("a kill");
    child.wait().expect("its end");
    assert!(
        !lab.path("killed/results.json").exists(),
        "it was done before the kill"
    );

    let mut files = Vec::new();
    files_below(&lab.path("killed"), &mut files);
    let ended: Vec<&String> = files
        .iter()
        .filter(|file| file.ends_with("outcome.json"))
        .collect();
    assert!(ended.len() >= 5, "{} runs had ended", ended.len());
    let events =
        |file: &str| fs::read(file.replace("outcome.json", "events.jsonl")).expect("events");
    let before: Vec<Vec<u8>> = ended.iter().map(|file| events(file)).collect();

    lab.ok(&format!("{line} --out killed"));
    let after: Vec<Vec<u8>> = ended.iter().map(|file| events(file)).collect();
    assert!(before == after, "a run that had ended was touched");
    assert!(lab.read("whole/results.json") == lab.read("killed/results.json"));
    assert!(lab.read("whole/report/table.csv") == lab.read("killed/report/table.csv"));
}

#[test]
fn what_diverges_is_a_row_of_the_table_and_the_grid_goes_on() {
    let lab = Lab::new();
    let line = format!("ablate --switches mlp {SMALL} --grid init-std=0.02,3e38 --out grid");
    let ran = lab.ok(&line);
    assert!(
        ran.err
            .contains("baseline init-std=3e38, seed 0: diverged at step 0"),
        "{}",
        ran.err
    );
    let results = lab.json("grid/results.json");
    let row = |name: &str| {
        let rows = results["rows"].as_array().expect("rows");
        rows.iter()
            .find(|row| row["variant"] == name)
            .expect("a row")
            .clone()
    };
    assert_eq!(row("mlp init-std=3e38")["outcomes"][0]["diverged_at"], 0);
    assert_eq!(row("mlp init-std=3e38")["mean"], Value::Null);
    // One seed is too few for a test.
    assert!(
        ran.out.contains("chance cannot be ruled out"),
        "{}",
        ran.out
    );
    assert!(row("mlp init-std=0.02")["difference"]["mean"].is_f64());
    let events =
        String::from_utf8(lab.read("grid/runs/mlp_init-std=3e38-s0/events.jsonl")).expect("UTF-8");
    assert!(
        events
            .lines()
            .last()
            .is_some_and(|l| l.contains(r#""event":"diverged","step":0"#)),
        "{events}"
    );
}

#[test]
fn a_diagnostic_text_tells_the_skill() {
    let lab = Lab::new();
    let small = "--n-layer 1 --n-embd 16 --n-head 2 --batch-size 2 --steps 4";
    lab.ok(&format!(
        "ablate --switches attention --data copy:seed=1,size=4000 {small} --out grid"
    ));
    let results = lab.json("grid/results.json");
    for row in results["rows"].as_array().expect("rows") {
        let skill = row["outcomes"][0]["skill_loss"]
            .as_f64()
            .expect("a skill loss");
        assert!(
            skill > 2.0 && skill < 6.0,
            "{skill}: untrained models have not got it"
        );
    }
    assert!(
        results["floors"]["entropy"]
            .as_f64()
            .is_some_and(|e| (e - 1.6059).abs() < 1e-3)
    );
}

/// The recipe of a grid is that of its default base, whether or not the base is typed.
#[test]
fn a_base_that_is_typed_keeps_the_recipe() {
    let lab = Lab::new();
    lab.file("long.txt", "the cat sat on the mat; ".repeat(60));
    for (out, base) in [("a", ""), ("b", "--base gpt2-mini")] {
        let small = "--n-layer 1 --n-embd 16 --batch-size 1 --steps 1";
        lab.ok(&format!(
            "ablate --data long.txt --switches mlp {small} {base} --out {out}"
        ));
        let experiment = lab.json(format!("{out}/runs/baseline-s0/experiment.json"));
        assert_eq!(experiment["spec"]["block_size"], 64, "{base}");
    }
    assert!(lab.read("a/results.json") == lab.read("b/results.json"));
}

#[test]
fn the_switches_are_listed_with_what_to_expect() {
    let lab = Lab::new();
    let all: Value = serde_json::from_str(&lab.ok("ablate --list --json").out).expect("JSON");
    let text = lab.ok("ablate --list").out;
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), 29);
    for switch in all {
        for key in ["name", "title", "purpose", "prediction", "source"] {
            assert!(
                text.contains(switch[key].as_str().expect("words")),
                "{switch}"
            );
        }
    }
}

#[test]
fn refusals_say_what_was_expected() {
    let lab = Lab::new();
    let cases = [
        (
            "--switches residuals",
            2,
            "error: there is no switch called \"residuals\"; there are residual, ",
        ),
        (
            "--seeds 0",
            2,
            "error: --seeds must be from 1 to 1000, found 0",
        ),
        (
            "--grid lr",
            2,
            "error: --grid lr: an axis is a setting and its values, as in lr=1e-4,3e-4",
        ),
        ("--jobs 0", 2, "error: --jobs must be at least 1, found 0"),
        (
            "--grid threads=1,2",
            2,
            "error: --grid threads=1,2: there is no setting called `threads`; the settings are those of",
        ),
        (
            "--grid lr=1e-3,0.001",
            2,
            "error: --grid lr=1e-3,0.001: lr=1e-3 and lr=0.001 are the same run",
        ),
        (
            "--grid nothing=1",
            2,
            "error: --grid nothing=1: there is no setting called `nothing`; the settings are those of",
        ),
        (
            "--grid load=m.safetensors",
            2,
            "error: --grid load=m.safetensors: there is no setting called `load`",
        ),
        (
            "--grid n_layr=1,2",
            2,
            "error: --grid n_layr=1,2: there is no setting called `n_layr`; did you mean `n-layer`?",
        ),
        (
            "--grid beta1=0.5,2",
            2,
            "error: --grid beta1=0.5,2: beta1 must be at least 0 and below 1, found 2",
        ),
        (
            "--grid lr=fast",
            2,
            "error: --grid lr=fast: lr = fast: expected a number",
        ),
        (
            "--switches bias --bias 0",
            2,
            "error: the switch bias cannot be thrown here: the baseline is like that already",
        ),
        ("--n-head 3", 2, "error: n_head must divide n_embd"),
    ];
    for (flags, code, sentence) in cases {
        let ran = lab.run(&format!("ablate {SMALL} {flags} --out grid"));
        assert_eq!(ran.code, code, "{flags}: {}", ran.err);
        assert!(ran.err.contains(sentence), "{flags}: {}", ran.err);
        assert!(!lab.path("grid").exists(), "{flags} left a folder");
    }
    let ran = lab.run("ablate --data nowhere.txt --out grid");
    assert_eq!(ran.code, 1, "{}", ran.err);
    let sentence = "error: there is no file nowhere.txt; give the path of a text file";
    assert!(ran.err.starts_with(sentence), "{}", ran.err);
    assert!(!lab.path("grid").exists());
    lab.ok(&format!("ablate {SMALL} --switches bias --out grid"));
    let ran = lab.run(&format!("ablate {SMALL} --switches mlp --out grid"));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.err.contains("give a folder of its own with --out"),
        "{}",
        ran.err
    );
    // A list leaves out switches that make no sense, and reports them.
    let ran = lab.ok(&format!(
        "ablate {SMALL} --switches all --bias 0 --steps 2 --out other"
    ));
    assert!(
        ran.err
            .contains("left out bias: the baseline is like that already"),
        "{}",
        ran.err
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_the_same_command_goes_on() {
    use std::process::Command;
    let lab = Lab::new();
    let line = format!("ablate --switches seed {SMALL} --steps 300 --log-interval 100");
    lab.ok(&format!("{line} --out whole"));
    let stopped = format!("{line} --out stopped");
    let words: Vec<&str> = stopped.split_whitespace().collect();
    let mut child = lab
        .command(&words)
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut err = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    err.find(|line| line.as_ref().is_ok_and(|line| line.contains("1 of 4")));
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.expect("kill").success());
    let rest: Vec<String> = err.map_while(Result::ok).collect();
    assert_eq!(child.wait().expect("its end").code(), Some(130), "{rest:?}");
    assert!(
        rest.iter().any(|line| line.contains("continues it")),
        "{rest:?}"
    );
    lab.ok(&stopped);
    assert!(lab.read("whole/results.json") == lab.read("stopped/results.json"));
}
