//! `ablate`: a grid of broken models, its table, and its resumption after a kill.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use crate::{Lab, unwrapped};

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

/// Fails where a line has more than 80 characters.
fn narrow(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn the_seed_s_table_has_its_rows_its_record_and_its_report() {
    let lab = Lab::new();
    let ran = lab.ok(&format!(
        "ablate --base gpt2-mini --switches seed {SMALL} --seeds 2 --out grid"
    ));
    for row in ["baseline", "no residual", "post-LN", "no attention"] {
        assert!(
            ran.out.lines().any(|line| line.starts_with(row)),
            "{}",
            ran.out
        );
    }
    assert!(ran.err.contains("8 of 8"), "{}", ran.err);
    let warned =
        "warning: two seeds tell little: an interval is then 13 standard errors to each side";
    assert!(ran.err.contains(warned), "{}", ran.err);
    for part in [
        "× no residual",
        "validation loss, nats per token",
        "Where curves coincide, their marks take turns.",
        "N-gram baselines: 1-gram ",
    ] {
        assert!(ran.out.contains(part), "no {part} in {}", ran.out);
    }
    // Six steps of the ancestor's recipe have learned nothing yet, and its table says so.
    for said in [
        "Too short to tell",
        "2-gram baseline",
        "without `--switches seed`",
    ] {
        assert!(
            unwrapped(&ran.out).contains(said),
            "no {said} in {}",
            ran.out
        );
    }
    for word in ["Better:", "Worse:"] {
        assert!(!ran.out.contains(word), "{}", ran.out);
    }
    let grid = lab.json("grid/grid.json");
    assert_eq!(grid["command"][1], "ablate");
    assert_eq!(grid["cells"].as_array().map(Vec::len), Some(8));
    let expect = grid["variants"][3]["prediction"]
        .as_str()
        .expect("a prediction");
    assert!(expect.contains("2-gram baseline"), "{expect}");
    let results = lab.json("grid/results.json");
    assert_eq!(
        results["floors"]["ngrams"].as_array().map(Vec::len),
        Some(6)
    );
    assert_eq!(results["rows"][1]["difference"]["pairs"], 2);
    assert_eq!(results["rows"][0]["difference"], Value::Null);
    let page = String::from_utf8(lab.read("grid/report/report.html")).expect("UTF-8");
    assert!(page.contains("no residual connections") && page.contains("Too short to tell"));

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
    lab.ok("eval grid/runs/no-residual-s0/checkpoints/step-00000006.safetensors --data data.txt");
}

#[test]
fn the_same_grid_twice_is_the_same_bytes_on_any_number_of_threads() {
    let lab = Lab::new();
    for (out, machine) in [("a", "--threads 1"), ("b", "--threads 3 --jobs 2")] {
        let flags = "--switches attention,adamw,sgd --seeds 2";
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
    let ran = lab.ok("diff a/runs/adamw-for-muon-s1 b/runs/adamw-for-muon-s1");
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
    let line =
        format!("ablate --switches mlp --seeds 1 {SMALL} --grid init-std=0.02,3e38 --out grid");
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
    assert_eq!(row("no MLP init-std=3e38")["outcomes"][0]["diverged_at"], 0);
    assert_eq!(row("no MLP init-std=3e38")["mean"], Value::Null);
    // One seed is too few for a test.
    assert!(
        ran.out.contains("not measured with one seed"),
        "{}",
        ran.out
    );
    assert!(row("no MLP init-std=0.02")["difference"]["mean"].is_f64());
    let events = String::from_utf8(lab.read("grid/runs/no-mlp_init-std=3e38-s0/events.jsonl"))
        .expect("UTF-8");
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
    let ran = lab.ok(&format!(
        "ablate --switches attention --seeds 1 --data copy:seed=1,size=4000 {small} --out grid"
    ));
    let said = unwrapped(&ran.out);
    assert!(
        said.contains("Too short to tell: after 4 steps baseline has not learned the skill"),
        "{said}"
    );
    assert!(said.contains("Without it: baseline ("), "{said}");
    let results = lab.json("grid/results.json");
    // The best n-gram guesses among 26 letters, and the ideal predictor copies.
    let skill = |name: &str| results["skill"][name].as_f64().expect("a loss");
    assert!(skill("ngram") > 2.0 && skill("ngram") < 4.0 && skill("ideal") < 0.1);
    let standing = &results["conclusion"]["baselines"][0]["standing"];
    assert!(standing["no-skill"]["loss"].is_f64(), "{standing}");
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
    for (out, base) in [("a", ""), ("b", "--base modern")] {
        let small = "--n-layer 1 --n-embd 16 --batch-size 1 --steps 1";
        lab.ok(&format!(
            "ablate --data long.txt --switches mlp --seeds 1 {small} {base} --out {out}"
        ));
        let experiment = lab.json(format!("{out}/runs/baseline-s0/experiment.json"));
        assert_eq!(experiment["spec"]["block_size"], 128, "{base}");
        assert_eq!(experiment["hyper"]["optimizer"], "muon", "{base}");
    }
    assert!(lab.read("a/results.json") == lab.read("b/results.json"));
}

#[test]
fn the_switches_are_listed_with_what_to_expect() {
    let lab = Lab::new();
    let all: Value = serde_json::from_str(&lab.ok("ablate --list --json").out).expect("JSON");
    let text = lab.ok("ablate --list").out;
    let one = lab.ok("ablate --list --switches no-mlp").out;
    assert!(
        one.starts_with("no-mlp") && unwrapped(&text).contains(&unwrapped(&one)),
        "{one}"
    );
    let unknown = lab.run("ablate --list --switches foo");
    assert_eq!((unknown.code, unknown.out.as_str()), (2, ""));
    let all = all.as_array().expect("a list");
    assert_eq!(all.len(), 34);
    let words = unwrapped(&text);
    for switch in all {
        for key in ["name", "title", "purpose", "prediction", "source"] {
            assert!(
                words.contains(switch[key].as_str().expect("words")),
                "{switch}"
            );
        }
        assert!(switch["expected"].is_object(), "{switch}");
    }
    narrow(&text);
    // Names begin below each other, apart from what is typed, however long that is.
    let heads: Vec<&str> = text.lines().filter(|line| !line.starts_with(' ')).collect();
    let slugs = heads.iter().filter_map(|line| line.split(' ').next());
    let column = 2 + slugs.map(str::len).max().expect("slugs");
    assert_eq!(heads.len(), all.len());
    for (head, switch) in heads.iter().zip(all) {
        let (slug, name) = head.split_at(column);
        assert!(slug.ends_with("  "), "{head}");
        assert_eq!(name, switch["name"].as_str().expect("a name"));
    }
}

/// Every point has the same seeds, so that two of them would be one run with two names.
#[test]
fn the_seed_is_no_axis_of_a_grid() {
    let lab = Lab::new();
    let ran = lab.run(&format!("ablate {SMALL} --grid seed=1,2 --out grid"));
    assert_eq!(ran.code, 2);
    let sentence = "error: --grid: every point of a grid has the same seeds, and the seed is no axis; `--seeds N` \
                    sets how many there are";
    assert_eq!(ran.first_line(), sentence);
    assert!(!lab.path("grid").exists());
}

#[test]
fn a_folder_with_another_grid_is_refused_before_anything_is_said() {
    let lab = Lab::new();
    lab.ok(&format!(
        "ablate {SMALL} --switches norm-none --seeds 1 --out grid"
    ));
    let ran = lab.run(&format!(
        "ablate {SMALL} --switches mlp --seeds 1 --out grid"
    ));
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.err.starts_with("error: grid: expected the same grid")
            && ran
                .err
                .contains("give the new one a folder of its own with --out"),
        "{}",
        ran.err
    );
}

#[test]
fn refusals_say_what_was_expected() {
    let lab = Lab::new();
    let cases = [
        (
            "--switches residuals",
            2,
            "error: there is no switch called \"residuals\"; is `no-residual` meant? there are no-residual, ",
        ),
        (
            "--seeds 0",
            2,
            "error: --seeds must be from 1 to 1000, found 0",
        ),
        (
            "--tune beta1",
            2,
            "error: --tune: an ablation can tune the learning rate, `lr`, found `beta1`",
        ),
        ("--tune lr --grid lr=1,2", 2, "error: "),
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
            "error: the switch no-biases cannot be thrown here: the baseline is like that already",
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
    // A list leaves out switches that make no sense, and reports them.
    let ran = lab.ok(&format!(
        "ablate {SMALL} --switches all --seeds 1 --steps 2 --out other"
    ));
    assert!(
        ran.err
            .contains("left out no-biases: the baseline is like that already"),
        "{}",
        ran.err
    );
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_the_same_command_goes_on() {
    let line = format!("ablate --switches seed {SMALL} --steps 300 --log-interval 100");
    let rest = Lab::new().stopped_and_continued(&line);
    assert!(
        rest.iter().any(|line| line.contains("continues it")),
        "{rest:?}"
    );
}

/// Without a flag: three seeds, the parts that matter most, named as sentences do, an estimate
/// before the first run, and what may be said in the end, first of all the noise.
#[test]
fn what_a_bare_ablation_says() {
    let lab = Lab::new();
    let small = SMALL.replace("--steps 6", "--steps 120 --lr 0.03");
    let ran = lab.ok(&format!("ablate {small} --out grid"));
    let plan = "21 runs of 120 steps: 7 variants, 3 seeds; in grid";
    let mut said = ran.err.lines();
    assert_eq!(
        said.next(),
        Some(
            "baseline: 1 layer of width 16, 2 heads, context 16; muon at rate 0.03, batches of 2; on data.txt"
        )
    );
    assert_eq!(said.next(), Some(plan));
    let third = said.next().unwrap_or_default();
    assert!(
        third.starts_with("about ")
            && third.ends_with(" for 21 runs, by the speed of the first steps"),
        "{}",
        ran.err
    );
    let table: Vec<&str> = ran.out.lines().collect();
    let names = [
        "baseline",
        "no residual",
        "no attention",
        "no MLP",
        "no norm",
        "post-LN",
        "no positions",
    ];
    let rule = table.iter().position(|line| line.starts_with("---"));
    let rows = 1 + rule.expect("a rule below the titles");
    for (line, name) in table[rows..].iter().zip(names) {
        assert!(line.starts_with(name), "{line}");
    }
    let below: Vec<&&str> = table[rows + names.len()..]
        .iter()
        .filter(|line| !line.is_empty())
        .collect();
    assert!(
        below[0].starts_with("Noise between seeds: 0."),
        "{}",
        ran.out
    );
    let said = unwrapped(&ran.out);
    for part in [
        "standard deviation of the baseline's 3 seeds",
        "comparisons (Holm 1979)",
        "had to differ by about ",
        "Regime: ",
        "passes over the text",
        "tokens a parameter",
        "Predictions: ",
    ] {
        assert!(said.contains(part), "no {part} in {}", ran.out);
    }
    for word in ["luck", "told apart"] {
        assert!(!said.contains(word), "{}", ran.out);
    }
    narrow(&ran.out);
    let results = lab.json("grid/results.json");
    let row = &results["rows"][1];
    let (plain, corrected) = (&row["difference"], &row["difference"]["corrected"]);
    let number = |value: &Value| value.as_f64().expect("a number");
    assert!(number(&corrected["p"]) >= number(&plain["p"]));
    assert!(number(&corrected["high"]) >= number(&plain["high"]));
    assert_eq!(
        corrected["comparisons"],
        results["conclusion"]["comparisons"]
    );
    let verdicts = results["conclusion"]["variants"].as_array();
    let verdict = &verdicts.expect("verdicts")[1];
    assert_eq!(verdict["variant"], "no residual");
    assert!(verdict["prediction"].is_string(), "{verdict}");
    for file in ["table.csv", "predictions.csv"] {
        let csv = String::from_utf8(lab.read(&format!("grid/report/{file}"))).expect("UTF-8");
        assert!(
            csv.lines().next().is_some_and(|l| l.contains("verdict")),
            "{csv}"
        );
    }
    assert!(lab.path("grid/runs/no-residual-s2").exists());
    // All runs have ended: there is nothing to estimate.
    let again = lab.ok(&format!("ablate {small} --out grid"));
    assert!(!again.err.contains("about "), "{}", again.err);
    assert_eq!(again.out, ran.out);
}

/// Names as sentences, as flags, and of older versions mean the same.
#[test]
fn a_switch_has_one_meaning_by_any_of_its_names() {
    let lab = Lab::new();
    let base = "--base gpt2-mini --seeds 1";
    for (out, typed) in [
        ("a", "no-mlp,SwiGLU-for-GELU"),
        ("b", "mlp,swiglu"),
        ("c", "no MLP, swiglu for gelu"),
    ] {
        let line = format!("ablate {SMALL} {base} --out {out} --switches");
        let mut words: Vec<&str> = line.split_whitespace().collect();
        words.push(typed);
        let ran = lab.words(&words);
        assert_eq!(ran.code, 0, "{typed}: {}", ran.err);
        assert!(lab.path(&format!("{out}/runs/swiglu-for-gelu-s0")).exists());
    }
    assert!(lab.read("a/results.json") == lab.read("b/results.json"));
    assert!(lab.read("a/results.json") == lab.read("c/results.json"));
}

#[test]
fn tuning_shows_both_comparisons() {
    let lab = Lab::new();
    let small = SMALL.replace("--steps 6", "--steps 120 --lr 0.02");
    let line = format!("ablate {small} --switches no-attention --seeds 2 --tune lr --out grid");
    let ran = lab.ok(&line);
    assert!(
        ran.err.contains("\n16 runs of 120 steps: 8 variants"),
        "{}",
        ran.err
    );
    let results = lab.json("grid/results.json");
    let tuned = results["tuned"].as_array().expect("rows");
    assert_eq!(tuned.len(), 2);
    assert_eq!(tuned[1]["variant"], "no attention");
    // By hand: the best of each variant's four rates.
    for row in tuned {
        let rows = results["rows"].as_array().expect("rows").iter();
        let own = rows.filter(|r| {
            let name = r["variant"].as_str().expect("a name");
            name.starts_with(row["variant"].as_str().expect("a name"))
        });
        let least = own
            .filter_map(|r| r["mean"].as_f64())
            .fold(f64::MAX, f64::min);
        assert_eq!(row["mean"].as_f64(), Some(least));
    }
    assert!(
        ran.out.contains("Each variant at its best lr"),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("best lr"), "{}", ran.out);
    narrow(&ran.out);
    let csv = String::from_utf8(lab.read("grid/report/tuned.csv")).expect("UTF-8");
    assert!(
        csv.starts_with("variant,best lr,val loss,difference"),
        "{csv}"
    );
    let said = lab.ok("report grid").out;
    assert_eq!(said, ran.out[..said.len()]);
}

/// A grid of an older version holds old names, and neither expectations nor conclusions.
#[test]
fn a_grid_of_an_older_version_is_shown_with_today_s_names() {
    let lab = Lab::new();
    let line = format!("ablate {SMALL} --switches no-residual --seeds 2 --out grid");
    lab.ok(&line);
    let (mut grid, mut results) = (lab.json("grid/grid.json"), lab.json("grid/results.json"));
    grid["format"] = 2.into();
    for variant in grid["variants"].as_array_mut().expect("variants") {
        variant
            .as_object_mut()
            .expect("a variant")
            .remove("expected");
    }
    grid["variants"][1]["name"] = "residual".into();
    for cell in grid["cells"].as_array_mut().expect("cells") {
        if cell["variant"] == "no residual" {
            cell["variant"] = "residual".into();
        }
    }
    results["format"] = 1.into();
    let old = results.as_object_mut().expect("results");
    old.remove("conclusion");
    let difference = &mut results["rows"][1]["difference"];
    let old = difference.as_object_mut().expect("a difference");
    for key in ["corrected", "deviation"] {
        old.remove(key);
    }
    results["rows"][1]["variant"] = "residual".into();
    lab.file("grid/grid.json", grid.to_string());
    lab.file("grid/results.json", results.to_string());
    let ran = lab.ok("report grid");
    assert!(ran.out.contains("\nno residual "), "{}", ran.out);
    assert!(ran.out.contains("Too short to tell"), "{}", ran.out);
    let ran = lab.run(&line);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert!(
        ran.err.contains("a grid of an older version"),
        "{}",
        ran.err
    );
}
