use gptlab_record::{
    Conclusion, CorrectedDifference, Evidence, ExpectedDifference, GridKind, PairedDifference, Row,
    SkillBaselines,
};

use super::*;
use crate::{story, study::tests::grid_folder};

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
        "variant,val loss,sd,difference,95 % CI,p,verdict,grad norm,parameters,diverged,against n-gram baselines"
    );
    assert!(lines[2].starts_with("residual,2.66,"), "{}", lines[2]);
    assert!(
        lines[2].ends_with(
            ",0.55,+0.5000 to +0.6000,0.0002,worse,0.5,4000,,worse than the 2-gram baseline"
        ),
        "{}",
        lines[2]
    );
    assert_eq!(
        lines[3],
        "broken,,,,,,no finite loss,,4000,\"2 of 2, step 20\","
    );
    assert!(
        table(&study).text(120).contains("tokens/s"),
        "screens show speeds"
    );
}

#[test]
fn outcomes_are_sentences() {
    let (_root, study) = study();
    let text = |i: usize| outcome(&study, &study.arms[i]);
    assert_eq!(
        text(0),
        "Loss 2.1100 ± 0.0141: better than the 3-gram baseline."
    );
    assert_eq!(
        text(1),
        "Loss 2.6600 ± 0.0849: better than the 1-gram baseline, worse than the 2-gram baseline. \
         It is worse than the baseline by 0.5500 (p < 0.001, 2 seeds)."
    );
    assert_eq!(text(2), "2 of 2 runs diverged, the first at step 20.");
    assert_eq!(
        answer(&study),
        [
            "Noise between seeds: 0.0141 nats, the standard deviation of the baseline's 2 seeds.",
            "Worse: residual (+0.5500).",
            "Regime: 0.178 passes over the text, 0.4 tokens a parameter, under-trained (the baseline's training \
             loss is 2.1000, its validation loss 2.1100).",
            "Diverged: broken (2 of 2, step 20)."
        ]
    );
}

/// Redraws the conclusion of a study whose second variant differs so, beside a baseline of this
/// loss.
fn concluded(study: &mut Study, loss: f64, difference: Option<PairedDifference>) {
    study.arms[0].row.as_mut().unwrap().mean = Some(loss);
    study.arms[1].row.as_mut().unwrap().difference = difference;
    let arms = study.arms.iter();
    let rows: Vec<Row> = arms.filter_map(|arm| arm.row.clone()).collect();
    let mut grid = crate::study::tests::grid(GridKind::Ablation);
    for (variant, arm) in grid.variants.iter_mut().zip(&study.arms) {
        *variant = arm.variant.clone();
    }
    study.conclusion = Some(Conclusion::of(
        &grid,
        &Evidence {
            rows: &rows,
            floors: study.floors.as_ref().unwrap(),
            skill: study.skill,
            curves: &[vec![(10, 3.0), (50, 2.8), (90, 2.7), (100, 2.65)]],
            tokens_per_step: None,
            least_difference: Some(0.0321),
        },
    ));
}

fn difference(mean: f64, p: Option<f64>) -> PairedDifference {
    PairedDifference {
        mean,
        deviation: p.map(|_| 0.01),
        low: p.map(|_| mean - 0.01),
        high: p.map(|_| mean + 0.01),
        p,
        pairs: if p.is_some() { 3 } else { 1 },
        corrected: p.map(|p| CorrectedDifference {
            low: Some(mean - 0.02),
            high: Some(mean + 0.02),
            p: Some(p),
            comparisons: 1,
        }),
    }
}

#[test]
fn what_may_be_chance_is_not_significant() {
    let (_root, mut study) = study();
    concluded(&mut study, 2.11, Some(difference(-0.01, Some(0.4))));
    let said = answer(&study);
    assert_eq!(said[1], "Not significant: residual (-0.0100).");
    assert!(
        said[2].starts_with("With 2 seeds and 1 comparison, a variant whose seeds vary as much as")
            && said[2].contains(" had to differ by about 0.0321 nats to be significant"),
        "{said:?}"
    );
    assert_eq!(
        compared(&study, &study.arms[1]).unwrap(),
        "It is 0.0100 below the baseline, which is not significant (p = 0.400, 3 seeds)."
    );
    concluded(&mut study, 2.11, Some(difference(0.2, None)));
    assert_eq!(
        answer(&study)[1],
        "Not tested, which takes two seeds or more: residual (+0.2000)."
    );
    assert_eq!(
        compared(&study, &study.arms[1]).unwrap(),
        "It is 0.2000 above the baseline; 1 seed is no test of chance."
    );
}

/// A difference that prints as 0.0000 is neither worse nor better, however small its p.
#[test]
fn a_difference_that_prints_as_nothing_is_not_significant() {
    let (_root, mut study) = study();
    for (mean, p) in [(0.0, 0.0), (1e-6, 0.0001), (-1e-6, 0.9)] {
        concluded(&mut study, 2.11, Some(difference(mean, Some(p))));
        assert_eq!(answer(&study)[1], "Not significant: residual (+0.0000).");
    }
}

