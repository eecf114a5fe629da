//! The results of a grid as one table, and the conclusion that they allow.

use gptlab_record::{
    CellOutcome, Conclusion, Evidence, Floors, Grid, GridKind, PairedDifference, Results, Row,
    SkillBaselines, Standing, TunedRow, TunedSetting, Variant, Verdict, family_rows,
};

use crate::{published, statistics};

/// What the outcomes of a grid are judged by, besides its plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GridFacts {
    /// The n-gram baselines, over the same predictions as the outcomes' losses.
    pub floors: Floors,
    /// The same on the tokens that need the skill of a diagnostic text.
    pub skill: Option<SkillBaselines>,
    /// The mean validation loss of each baseline's seeds by step, in the order of the baselines.
    pub curves: Vec<Vec<(u64, f64)>>,
    /// The number of tokens that a step trains on.
    pub tokens_per_step: Option<f64>,
    /// The n-gram baselines that published results are compared with, by variant.
    pub published_baselines: Vec<(String, f64)>,
}

/// Makes one row per variant of `grid`, and draws the conclusion. `outcomes` are in the order of
/// its cells; `None` marks a cell that has not ended.
pub fn results(grid: &Grid, outcomes: &[Option<CellOutcome>], facts: GridFacts) -> Results {
    let mut rows: Vec<Row> = grid
        .variants
        .iter()
        .map(|variant| row(grid, variant, outcomes))
        .filter(|row| !row.outcomes.is_empty())
        .collect();
    correct_rows(grid, &mut rows);
    let tested: Vec<PairedDifference> = family_rows(grid, &rows)
        .filter_map(|row| row.difference)
        .collect();
    let evidence = Evidence {
        rows: &rows,
        floors: &facts.floors,
        skill: facts.skill,
        curves: &facts.curves,
        tokens_per_step: facts.tokens_per_step,
        least_difference: statistics::least_difference(&tested),
    };
    let conclusion = match grid.kind {
        GridKind::Ablation => Some(Conclusion::of(grid, &evidence)),
        GridKind::Sweep | GridKind::Published => None,
    };
    let tuned = match (&grid.tuned, &conclusion) {
        (Some(tuned), Some(conclusion)) => tuned_rows(grid, tuned, &rows, conclusion),
        _ => Vec::new(),
    };
    let published = grid.variants.iter().filter_map(|variant| {
        let mut baselines = facts.published_baselines.iter();
        let ngram = baselines.find(|(name, _)| *name == variant.name);
        let own = of(grid, variant, outcomes);
        published::compare(variant, ngram.map(|(_, loss)| *loss), &own)
    });
    Results {
        format: Results::FORMAT,
        published: published.collect(),
        conclusion,
        floors: facts.floors,
        skill: facts.skill,
        rows,
        tuned,
    }
}

fn correct_rows(grid: &Grid, rows: &mut [Row]) {
    let family: Vec<String> = family_rows(grid, rows)
        .map(|row| row.variant.clone())
        .collect();
    let mut differences: Vec<&mut PairedDifference> = rows
        .iter_mut()
        .filter(|row| family.contains(&row.variant))
        .filter_map(|row| row.difference.as_mut())
        .collect();
    statistics::correct(&mut differences);
}

fn row(grid: &Grid, variant: &Variant, outcomes: &[Option<CellOutcome>]) -> Row {
    let own = of(grid, variant, outcomes);
    let losses: Vec<f64> = own.iter().filter_map(CellOutcome::finite_loss).collect();
    let base = grid.baseline_of(&variant.name);
    Row {
        variant: variant.name.clone(),
        mean: statistics::mean(&losses),
        deviation: statistics::deviation(&losses),
        difference: base.and_then(|base| difference(&of(grid, base, outcomes), &own)),
        outcomes: own,
    }
}

fn of(grid: &Grid, variant: &Variant, outcomes: &[Option<CellOutcome>]) -> Vec<CellOutcome> {
    let cells = grid.cells.iter().zip(outcomes);
    let own = cells.filter(|(cell, _)| cell.variant == variant.name);
    own.filter_map(|(_, outcome)| outcome.clone()).collect()
}

