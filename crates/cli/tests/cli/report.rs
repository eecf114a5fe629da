//! `report`: the files that it makes of a run.

use std::fs;

use crate::{Lab, TINY};

/// Makes a lab with a run's record in `run`.
fn with_run() -> Lab {
    let lab = Lab::new();
    lab.ok(&format!("train --data data.txt {TINY} --out run"));
    lab
}

#[test]
fn a_run_becomes_a_page_tables_and_pictures() {
    let lab = with_run();
    let ran = lab.ok("report run --date 2026-01-02");
    assert!(
        ran.out.starts_with("After ") && ran.out.contains("the loss is "),
        "{}",
        ran.out
    );
    assert!(
        ran.err.starts_with("hint: open run/report/report.html"),
        "{}",
        ran.err
    );
    let text =
        |name: &str| String::from_utf8(lab.read(&format!("run/report/{name}"))).expect("UTF-8");
    assert!(
        ran.out.lines().all(|line| line.chars().count() <= 80),
        "{}",
        ran.out
    );
    for part in [
        "\nN-gram baselines: 1-gram ",
        " (the best)",
        "\n          validation loss, nats per token\n",
        " step ",
        "steps it wrote:",
    ] {
        assert!(ran.out.contains(part), "no {part} in\n{}", ran.out);
    }
    let page = text("report.html");
    for part in [
        // The title is what was found.
        "<h1>After ",
        "gptlab run “run” on data.txt",
        "2026-01-02",
        "<svg",
        "data.txt",
        "<h2>Time</h2>",
        // The page has the n-gram baselines of the run's own text, and attention maps of its model.
        "3-gram",
        "block0.attn, head 1",
    ] {
        assert!(page.contains(part), "no {part}");
    }
    for absent in ["src=", "<link", "https:", "url("] {
        assert!(
            !page.contains(absent),
            "the page needs nothing else: {absent}"
        );
    }
    assert!(text("report.md").starts_with("# After "));
    assert!(
        text("curves.csv").starts_with("variant,seed,step,lr,loss,val loss,grad norm\nrun,0,0,")
    );
    assert!(text("curves.svg").starts_with("<?xml"));
}

#[test]
fn an_equal_run_makes_equal_files_but_for_times() {
    let lab = Lab::new();
    for folder in ["a/run", "b/run"] {
        lab.ok(&format!("train --data data.txt {TINY} --out {folder}"));
        lab.ok(&format!("report {folder} --out {folder}-report"));
    }
    let listed = lab.ok("report a/run --out a/run-report --json").out;
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(listed["out"], "a/run-report");
    let names = listed["files"].as_array().expect("files");
    assert!(names.len() > 5, "{listed}");
    for name in names.iter().filter_map(|name| name.as_str()) {
        let read = |side: &str| {
            String::from_utf8(lab.read(&format!("{side}/run-report/{name}"))).expect("UTF-8")
        };
        let (a, b) = (read("a"), read("b"));
        let timeless = |text: &str| {
            text.split("<h2>Time</h2>")
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(timeless(&a), timeless(&b), "{name}");
        assert!(
            !a.contains(&lab.path("").display().to_string()),
            "{name} names this machine's folders"
        );
    }
}

#[test]
fn what_is_no_run_is_a_sentence() {
    let lab = Lab::new();
    let ran = lab.run("report nowhere");
    assert_eq!(
        (ran.code, ran.first_line()),
        (
            1,
            "error: cannot read nowhere: there is no such file or folder"
        )
    );
    fs::create_dir(lab.path("empty")).expect("a folder");
    let ran = lab.run("report empty");
    let sentence = "error: empty: expected a folder of a run (experiment.json) or of a grid (grid.json), found neither file";
    assert_eq!((ran.code, ran.first_line()), (3, sentence));
    assert_eq!(lab.run("report").code, 2);
}

/// Files have fixed names, so that they could replace a page in a folder of the user's own.
#[test]
fn a_folder_of_somebody_else_is_left_as_it_is() {
    let lab = with_run();
    for (folder, line) in [
        ("own", "report run --out own"),
        ("run/report", "report run"),
    ] {
        fs::create_dir_all(lab.path(folder)).expect("a folder");
        lab.file(&format!("{folder}/table.csv"), "mine");
        let ran = lab.run(line);
        let sentence = format!(
            "error: {folder}: expected a new or empty folder, or one with a report.html that gptlab made, found files \
             of somebody else: `table.csv`"
        );
        assert_eq!((ran.code, ran.first_line()), (3, sentence.as_str()));
        assert!(ran.err.contains("hint: name a new folder: --out DIR"));
        assert_eq!(lab.read(&format!("{folder}/table.csv")), b"mine");
        assert_eq!(fs::read_dir(lab.path(folder)).expect("a folder").count(), 1);
        lab.file(&format!("{folder}/report.html"), "<html>mine</html>");
        assert_eq!(lab.run(line).code, 3, "a page that is not ours");
    }
    // A run's folder cannot be the report's, and a report can be replaced.
    assert_eq!(lab.run("report run --out run").code, 3);
    lab.ok("report run --out new");
    lab.file("new/table.csv", "stale");
    lab.ok("report run --out new");
    assert!(lab.read("new/table.csv").starts_with(b"variant,"));
    let ran = lab.run("report run --out data.txt");
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(
        ran.first_line()
            .starts_with("error: cannot make data.txt: ")
    );
}

/// The text has one character: every loss is 0, and none is worse than another.
#[test]
fn equal_losses_are_neither_better_nor_worse() {
    let lab = Lab::new();
    lab.file("one.txt", "a".repeat(600));
    lab.ok(&format!("train --data one.txt {TINY} --steps 20 --out run"));
    let ran = lab.ok("report run");
    assert!(
        ran.out.starts_with(
            "After 20 steps the loss is 0.0000: no better and no worse than uniform guessing\n"
        ),
        "{}",
        ran.out
    );
    let output = lab.ok("doctor run").out;
    assert!(
        !output.contains("Worse") && !output.contains("Stuck"),
        "{output}"
    );
}
