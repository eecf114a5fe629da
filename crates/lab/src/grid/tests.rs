use gptlab_data::Text;
use gptlab_model::Preset;
use gptlab_recipe::TextOrigin;
use gptlab_recipe::{Overrides, Settings};
use gptlab_record::{CellOutcome, Floors, Grid, GridKind, Standing, Verdict};

use super::*;
use crate::switches::{self, Switch};

fn text() -> Text {
    let text = "the cat sat on the mat; ".repeat(40);
    Text::from_bytes(text.into_bytes(), TextOrigin::Other("cats".into())).expect("a text")
}

fn settings() -> Settings {
    let mut settings = Settings::of(Preset::Gpt2Mini, Some(10));
    settings.spec.block_size = 16;
    settings
}

fn at_rates(rates: &[f64]) -> Vec<Point> {
    let point = |lr: &f64| {
        let mut settings = settings();
        settings.hyper.lr = *lr;
        Point {
            name: format!("lr={lr}"),
            settings,
            values: vec![("lr".into(), *lr)],
        }
    };
    rates.iter().map(point).collect()
}

fn planned() -> Planned {
    let chosen = ["mlp", "muon"].map(|name| Switch::find(name).expect("a switch"));
    let plan = ablation(
        &at_rates(&[0.1, 0.2]),
        &chosen,
        &[4, 5],
        &text(),
        &["gptlab".into()],
    );
    plan.expect("a plan").0
}

#[test]
fn a_plan_is_every_variant_at_every_point_seed_by_seed() {
    let Planned { grid, cells } = planned();
    let names: Vec<&str> = grid.variants.iter().map(|v| v.name.as_str()).collect();
    let expected = [
        "baseline lr=0.1",
        "no MLP lr=0.1",
        "Muon for AdamW lr=0.1",
        "baseline lr=0.2",
        "no MLP lr=0.2",
        "Muon for AdamW lr=0.2",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        (grid.kind, grid.cells.len(), cells.len()),
        (GridKind::Ablation, 12, 12)
    );
    for (cell, settings) in grid.cells.iter().zip(&cells) {
        assert_eq!(cell.seed, settings.seed);
        // Muon's best rate is two and a half times AdamW's.
        let muon = cell.variant.starts_with("Muon");
        let rate = settings.hyper.lr / if muon { 2.5 } else { 1.0 };
        let expected = if cell.variant.contains("lr=0.2") {
            0.2
        } else {
            0.1
        };
        assert!((rate - expected).abs() < 1e-12, "{}", cell.variant);
    }
    assert_eq!(grid.cells[1].folder, "runs/no-mlp_lr=0.1-s4");
    assert_eq!(grid.cells[6].folder, "runs/baseline_lr=0.1-s5");
    assert!(grid.variants[1].parameters < grid.variants[0].parameters);
    assert!(!grid.variants[1].listing.contains("mlp"));
}

#[test]
fn what_changes_nothing_or_cannot_be_is_skipped_with_a_reason() {
    let mut base = at_rates(&[0.1]);
    base[0].settings.spec.n_embd = 12;
    for layer in base[0].settings.spec.layers.iter_mut().flatten() {
        if let gptlab_model::Sublayer::Attention(attention) = layer {
            (attention.heads, attention.kv_heads) = (4, 4);
        }
    }
    base[0].settings.hyper.grad_clip = None;
    let chosen = ["clip", "position-rotary"].map(|name| Switch::find(name).expect("a switch"));
    let (plan, skipped) = ablation(&base, &chosen, &[0], &text(), &[]).expect("a plan");
    assert_eq!(plan.grid.variants.len(), 1);
    assert_eq!(skipped[0].why, "the baseline is like that already");
    assert!(
        skipped[1].why.starts_with("rotary positions turn pairs"),
        "{}",
        skipped[1].why
    );
}

/// The expected numbers are computed by hand: differences are taken per seed from the baseline at
/// the same point, and runs that diverged are left out.
#[test]
fn results_pair_seeds_at_the_same_point() {
    let Planned { grid, .. } = planned();
    // Seed 4 comes first, in the order of the variants, then seed 5, whose last two have not ended.
    let losses = [1.0, 1.5, 2.0, 3.0, 3.25, 4.0, 2.0, 2.75];
    let mut outcomes: Vec<Option<CellOutcome>> = losses
        .iter()
        .zip(&grid.cells)
        .map(|(loss, cell)| Some(outcome(cell.seed, Some(*loss))))
        .collect();
    outcomes.push(Some(outcome(5, None)));
    outcomes.resize(12, None);
    let results = results(&grid, &outcomes, GridFacts::default());
    let row = |name: &str| {
        results
            .rows
            .iter()
            .find(|r| r.variant == name)
            .expect("a row")
    };
    assert_eq!(row("baseline lr=0.1").difference, None);
    assert_eq!(row("baseline lr=0.1").mean, Some(1.5));
    let mlp = row("no MLP lr=0.1").difference.expect("two pairs");
    assert_eq!((mlp.mean, mlp.pairs), (0.625, 2));
    let muon = row("Muon for AdamW lr=0.1");
    assert_eq!(muon.outcomes[1].diverged_at, Some(3));
    assert_eq!(
        muon.difference.map(|d| (d.mean, d.pairs, d.p)),
        Some((1.0, 1, None))
    );
    let other = row("no MLP lr=0.2").difference.expect("one pair");
    assert_eq!((other.mean, other.pairs), (0.25, 1));
}