/// 2.5 is above the 2-gram baseline, 2.4, so that 0.5 nats of difference say nothing.
#[test]
fn nothing_is_concluded_before_a_two_gram_table_is_passed() {
    let (_root, mut study) = study();
    concluded(&mut study, 2.5, Some(difference(-0.5, Some(1e-5))));
    let said = answer(&study);
    assert_eq!(
        said[1],
        "Too short to tell: after 100 steps the loss of baseline is 2.5000, and the 2-gram baseline is 2.4000. Nothing is \
         called better or worse."
    );
    assert!(
        said[2].starts_with("What would tell: about `--steps ") && said[2].contains("curve"),
        "{said:?}"
    );
    let all = said.join(" ");
    for word in ["Better:", "Worse:", "significant"] {
        assert!(!all.contains(word), "{word}: {all}");
    }
    let text = short_table(&study).text(80);
    assert!(!text.contains("CI") && text.contains("-0.5000"), "{text}");
    assert_eq!(
        compared(&study, &study.arms[1]).unwrap(),
        "It is 0.5000 below the baseline, which has not learned enough to tell."
    );
    study.command = ["gptlab", "ablate", "--switches", "seed"]
        .map(String::from)
        .to_vec();
    assert!(answer(&study)[2].contains("without `--switches seed`"));
}

#[test]
fn a_skill_that_has_not_appeared_concludes_nothing() {
    let (_root, mut study) = study();
    study.skill = Some(SkillBaselines {
        ngram: 3.0,
        ideal: 0.0,
    });
    let skill = |study: &mut Study, arm: usize, loss: f64| {
        let row = study.arms[arm].row.as_mut().unwrap();
        row.outcomes
            .iter_mut()
            .for_each(|o| o.skill_loss = Some(loss));
    };
    skill(&mut study, 0, 2.0);
    skill(&mut study, 1, 2.9);
    concluded(&mut study, 2.11, Some(difference(0.5, Some(1e-5))));
    let said = answer(&study).join("\n");
    assert!(
        said.contains("baseline has not learned the skill"),
        "{said}"
    );
    assert!(
        said.contains("`--steps 400`") && !said.contains("Worse"),
        "{said}"
    );
    skill(&mut study, 0, 0.1);
    concluded(&mut study, 2.11, Some(difference(0.5, Some(1e-5))));
    let said = answer(&study).join("\n");
    assert!(said.contains("Worse: residual (+0.5000)."), "{said}");
    let has = "With the skill: baseline (0.1000). Without it: residual (2.9000).";
    assert!(said.contains(has), "{said}");
}

#[test]
fn a_prediction_gets_a_verdict() {
    let (_root, mut study) = study();
    for (range, expected, verdict) in [
        (
            ExpectedDifference::worse(0.4),
            "worse by 0.4 or more",
            "held",
        ),
        (ExpectedDifference::better(), "better", "did not hold"),
        (
            ExpectedDifference::between(0.0, 0.5),
            "worse by up to 0.5",
            "cannot be told",
        ),
    ] {
        study.arms[1].variant.expected = Some(range);
        concluded(&mut study, 2.11, Some(difference(0.5, Some(1e-5))));
        let csv = predictions(&study).csv();
        let line = csv.lines().nth(2).unwrap();
        assert!(line.contains(&format!(",{expected},{verdict},")), "{csv}");
        let said = answer(&study);
        let last = format!("Predictions: {verdict}: residual ({expected}).");
        assert_eq!(said.last(), Some(&last));
    }
}

#[test]
fn expectations_are_phrases() {
    let said = |low, high| expected(ExpectedDifference { low, high });
    assert_eq!(said(Some(0.0), None), "worse");
    assert_eq!(said(None, Some(-0.5)), "better by 0.5 or more");
    assert_eq!(said(Some(-0.02), Some(0.02)), "within 0.02 of the baseline");
    assert_eq!(said(Some(0.01), Some(0.5)), "worse by 0.01 to 0.5");
    assert_eq!(said(Some(-0.1), Some(0.01)), "from -0.1000 to +0.0100");
    assert_eq!(said(None, None), "nothing in particular");
}

/// Nine numbers of four digits beside the longest names.
#[test]
fn what_a_terminal_shows_fits_eighty_columns() {
    let (_root, mut study) = study();
    study.arms[1].variant.name = "RMSNorm for RMSNorm without gain".into();
    study.arms[1].row.as_mut().unwrap().variant = study.arms[1].variant.name.clone();
    for arm in &mut study.arms {
        let row = arm.row.as_mut().unwrap();
        row.outcomes
            .iter_mut()
            .for_each(|o| o.skill_loss = Some(12.345_678));
    }
    concluded(&mut study, 2.11, Some(difference(-10.5, Some(1e-5))));
    let text = story(&study, None, 80);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

#[test]
fn curves_hold_every_step_and_the_end() {
    let (_root, study) = study();
    let csv = curves(&study).csv();
    assert_eq!(csv.lines().count(), 1 + 4 * 11);
    assert!(csv.contains("residual,1,100,,,2.72,\n"), "{csv}");
}
