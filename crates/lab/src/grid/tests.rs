use gptlab_data::Text;
use gptlab_model::Preset;
use gptlab_recipe::TextOrigin;
use gptlab_record::{CellOutcome, Floors, GridKind};
use gptlab_train::Settings;

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

fn points(rates: &[f64]) -> Vec<Point> {
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
        &points(&[0.1, 0.2]),
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
        "mlp lr=0.1",
        "muon lr=0.1",
        "baseline lr=0.2",
        "mlp lr=0.2",
        "muon lr=0.2",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        (grid.kind, grid.cells.len(), cells.len()),
        (GridKind::Ablation, 12, 12)
    );
    for (cell, settings) in grid.cells.iter().zip(&cells) {
        assert_eq!(cell.seed, settings.seed);
        assert_eq!(cell.variant.contains("lr=0.2"), settings.hyper.lr == 0.2);
    }
    assert_eq!(grid.cells[1].folder, "runs/mlp_lr=0.1-s4");
    assert_eq!(grid.cells[6].folder, "runs/baseline_lr=0.1-s5");
    assert!(grid.variants[1].parameters < grid.variants[0].parameters);
    assert!(!grid.variants[1].listing.contains("mlp"));
}

#[test]
fn what_changes_nothing_or_cannot_be_is_skipped_with_a_reason() {
    let mut base = points(&[0.1]);
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

/// By hand: differences are taken seed by seed from the baseline at the same point, and whoever
/// diverged is left out.
#[test]
fn results_pair_seeds_at_the_same_point() {
    let Planned { grid, .. } = planned();
    let outcome = |seed: u64, loss: Option<f64>| CellOutcome {
        seed,
        diverged_at: loss.is_none().then_some(3),
        val_loss: loss,
        train_loss: None,
        grad_norm: None,
        skill_loss: None,
        sample: None,
    };
    // Seed 4 in the order of the variants, then seed 5, of which the last two have not ended.
    let losses = [1.0, 1.5, 2.0, 3.0, 3.25, 4.0, 2.0, 2.75];
    let mut outcomes: Vec<Option<CellOutcome>> = losses
        .iter()
        .zip(&grid.cells)
        .map(|(loss, cell)| Some(outcome(cell.seed, Some(*loss))))
        .collect();
    outcomes.push(Some(outcome(5, None)));
    outcomes.resize(12, None);
    let results = results(&grid, &outcomes, Floors::default());
    let row = |name: &str| {
        results
            .rows
            .iter()
            .find(|r| r.variant == name)
            .expect("a row")
    };
    assert_eq!(row("baseline lr=0.1").difference, None);
    assert_eq!(row("baseline lr=0.1").mean, Some(1.5));
    let mlp = row("mlp lr=0.1").difference.expect("two pairs");
    assert_eq!((mlp.mean, mlp.pairs), (0.625, 2));
    let muon = row("muon lr=0.1");
    assert_eq!(muon.outcomes[1].diverged_at, Some(3));
    assert_eq!(
        muon.difference.map(|d| (d.mean, d.pairs, d.p)),
        Some((1.0, 1, None))
    );
    let other = row("mlp lr=0.2").difference.expect("one pair");
    assert_eq!((other.mean, other.pairs), (0.25, 1));
}

#[test]
fn a_sweep_compares_with_its_first_and_knows_sizes() {
    let plan = sweep(&points(&[0.1, 0.2]), &[0], &text(), &[]).expect("a plan");
    let last = &plan.grid.variants[1];
    assert_eq!(
        last.settings[1],
        ("parameters".into(), last.parameters as f64)
    );
    let outcomes = vec![None; 2];
    assert!(
        results(&plan.grid, &outcomes, Floors::default())
            .rows
            .is_empty()
    );
    assert!(
        switches::ALL
            .iter()
            .all(|s| s.name != plan.grid.variants[0].name)
    );
}