fn outcome(seed: u64, loss: Option<f64>) -> CellOutcome {
    CellOutcome {
        seed,
        diverged_at: loss.is_none().then_some(3),
        val_loss: loss,
        train_loss: None,
        grad_norm: None,
        skill_loss: None,
        sample: None,
    }
}

#[test]
fn a_sweep_compares_with_nothing_and_knows_sizes() {
    let plan = sweep(&at_rates(&[0.1, 0.2]), &[0], &text(), &[]).expect("a plan");
    let last = &plan.grid.variants[1];
    assert_eq!(
        last.settings[1],
        ("parameters".into(), last.parameters as f64)
    );
    let outcomes = vec![None; 2];
    assert!(
        results(&plan.grid, &outcomes, GridFacts::default())
            .rows
            .is_empty()
    );
    let ended = [2.0, 1.5].map(|loss| Some(outcome(0, Some(loss))));
    let rows = results(&plan.grid, &ended, GridFacts::default()).rows;
    assert_eq!(rows.len(), 2);
    assert!(rows.iter().all(|row| row.difference.is_none()));
    assert!(
        switches::ALL
            .iter()
            .all(|s| s.name != plan.grid.variants[0].name)
    );
}

fn refused<T: std::fmt::Debug>(found: Result<T, GridError>) -> String {
    found.unwrap_err().to_string()
}

#[test]
fn axes_are_crossed_and_name_their_points_as_they_were_typed() {
    let axes = ["lr=1e-3, 0.003", "--grad_clip=0,1"].map(|typed| GridAxis::parse(typed).unwrap());
    let crossed = points(&settings(), &axes).expect("points");
    let names: Vec<&str> = crossed.iter().map(|p| p.name.as_str()).collect();
    let expected = [
        "lr=1e-3 grad_clip=0",
        "lr=1e-3 grad_clip=1",
        "lr=0.003 grad_clip=0",
        "lr=0.003 grad_clip=1",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        crossed[2].values,
        [("lr".into(), 0.003), ("grad_clip".into(), 0.0)]
    );
    assert_eq!(crossed[2].settings.hyper.grad_clip, None);
    let words = GridAxis::new("position", &["rotary", "alibi"]).unwrap();
    let points = points(&settings(), &[words]).expect("points");
    assert!(points[1].values.is_empty(), "a word is no number");
}

#[test]
fn an_axis_that_cannot_be_is_a_sentence() {
    assert_eq!(
        refused(GridAxis::parse("lr")),
        "lr: an axis is a setting and its values, as in lr=1e-4,3e-4"
    );
    assert_eq!(
        refused(GridAxis::parse("lr=1,")),
        "lr=1,: an axis is a setting and its values, as in lr=1e-4,3e-4"
    );
    assert_eq!(
        refused(GridAxis::parse("n_layr=1,2")),
        "n_layr=1,2: there is no setting called `n_layr`; did you mean `n-layer`?"
    );
    let twins = [GridAxis::parse("lr=1e-3,0.001").unwrap()];
    assert_eq!(
        refused(points(&settings(), &twins)),
        "lr=1e-3,0.001: lr=1e-3 and lr=0.001 are the same run"
    );
    let beta = [GridAxis::parse("beta1=2").unwrap()];
    assert_eq!(
        refused(points(&settings(), &beta)),
        "beta1=2: beta1 must be at least 0 and below 1, found 2"
    );
}

/// Requested settings hold in every size, as if they had been typed after the size.
#[test]
fn sizes_are_named_and_leave_what_is_asked_for() {
    let sizes = Size::named("mini, tiny").expect("sizes");
    let requested = Overrides {
        mlp_hidden: Some(100),
        preset: Some(Preset::Modern),
        ..Overrides::default()
    };
    let base = GridRecipe::Quick
        .base(&requested, &text())
        .expect("settings");
    let axes = [GridAxis::learning_rates()];
    let points = sized_points(&base, &requested, &sizes, &axes).expect("points");
    assert_eq!(points.len(), 6);
    assert_eq!(points[3].name, "tiny lr=3e-4");
    let spec = &points[3].settings.spec;
    assert_eq!(
        (spec.n_embd, spec.layers.len(), spec.block_size),
        (96, 3, 64)
    );
    let requested = Overrides::of(&points[3].settings);
    assert_eq!(
        (requested.n_kv_head, requested.mlp_hidden),
        (Some(3), Some(100))
    );
    assert_eq!(
        refused(Size::named(" ,")),
        "the list of sizes names no size"
    );
    assert_eq!(
        refused(Size::named("huge")),
        "there is no size called \"huge\"; there are tiny, mini, small, medium, large, and `all`"
    );
}

