//! Whether a published result and ours agree.

use gptlab_record::{
    CellOutcome, PublishedBounds, PublishedClaim, PublishedComparison, PublishedQuantity,
    PublishedVerdict, Variant,
};

use crate::statistics;

/// The fewest decimals that a published value is taken to have: a file of numbers does not hold
/// trailing zeros.
const FEWEST_DECIMALS: usize = 2;

/// Compares `outcomes`, our runs of `variant`, with the published result that the variant holds;
/// `None` if it holds none. `ngram` is the measured n-gram baseline, where the result is one.
///
/// The two agree if the published value, with its spread and as far as its last digit tells, meets
/// the 95 % prediction interval of a single run of ours. A published value is one run, or the mean
/// of an unknown number of runs, so that the interval of our mean would be too narrow.
pub fn compare(
    variant: &Variant,
    ngram: Option<f64>,
    outcomes: &[CellOutcome],
) -> Option<PublishedComparison> {
    let claim = variant.published.as_ref()?;
    let losses: Vec<f64> = outcomes
        .iter()
        .filter(|outcome| outcome.diverged_at.is_none())
        .filter_map(|outcome| loss(claim.quantity, outcome))
        .filter(|loss| loss.is_finite())
        .collect();
    let published = match claim.quantity {
        PublishedQuantity::NgramBaseline(_) => ngram,
        PublishedQuantity::ValidationLoss | PublishedQuantity::TrainingLoss => claim.value,
    };
    let bounds = published.and_then(|value| PublishedBounds::around(value, half(claim, value)));
    let interval = statistics::prediction_interval(&losses)
        .map(|(low, high)| PublishedBounds { low, high })
        .filter(|interval| interval.low.is_finite() && interval.high.is_finite());
    let ours = statistics::mean(&losses);
    let whole = losses.len() == outcomes.len();
    Some(PublishedComparison {
        variant: variant.name.clone(),
        quantity: claim.quantity,
        published,
        published_bounds: bounds,
        has_spread: claim.spread.is_some(),
        ours,
        deviation: statistics::deviation(&losses),
        interval,
        difference: ours.zip(published).map(|(ours, theirs)| ours - theirs),
        verdict: match bounds.zip(interval).filter(|_| whole) {
            Some((theirs, ours))
                if theirs.meets(ours) && PublishedComparison::is_too_wide(ours) =>
            {
                PublishedVerdict::CannotBeTold
            }
            Some((theirs, ours)) if theirs.meets(ours) => PublishedVerdict::Agrees,
            Some(_) => PublishedVerdict::Differs,
            None => PublishedVerdict::CannotBeTold,
        },
        source: variant.source.clone(),
    })
}

fn loss(quantity: PublishedQuantity, outcome: &CellOutcome) -> Option<f64> {
    match quantity {
        PublishedQuantity::ValidationLoss | PublishedQuantity::NgramBaseline(_) => outcome.val_loss,
        PublishedQuantity::TrainingLoss => outcome.train_loss,
    }
}

/// Returns how far the published value may be from what is meant by it.
fn half(claim: &PublishedClaim, value: f64) -> f64 {
    match claim.quantity {
        PublishedQuantity::NgramBaseline(_) => claim.within.unwrap_or(0.0),
        PublishedQuantity::ValidationLoss | PublishedQuantity::TrainingLoss => {
            claim.spread.unwrap_or(0.0).max(rounding(value))
        }
    }
}

/// Returns half a unit of the last decimal of a published value.
fn rounding(value: f64) -> f64 {
    let written = value.to_string();
    let decimals = written.split_once('.').map_or(0, |(_, after)| after.len());
    0.5 * 10f64.powi(-(decimals.max(FEWEST_DECIMALS) as i32))
}