/// Compares the runs of equal seeds that both have a finite loss.
fn difference(base: &[CellOutcome], own: &[CellOutcome]) -> Option<PairedDifference> {
    let pair = |outcome: &CellOutcome| {
        let twin = base.iter().find(|b| b.seed == outcome.seed)?;
        Some((twin.finite_loss()?, outcome.finite_loss()?))
    };
    let pairs: Vec<(f64, f64)> = own.iter().filter_map(pair).collect();
    statistics::paired(&pairs)
}

/// Makes one row per variant at its best value of the setting that is tuned, the baseline first.
fn tuned_rows(
    grid: &Grid,
    tuned: &TunedSetting,
    rows: &[Row],
    conclusion: &Conclusion,
) -> Vec<TunedRow> {
    let mut found: Vec<TunedRow> = Vec::new();
    for row in rows {
        let name = plain_name(grid, &row.variant);
        if found.iter().all(|other| other.variant != name) {
            found.extend(best(grid, tuned, rows, name));
        }
    }
    let row_of = |best: &TunedRow| rows.iter().find(|row| row.variant == best.best);
    let Some(base) = found.first().and_then(row_of) else {
        return Vec::new();
    };
    for own in found.iter_mut().skip(1) {
        let outcomes = row_of(own).map(|row| &row.outcomes);
        own.difference = outcomes.and_then(|own| difference(&base.outcomes, own));
    }
    let mut differences: Vec<&mut PairedDifference> = found
        .iter_mut()
        .filter_map(|row| row.difference.as_mut())
        .collect();
    statistics::correct(&mut differences);
    let named = |b: &&gptlab_record::BaselineStanding| b.variant == base.variant;
    let standing = conclusion.baselines.iter().find(named).map(|b| b.standing);
    for own in found.iter_mut().skip(1) {
        own.verdict = match standing {
            Some(Standing::Stands) => Verdict::of(own.difference),
            Some(_) | None => Verdict::TooShort,
        };
    }
    found
}

/// Returns the name of a variant without its point.
fn plain_name<'a>(grid: &Grid, variant: &'a str) -> &'a str {
    let point = grid.point_of(variant).unwrap_or_default();
    variant.strip_suffix(point).unwrap_or(variant).trim_end()
}

/// Finds the row of `name` with the lowest mean loss among those with the fewest diverged runs.
fn best(grid: &Grid, tuned: &TunedSetting, rows: &[Row], name: &str) -> Option<TunedRow> {
    let values = || {
        let settings = grid.variants.iter().flat_map(|variant| &variant.settings);
        let own = settings.filter(|(setting, _)| *setting == tuned.setting);
        own.map(|(_, value)| *value)
    };
    let lost = |row: &Row| {
        row.outcomes
            .iter()
            .filter(|o| o.finite_loss().is_none())
            .count()
    };
    let own = rows
        .iter()
        .filter(|row| plain_name(grid, &row.variant) == name);
    let finite = own.filter(|row| row.mean.is_some_and(f64::is_finite));
    let best = finite.min_by(|a, b| {
        let (x, y) = (a.mean.unwrap_or(f64::NAN), b.mean.unwrap_or(f64::NAN));
        lost(a).cmp(&lost(b)).then(x.total_cmp(&y))
    })?;
    let variant = grid.variants.iter().find(|v| v.name == best.variant)?;
    let mut settings = variant.settings.iter();
    let value = settings.find(|(setting, _)| *setting == tuned.setting)?.1;
    let is_least = values().all(|other| value <= other);
    let is_greatest = values().all(|other| value >= other);
    Some(TunedRow {
        variant: name.to_owned(),
        best: best.variant.clone(),
        value,
        at_edge: is_least || is_greatest,
        mean: best.mean?,
        difference: None,
        verdict: Verdict::Baseline,
    })
}