#[test]
fn a_recipe_is_beneath_what_is_asked_for() {
    let requested = Overrides {
        steps: Some(40),
        lr: Some(1e-5),
        ..Overrides::default()
    };
    let base = GridRecipe::Quick
        .base(&requested, &text())
        .expect("settings");
    assert_eq!((base.hyper.steps, base.hyper.batch_size), (40, 32));
    assert_eq!((base.hyper.lr, base.hyper.min_lr), (1e-5, 0.0));
    let intervals = &base.intervals;
    assert_eq!((intervals.log.get(), intervals.val_tokens), (2, 1 << 15));
    assert_eq!(intervals.checkpoint.map(u64::from), Some(10));
    assert!(
        intervals.checkpoint_seconds.is_some(),
        "the clock saves too"
    );
    let seed = GridRecipe::ANCESTOR
        .base(&Overrides::default(), &text())
        .expect("settings");
    assert_eq!((seed.hyper.steps, seed.spec.block_size), (30, 256));
}

#[test]
fn seeds_follow_the_first() {
    assert_eq!(seeds(4, 3), Ok(vec![4, 5, 6]));
    assert_eq!(
        refused(seeds(0, 0)),
        "seeds must be from 1 to 1000, found 0"
    );
    assert_eq!(
        refused(seeds(u64::MAX, 2)),
        "seed must be at most 18446744073709551614 with 2 seeds, found 18446744073709551615"
    );
}

fn ended(grid: &Grid, loss: impl Fn(&str, u64) -> Option<f64>) -> Vec<Option<CellOutcome>> {
    let outcome = |cell: &gptlab_record::Cell| {
        let val_loss = loss(&cell.variant, cell.seed);
        Some(CellOutcome {
            seed: cell.seed,
            diverged_at: val_loss.is_none().then_some(3),
            val_loss,
            train_loss: val_loss,
            grad_norm: None,
            skill_loss: None,
            sample: None,
        })
    };
    grid.cells.iter().map(outcome).collect()
}

/// By hand: each variant is compared at the shared rate and at the best of its own, and both
/// families are corrected for themselves.
#[test]
fn a_tuned_grid_compares_each_at_its_best() {
    let base = settings();
    let (axis, tuned) = GridAxis::tuning("lr", &base).expect("rates");
    assert_eq!(axis.to_string(), "lr=0.000075,0.00015,0.0003,0.0006");
    assert_eq!(tuned.shared, "lr=0.0003");
    let chosen = ["mlp", "attention"].map(|name| Switch::find(name).expect("a switch"));
    let points = points(&base, &[axis]).expect("points");
    let (plan, _) = ablation(&points, &chosen, &[0, 1, 2], &text(), &[]).expect("a plan");
    let grid = plan.tuned(tuned).grid;
    let outcomes = ended(&grid, |variant, seed| {
        let noise = [0.0, 0.01, 0.02][seed as usize];
        let own = match variant {
            "baseline lr=0.0006" => 1.9,
            "no MLP lr=0.00015" => 1.91 + noise,
            "no attention lr=0.00015" => 2.2 + 2.0 * noise,
            // The lowest number is no best rate where a seed diverges.
            "no attention lr=0.0006" => return (seed > 0).then_some(1.0),
            _ if variant.starts_with("baseline") => 2.0,
            _ => 2.5 + noise,
        };
        Some(own + noise)
    });
    let facts = GridFacts {
        floors: Floors {
            ngrams: vec![3.0, 2.4],
            ..Floors::default()
        },
        ..GridFacts::default()
    };
    let found = results(&grid, &outcomes, facts);
    let conclusion = found.conclusion.as_ref().expect("a conclusion");
    assert!(
        conclusion
            .baselines
            .iter()
            .all(|b| b.standing == Standing::Stands)
    );
    assert_eq!(conclusion.comparisons, 2);
    let shared = |name: &str| {
        let row = found.rows.iter().find(|row| row.variant == name);
        row.and_then(|row| row.difference).expect("a difference")
    };
    let corrected = shared("no MLP lr=0.0003").corrected.expect("a correction");
    assert_eq!(corrected.comparisons, 2);
    assert_eq!(shared("no MLP lr=0.0006").corrected, None, "not compared");
    let told: Vec<(&str, &str, f64, bool, Verdict)> = found
        .tuned
        .iter()
        .map(|t| {
            (
                t.variant.as_str(),
                t.best.as_str(),
                t.value,
                t.at_edge,
                t.verdict,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "baseline",
                "baseline lr=0.0006",
                6e-4,
                true,
                Verdict::Baseline
            ),
            (
                "no MLP",
                "no MLP lr=0.00015",
                1.5e-4,
                false,
                Verdict::NotSignificant
            ),
            (
                "no attention",
                "no attention lr=0.00015",
                1.5e-4,
                false,
                Verdict::Worse
            ),
        ]
    );
    let mean = found.tuned[1].difference.expect("a difference").mean;
    assert!((mean - 0.02).abs() < 1e-12, "{mean}");
    assert_eq!(
        refused(GridAxis::tuning("beta1", &base)),
        "an ablation can tune the learning rate, `lr`, found `beta1`; `--grid beta1=A,B` repeats it at several values"
    );
}
