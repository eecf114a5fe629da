use super::*;
use crate::{CorrectedDifference, DataRecord, GridKind};

fn variant(name: &str, expected: Option<ExpectedDifference>) -> Variant {
    Variant {
        name: name.into(),
        title: String::new(),
        purpose: String::new(),
        prediction: String::new(),
        source: String::new(),
        listing: String::new(),
        parameters: 1_000,
        settings: Vec::new(),
        experiment: None,
        expected,
        published: None,
    }
}

fn grid(names: &[&str]) -> Grid {
    let expected = Some(ExpectedDifference::worse(0.1));
    Grid {
        format: Grid::FORMAT,
        program: "gptlab 0.1.0".into(),
        command: Vec::new(),
        kind: GridKind::Ablation,
        data: DataRecord {
            source: "a text".into(),
            origin: gptlab_recipe::TextOrigin::Other("a text".into()),
            fingerprint: "00".into(),
            bytes: None,
            val_fraction: 0.1,
            train_tokens: 10_000,
            val_tokens: 1_000,
        },
        steps: 100,
        seeds: vec![0, 1, 2],
        variants: names.iter().map(|name| variant(name, expected)).collect(),
        cells: Vec::new(),
        tuned: None,
    }
}

fn row(name: &str, loss: Option<f64>, difference: Option<PairedDifference>) -> Row {
    let outcome = |seed| CellOutcome {
        seed,
        diverged_at: loss.is_none().then_some(7),
        val_loss: loss,
        train_loss: loss.map(|loss| loss - 0.2),
        grad_norm: None,
        skill_loss: None,
        sample: None,
    };
    Row {
        variant: name.into(),
        outcomes: (0..3).map(outcome).collect(),
        mean: loss,
        deviation: loss.map(|_| 0.01),
        difference,
    }
}

fn difference(mean: f64, p: f64) -> PairedDifference {
    PairedDifference {
        mean,
        deviation: Some(0.01),
        low: Some(mean - 0.05),
        high: Some(mean + 0.05),
        p: Some(p),
        pairs: 3,
        corrected: Some(CorrectedDifference {
            low: Some(mean - 0.08),
            high: Some(mean + 0.08),
            p: Some(p),
            comparisons: 3,
        }),
    }
}

fn floors() -> Floors {
    Floors {
        uniform: 4.0,
        ngrams: vec![3.0, 2.5, 2.0],
        entropy: None,
        ..Floors::default()
    }
}

fn conclude(grid: &Grid, rows: &[Row], skill: Option<SkillBaselines>) -> Conclusion {
    Conclusion::of(
        grid,
        &Evidence {
            rows,
            floors: &floors(),
            skill,
            curves: &[],
            tokens_per_step: Some(200.0),
            least_difference: None,
        },
    )
}

#[test]
fn verdicts_and_predictions_follow_the_corrected_numbers() {
    let names = ["baseline", "far", "close", "unsure", "broken"];
    let rows = [
        row("baseline", Some(2.2), None),
        row("far", Some(2.5), Some(difference(0.3, 0.001))),
        row("close", Some(2.21), Some(difference(0.01, 0.002))),
        row("unsure", Some(2.3), Some(difference(0.1, 0.04))),
        row("broken", None, None),
    ];
    let found = conclude(&grid(&names), &rows, None);
    let told: Vec<(Verdict, Option<PredictionVerdict>)> = found
        .variants
        .iter()
        .map(|v| (v.verdict, v.prediction))
        .collect();
    assert_eq!(
        told,
        [
            (Verdict::Baseline, None),
            (Verdict::Worse, Some(PredictionVerdict::Held)),
            (Verdict::Worse, Some(PredictionVerdict::DidNotHold)),
            (Verdict::Worse, Some(PredictionVerdict::CannotBeTold)),
            // It diverged with every seed, which is worse than any number.
            (Verdict::NoLoss, Some(PredictionVerdict::Held)),
        ]
    );
    assert_eq!((found.comparisons, found.noise), (3, Some(0.01)));
    let regime = found.regime.expect("a regime");
    assert_eq!((regime.passes, regime.tokens_per_parameter), (2.0, 20.0));
    assert_eq!(regime.fit, FitRegime::UnderTrained, "after 2 passes");
    let mut long = grid(&names);
    long.steps *= 4;
    let regime = conclude(&long, &rows, None).regime.expect("a regime");
    assert_eq!(regime.fit, FitRegime::OverFitting, "0.2 nats after 8");
}

