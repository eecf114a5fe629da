//! The results of a grid as one table.

use gptlab_record::{CellOutcome, Floors, Grid, PairedDifference, Results, Row, Variant};

use crate::{statistics, switches::BASELINE};

/// Makes one row per variant of `grid`. `outcomes` are in the order of its cells; `None` marks a
/// cell that has not ended.
pub fn results(grid: &Grid, outcomes: &[Option<CellOutcome>], floors: Floors) -> Results {
    let rows: Vec<Row> = grid
        .variants
        .iter()
        .map(|variant| row(grid, variant, outcomes))
        .filter(|row| !row.outcomes.is_empty())
        .collect();
    Results {
        format: Results::FORMAT,
        floors,
        rows,
    }
}

fn row(grid: &Grid, variant: &Variant, outcomes: &[Option<CellOutcome>]) -> Row {
    let own = of(grid, variant, outcomes);
    let losses: Vec<f64> = own.iter().filter_map(|o| o.val_loss).collect();
    Row {
        variant: variant.name.clone(),
        mean: statistics::mean(&losses),
        deviation: statistics::deviation(&losses),
        difference: baseline(grid, variant)
            .and_then(|base| difference(&of(grid, base, outcomes), &own)),
        outcomes: own,
    }
}

fn of(grid: &Grid, variant: &Variant, outcomes: &[Option<CellOutcome>]) -> Vec<CellOutcome> {
    let cells = grid.cells.iter().zip(outcomes);
    let own = cells.filter(|(cell, _)| cell.variant == variant.name);
    own.filter_map(|(_, outcome)| outcome.clone()).collect()
}

/// Returns the variant that `variant` is compared with: the baseline at the same point of an
/// ablation, or the first point of a sweep.
fn baseline<'a>(grid: &'a Grid, variant: &Variant) -> Option<&'a Variant> {
    let plain = |v: &&Variant| v.name.split(' ').next() == Some(BASELINE.name);
    let same_point = |v: &&Variant| v.settings == variant.settings;
    let base = grid.variants.iter().filter(plain).find(same_point);
    base.or(grid.variants.first())
        .filter(|base| base.name != variant.name)
}

/// Compares the runs of equal seeds that both have a final loss.
fn difference(base: &[CellOutcome], own: &[CellOutcome]) -> Option<PairedDifference> {
    let pair = |outcome: &CellOutcome| {
        let twin = base.iter().find(|b| b.seed == outcome.seed)?;
        Some((twin.val_loss?, outcome.val_loss?))
    };
    let pairs: Vec<(f64, f64)> = own.iter().filter_map(pair).collect();
    statistics::paired(&pairs)
}
