use gptlab_record::GridKind;

use super::*;
use crate::study::tests::grid_folder;

fn study() -> (tempfile::TempDir, Study) {
    let (root, folder) = grid_folder(GridKind::Ablation);
    let study = Study::read(&folder).unwrap();
    (root, study)
}

#[test]
fn the_table_says_what_results_say() {
    let (_root, study) = study();
    let csv = table(&study).csv();
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(
        lines[0],
        "variant,val loss,sd,difference,95 % CI,p,grad norm,parameters,diverged,compared with guides"
    );
    assert!(lines[2].starts_with("residual,2.66,"), "{}", lines[2]);
    assert!(
        lines[2].ends_with(",0.55,+0.5000 to +0.6000,0.0002,0.5,4000,,worse than a 2-gram table"),
        "{}",
        lines[2]
    );
    assert_eq!(lines[3], "broken,,,,,,,4000,\"2 of 2, step 20\",");
    assert!(
        table(&study).text(120).contains("tokens/s"),
        "screens show speeds"
    );
}

#[test]
fn outcomes_are_sentences() {
    let (_root, study) = study();
    let text = |i: usize| outcome(&study, &study.arms[i]);
    assert_eq!(text(0), "Loss 2.1100 ± 0.0141: better than a 3-gram table.");
    assert_eq!(
        text(1),
        "Loss 2.6600 ± 0.0849: better than a 1-gram table, worse than a 2-gram table. \
         0.5500 worse than the baseline (p < 0.001, 2 seeds)."
    );
    assert_eq!(text(2), "2 of 2 runs diverged, the first at step 20.");
    assert_eq!(
        answer(&study),
        [
            "Worse than the baseline: residual (+0.5500).",
            "Diverged, in some run: broken."
        ]
    );
}

#[test]
fn chance_is_called_chance() {
    let difference = |mean, p| PairedDifference {
        mean,
        low: None,
        high: None,
        p,
        pairs: 3,
    };
    assert_eq!(
        compared(difference(-0.01, Some(0.4))),
        "Not significantly different from the baseline: 0.0100 better, p = 0.400 (3 seeds)."
    );
    assert_eq!(
        compared(PairedDifference {
            pairs: 1,
            ..difference(0.2, None)
        }),
        "0.2000 worse than the baseline (one seed, so its significance is unknown)."
    );
}

/// A difference that prints as 0.0000 is neither worse nor better, however small its p.
#[test]
fn a_difference_that_prints_as_nothing_is_none() {
    let (_root, mut study) = study();
    for (mean, p) in [(0.0, None), (1e-6, Some(0.0001)), (-1e-6, Some(0.9))] {
        let difference = PairedDifference {
            mean,
            low: None,
            high: None,
            p,
            pairs: 3,
        };
        assert_eq!(
            compared(difference),
            "Neither worse nor better than the baseline (3 seeds)."
        );
        study.arms[1].row.as_mut().unwrap().difference = Some(difference);
        assert_eq!(
            answer(&study)[0],
            "Neither worse nor better: residual (+0.0000)."
        );
    }
}

#[test]
fn curves_hold_every_step_and_the_end() {
    let (_root, study) = study();
    let csv = curves(&study).csv();
    assert_eq!(csv.lines().count(), 1 + 4 * 11);
    assert!(csv.contains("residual,1,100,,,2.72,\n"), "{csv}");
}