/// 0.03 is significant alone, and not as the least of three.
#[test]
fn one_of_many_is_not_significant_alone() {
    let names = ["baseline", "a", "b", "c"];
    let mut rows = vec![row("baseline", Some(2.2), None)];
    for (name, p) in [("a", 0.03), ("b", 0.5), ("c", 0.9)] {
        rows.push(row(name, Some(2.3), Some(difference(0.1, p))));
    }
    let found = conclude(&grid(&names), &rows, None);
    assert_eq!(found.verdict("a").unwrap().verdict, Verdict::NotSignificant);
    let alone = conclude(&grid(&names[..2]), &rows[..2], None);
    assert_eq!(alone.verdict("a").unwrap().verdict, Verdict::Worse);
}

#[test]
fn nothing_is_told_where_the_baseline_has_not_learnt() {
    let names = ["baseline", "a"];
    let rows = [
        row("baseline", Some(2.6), None),
        row("a", Some(2.5), Some(difference(-0.1, 1e-6))),
    ];
    let found = conclude(&grid(&names), &rows, None);
    let standing = found.baselines[0].standing;
    let expected = Standing::AboveBigram {
        loss: 2.6,
        bigram: 2.5,
        steps: None,
    };
    assert_eq!((standing, found.stands()), (expected, false));
    let verdict = found.verdict("a").unwrap();
    assert_eq!(verdict.verdict, Verdict::TooShort);
    assert_eq!(verdict.prediction, Some(PredictionVerdict::CannotBeTold));
    let diverged = [row("baseline", None, None)];
    let found = conclude(&grid(&names[..1]), &diverged, None);
    assert_eq!(found.baselines[0].standing, Standing::NoLoss);
}

#[test]
fn a_skill_is_there_near_the_ideal() {
    let skill = SkillBaselines {
        ngram: 3.0,
        ideal: 0.5,
    };
    let with = |loss: f64| {
        let mut row = row("baseline", Some(1.0), None);
        row.outcomes
            .iter_mut()
            .for_each(|o| o.skill_loss = Some(loss));
        conclude(&grid(&["baseline"]), &[row], Some(skill)).stands()
    };
    assert!(with(0.74) && !with(0.76), "a tenth of the way is 0.75");
}

#[test]
fn a_curve_is_extrapolated_in_the_logarithm_of_the_step() {
    // 4 - 0.2 ln(step) is 2.6 at e^7 = 1,097 steps; the margin makes them 1,645.
    let at = |step: u64| (step, 4.0 - 0.2 * (step as f64).ln());
    let curve: Vec<(u64, f64)> = (1..=20).map(|i| at(10 * i)).collect();
    assert_eq!(steps_to_reach(&curve, 2.6), Some(1_700));
    assert_eq!(steps_to_reach(&curve, 1.0), None, "too far to be told");
    assert_eq!(
        steps_to_reach(&[(9, 3.0), (10, 3.1)], 2.6),
        None,
        "it rises"
    );
    for few in [&[][..], &[(0, 3.0)][..]] {
        assert_eq!(steps_to_reach(few, 2.6), None);
    }
}

/// Words are no numbers: two points that differ in a word are told apart by their names.
#[test]
fn a_variant_is_compared_with_the_baseline_at_its_point() {
    let names = [
        "baseline position=rotary",
        "no MLP position=rotary",
        "baseline position=none",
        "no MLP position=none",
    ];
    let grid = grid(&names);
    let base = |name: &str| grid.baseline_of(name).map(|v| v.name.as_str());
    assert_eq!(base(names[1]), Some(names[0]));
    assert_eq!(base(names[3]), Some(names[2]));
    assert_eq!((base(names[2]), base("nothing")), (None, Some(names[0])));
    assert_eq!(grid.point_of(names[3]), Some("position=none"));
}

#[test]
fn what_is_concluded_comes_back_from_a_file() {
    let rows = [row("baseline", Some(2.6), None)];
    let found = conclude(&grid(&["baseline"]), &rows, None);
    let text = crate::canonical(&found).unwrap();
    let back: Conclusion = serde_json::from_str(&text).unwrap();
    assert_eq!(back, found);
    let standing = crate::canonical(&Standing::NoLoss).unwrap();
    assert_eq!(standing, r#""no-loss""#);
}
