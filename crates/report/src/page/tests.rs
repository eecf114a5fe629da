use std::{fs, path::PathBuf};

use gptlab_model::AttentionMask;
use gptlab_record::GridKind;

use super::*;
use crate::chart::Caption;
use crate::study::tests::{grid_folder, run, write_run};

fn of(folder: &Path) -> Vec<File> {
    let map = crate::chart::attention("head 0", &[vec![1.0]], &["a".into()], AttentionMask::Full);
    let map = map.unwrap();
    let shading = map.shading();
    let panels = Panels {
        title: "every head".into(),
        caption: Caption::new("rows are queries"),
        panels: vec![("head0".into(), map.draw_with(shading.unwrap()).unwrap())],
        shading,
        numbers: None,
    };
    files(
        &Study::read(folder).unwrap(),
        &Extras {
            date: Some("2026-01-02".into()),
            scaling_law: None,
            inside: vec![("baseline".into(), panels)],
        },
    )
}

fn text<'a>(files: &'a [File], name: &str) -> &'a str {
    let found = files.iter().find(|f| f.name == name);
    &found
        .unwrap_or_else(|| panic!("no {name} among {:?}", names(files)))
        .text
}

fn names(files: &[File]) -> Vec<&str> {
    files.iter().map(|f| f.name.as_str()).collect()
}

fn report() -> (tempfile::TempDir, PathBuf, Vec<File>) {
    let (root, folder) = grid_folder(GridKind::Ablation);
    let files = of(&folder);
    (root, folder, files)
}

#[test]
fn a_grid_becomes_a_page_tables_and_pictures() {
    let (_root, _folder, files) = report();
    let expected = [
        "report.html",
        "report.md",
        "table.csv",
        "predictions.csv",
        "curves.csv",
        "observations.csv",
        "guides.csv",
        "differences.svg",
        "curves.svg",
        "observed-grad-norm-00-baseline.svg",
        "observed-grad-norm-01-residual.svg",
        "attention-00-baseline-head0.svg",
    ];
    assert_eq!(names(&files), expected);
}

#[test]
fn the_page_stands_alone_and_says_everything() {
    let (_root, _folder, files) = report();
    let page = text(&files, PAGE);
    for part in [
        "<!DOCTYPE html>",
        "<html lang=\"en\">",
        "<h1>Residual: +0.5500 nats per token",
        "gptlab ablation “parts”",
        "2026-01-02",
        "gptlab ablate --data &#39;my text.txt&#39;",
        "Worse: residual (+0.5500).",
        "prefers-color-scheme:dark",
        "aria-label=\"How much each variant changes the validation loss\"",
        "the loss stays near a 1-gram table&#39;s",
        "2 of 2 runs diverged, the first at step 20.",
        "He et al. 2016",
        "<i>- h = attend x</i>",
        "The listing is the baseline&#39;s.",
        "&lt;b&gt;anna&lt;/b&gt;",
        "no residual &lt;connections&gt;",
        "<h2>Time</h2>",
    ] {
        let part = part.replace("&#39;", "'");
        assert!(page.contains(&part), "no {part}");
    }
    for absent in [
        "<script src",
        "http://www.w3.org/1999",
        "src=",
        "<link",
        "url(",
        "fetch(",
        "<b>anna",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn markdown_holds_the_same_without_times() {
    let (_root, _folder, files) = report();
    let page = text(&files, "report.md");
    for part in [
        "# Residual: +0.5500 nats per token",
        "gptlab ablation “parts”",
        "| residual | 2.6600 |",
        "![How much each variant changes the validation loss](differences.svg)",
        "- **Prediction:** the loss stays near a 1-gram table's",
        "- h = attend x",
        "````text\n<b>anna</b>\n```\nbob\n````",
    ] {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
    assert!(!page.contains("tokens/s"), "{page}");
    let pictures = page.matches("](").count();
    assert_eq!(
        pictures,
        names(&files).join(" ").matches(".svg").count(),
        "each picture once"
    );
}

/// Runs that differ only in their times make files that differ only in the page's last section.
#[test]
fn times_are_in_one_section_alone() {
    let (_root, folder, first) = report();
    for entry in fs::read_dir(folder.join("runs")).unwrap() {
        let path = entry.unwrap().path().join("events.jsonl");
        let events = fs::read_to_string(&path).unwrap();
        fs::write(
            &path,
            events.replace(
                "\"tokens_per_second\":1000.0",
                "\"tokens_per_second\":2222.0",
            ),
        )
        .unwrap();
    }
    let second = of(&folder);
    for (a, b) in first.iter().zip(&second) {
        let before = |text: &str| {
            text.split("<h2>Time</h2>")
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(before(&a.text), before(&b.text), "{}", a.name);
    }
    assert_ne!(text(&first, PAGE), text(&second, PAGE));
}

#[test]
fn a_run_is_reported_alone_and_written() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("alone");
    write_run(&folder, &run(7, 2.0));
    let files = of(&folder);
    let pictures = ["curves.svg", "observed-grad-norm.svg"];
    assert_eq!(names(&files)[7..9], pictures);
    assert!(text(&files, PAGE).contains("<h1>After 100 steps the loss is 2.0000"));
    assert!(!text(&files, PAGE).contains("Predictions"));
    let out = root.path().join("new/out");
    write(&out, &files).unwrap();
    assert_eq!(
        fs::read_to_string(out.join("table.csv")).unwrap(),
        text(&files, "table.csv")
    );
}

#[test]
fn a_grid_without_results_is_a_plan() {
    let (_root, folder, _) = report();
    fs::remove_file(folder.join("results.json")).unwrap();
    fs::remove_dir_all(folder.join("runs")).unwrap();
    let files = of(&folder);
    assert!(text(&files, PAGE).contains("No run has finished."));
}
