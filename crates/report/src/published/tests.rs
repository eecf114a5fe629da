use gptlab_record::GridKind;

use super::*;
use crate::{page, story, study::tests::grid_folder};

/// A study of three published results: one that agrees, one that differs and one with one run.
fn study() -> Study {
    let (_root, folder) = grid_folder(GridKind::Published);
    let mut study = Study::read(&folder).unwrap();
    let row = |variant: &str, quantity, published, verdict| PublishedComparison {
        variant: variant.into(),
        quantity,
        published: Some(published),
        published_bounds: PublishedBounds::around(published, 0.005),
        has_spread: false,
        ours: Some(2.1),
        deviation: Some(0.01),
        interval: PublishedBounds::around(2.1, 0.05),
        difference: Some(2.1 - published),
        verdict,
        source: "somebody, in 1999".into(),
    };
    study.published = vec![
        row(
            "baseline",
            PublishedQuantity::ValidationLoss,
            2.12,
            PublishedVerdict::Agrees,
        ),
        row(
            "residual",
            PublishedQuantity::TrainingLoss,
            2.5,
            PublishedVerdict::Differs,
        ),
        PublishedComparison {
            interval: None,
            ..row(
                "broken",
                PublishedQuantity::NgramBaseline(1),
                2.8,
                PublishedVerdict::CannotBeTold,
            )
        },
    ];
    study
}

#[test]
fn a_terminal_has_both_values_the_verdict_and_the_source() {
    let told = story(&study(), None, 80);
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    for said in [
        "1 of 2 published results agree with ours, and 1 more cannot be told",
        "baseline 2.1200 2.1000 0.0500 -0.0200 agrees",
        "residual 2.5000 2.1000 0.0500 -0.4000 differs",
        "broken 2.8000 2.1000 -0.7000 cannot be told",
        "Agrees: baseline (-0.0200).",
        "Agrees means that the published value lies within our 95 % interval of a single run",
        "No spread was published of baseline, residual;",
        "Training losses, of the last step's batch, not validation losses: residual.",
        "N-gram baselines, which are measured here",
        "Source of baseline, residual, broken: somebody, in 1999.",
    ] {
        assert!(words.contains(said), "no {said:?} in {told}");
    }
}

/// Some of our runs learned and some did not.
#[test]
fn runs_that_lie_far_apart_agree_with_nothing() {
    let mut study = study();
    study.published.truncate(1);
    study.published[0].verdict = PublishedVerdict::CannotBeTold;
    study.published[0].interval = PublishedBounds::around(2.1, 1.5);
    let told = story(&study, None, 80);
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("The runs of baseline are so few, or lie so far apart"),
        "{told}"
    );
}

#[test]
fn the_page_and_its_files_have_the_table() {
    let files = page::files(&study(), &page::Extras::default());
    let file = |name: &str| &files.iter().find(|file| file.name == name).unwrap().text;
    let csv = file("published.csv");
    assert!(csv.starts_with("result,quantity,published,"), "{csv}");
    assert!(csv.contains("\nbaseline,validation loss,2.12,"), "{csv}");
    for name in [page::PAGE, "report.md"] {
        let text = file(name);
        for said in [
            "published results",
            "1-gram baseline",
            "cannot be told",
            "somebody, in 1999",
        ] {
            assert!(text.contains(said), "{name}: {said}");
        }
    }
}
