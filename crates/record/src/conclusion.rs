//! What a grid's numbers allow to conclude, and what they do not.
//!
//! Everything here is a pure function of the plan and of what came out, so that the grid that is
//! written, the page that is drawn and an old record say the same.

use serde::{Deserialize, Serialize};

use crate::{
    CellOutcome, Floors, Grid, PairedDifference, Row, Variant, holm::holm, json::maybe_number,
};

/// A difference is called significant if its corrected p is below this.
pub const SIGNIFICANT: f64 = 0.05;
/// A smaller difference of losses, in nats, is printed as 0.0000 and is called neither better nor
/// worse.
const VISIBLE: f64 = 5e-5;
/// A model has a skill if its loss on the skill's tokens is within this fraction of the way from
/// the ideal predictor's to the best n-gram baseline.
const NEAR_IDEAL: f64 = 0.1;
/// A model that has read its text at least [`MANY_PASSES`] times over-fits if its validation loss
/// exceeds its training loss by at least this many nats.
const OVER_FITTING: f64 = 0.1;
/// After fewer passes the two losses can differ as the two parts of the text do.
const MANY_PASSES: f64 = 5.0;
/// The farthest extrapolation of a number of steps, as a multiple of the steps that were made.
const FARTHEST: f64 = 30.0;
/// How many times as many steps are advised as the extrapolation comes to: a longer run has a
/// higher learning rate, and thus a higher loss, at the same step.
const MARGIN: f64 = 1.5;

/// What a grid concludes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conclusion {
    /// For each baseline, whether differences from it mean anything.
    pub baselines: Vec<BaselineStanding>,
    /// Sample standard deviation of the losses of the baseline's seeds, in nats.
    #[serde(with = "maybe_number", default)]
    pub noise: Option<f64>,
    /// The least difference, in nats, that could have been significant: from the pooled standard
    /// deviation of the paired differences and Student's t.
    #[serde(with = "maybe_number", default)]
    pub least_difference: Option<f64>,
    /// How many comparisons the intervals and p-values are corrected for.
    pub comparisons: usize,
    /// How long the baseline trained, beside its text and size.
    pub regime: Option<Regime>,
    /// The verdicts on the variants, in the order of the rows.
    pub variants: Vec<VariantVerdict>,
}

/// Whether a baseline has learned enough to be compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineStanding {
    /// The variant's name.
    pub variant: String,
    pub standing: Standing,
}

/// Whether differences from a baseline mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Standing {
    /// The differences mean something.
    Stands,
    /// The baseline has not passed the 2-gram baseline, so no model has learned from context yet.
    /// All losses are in nats per token.
    AboveBigram {
        loss: f64,
        bigram: f64,
        /// About how many steps would pass it, extrapolated from the curve.
        steps: Option<u64>,
    },
    /// The baseline does not have the skill that its text requires. Losses are on the tokens that
    /// require the skill, in nats per token.
    NoSkill {
        loss: f64,
        /// The best n-gram baseline.
        ngram: f64,
        /// The ideal predictor's.
        ideal: f64,
    },
    /// No run of the baseline ended with a finite loss.
    NoLoss,
}

/// Losses of predictors without a model on the tokens that need the skill of a diagnostic text, in
/// nats per token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkillBaselines {
    /// The best n-gram baseline.
    pub ngram: f64,
    /// The ideal predictor's, which knows how the text is made.
    pub ideal: f64,
}

impl SkillBaselines {
    /// Returns the highest loss of a model that has the skill.
    pub fn appeared_below(&self) -> f64 {
        self.ideal + NEAR_IDEAL * (self.ngram - self.ideal)
    }
}

/// How long a model trained, beside its text and size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regime {
    /// The number of tokens that were trained on, divided by that of the training split.
    pub passes: f64,
    pub tokens_per_parameter: f64,
    /// The mean of the last steps' batches, in nats per token.
    pub train_loss: f64,
    /// The validation loss, in nats per token.
    pub val_loss: f64,
    pub fit: FitRegime,
}

/// Whether more steps would help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FitRegime {
    /// The text was seen a few times, or the losses are close: more steps would lower both.
    UnderTrained,
    /// The training loss is far below the validation loss, and the text was seen many times.
    OverFitting,
}

/// What is concluded of a variant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VariantVerdict {
    /// The variant's name.
    pub variant: String,
    pub verdict: Verdict,
    /// `None` where no number was expected.
    pub prediction: Option<PredictionVerdict>,
}

/// How a variant compares with its baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It is the baseline.
    Baseline,
    Worse,
    Better,
    /// The difference may be chance.
    NotSignificant,
    /// There are too few pairs of seeds for a test.
    NotTested,
    /// The baseline has not learned enough.
    TooShort,
    /// No pair of runs ended with a finite loss.
    NoLoss,
}

impl Verdict {
    /// Judges a difference from a baseline that has learned enough, by its corrected p.
    pub fn of(difference: Option<PairedDifference>) -> Self {
        let corrected = difference.and_then(|d| d.corrected);
        Self::at(difference, corrected.and_then(|c| c.p))
    }

    /// Judges a difference whose corrected p is `corrected`.
    fn at(difference: Option<PairedDifference>, corrected: Option<f64>) -> Self {
        let Some(difference) = difference.filter(|d| !d.mean.is_nan()) else {
            return Self::NoLoss;
        };
        match corrected {
            None => Self::NotTested,
            Some(p) if p < SIGNIFICANT && difference.mean >= VISIBLE => Self::Worse,
            Some(p) if p < SIGNIFICANT && difference.mean <= -VISIBLE => Self::Better,
            Some(_) => Self::NotSignificant,
        }
    }
}

/// The verdict on an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionVerdict {
    Held,
    DidNotHold,
    CannotBeTold,
}

/// The range in which a difference from the baseline is expected, in nats per token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedDifference {
    /// `None`: there is no lower bound.
    pub low: Option<f64>,
    /// `None`: there is no upper bound.
    pub high: Option<f64>,
}

impl ExpectedDifference {
    /// Worse by `nats` or more.
    pub const fn worse(nats: f64) -> Self {
        Self {
            low: Some(nats),
            high: None,
        }
    }

    /// Better, by however little.
    pub const fn better() -> Self {
        Self::at_most(0.0)
    }

    /// At most `nats`.
    pub const fn at_most(nats: f64) -> Self {
        Self {
            low: None,
            high: Some(nats),
        }
    }

    /// From `low` to `high` nats.
    pub const fn between(low: f64, high: f64) -> Self {
        Self {
            low: Some(low),
            high: Some(high),
        }
    }

    /// Returns whether anything is expected.
    pub const fn is_bounded(&self) -> bool {
        self.low.is_some() || self.high.is_some()
    }

    /// Compares the expectation with an interval of the difference: it held where the whole
    /// interval is inside the range, and did not where the whole interval is outside.
    fn against(&self, low: f64, high: f64) -> PredictionVerdict {
        let (least, most) = (
            self.low.unwrap_or(f64::NEG_INFINITY),
            self.high.unwrap_or(f64::INFINITY),
        );
        if least <= low && high <= most {
            PredictionVerdict::Held
        } else if high < least || most < low {
            PredictionVerdict::DidNotHold
        } else {
            PredictionVerdict::CannotBeTold
        }
    }

    /// A variant that diverged in every run is worse than any number.
    fn against_divergence(&self) -> PredictionVerdict {
        match self.high {
            None => PredictionVerdict::Held,
            Some(_) => PredictionVerdict::DidNotHold,
        }
    }
}

/// What a conclusion is drawn from, besides the plan.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub rows: &'a [Row],
    pub floors: &'a Floors,
    pub skill: Option<SkillBaselines>,
    /// Validation losses of each baseline by step, in the order of the baselines.
    pub curves: &'a [Vec<(u64, f64)>],
    /// Tokens that a step trains on; `None` where that is not known.
    pub tokens_per_step: Option<f64>,
    pub least_difference: Option<f64>,
}

impl Conclusion {
    /// Draws the conclusion of an ablation.
    pub fn of(grid: &Grid, evidence: &Evidence<'_>) -> Self {
        let mut curves = evidence.curves.iter();
        let baselines: Vec<BaselineStanding> = grid
            .baselines()
            .map(|variant| BaselineStanding {
                variant: variant.name.clone(),
                standing: evidence.standing(variant, curves.next().map_or(&[], Vec::as_slice)),
            })
            .collect();
        let main = grid.main_baseline();
        let row = main.and_then(|variant| evidence.row(&variant.name));
        let corrected = holm(&family(grid, evidence.rows));
        let verdicts = evidence.rows.iter().map(|row| {
            let standing = grid.baseline_of(&row.variant).and_then(|baseline| {
                let named = |b: &&BaselineStanding| b.variant == baseline.name;
                baselines.iter().find(named).map(|b| b.standing)
            });
            let position = family_rows(grid, evidence.rows).position(|r| r.variant == row.variant);
            let p = position.and_then(|i| corrected.get(i).copied());
            judged(grid, row, standing, p)
        });
        Self {
            noise: row.and_then(|row| row.deviation),
            least_difference: evidence.least_difference,
            comparisons: corrected.len(),
            regime: main.zip(row).and_then(|(variant, row)| {
                let tokens = evidence.tokens_per_step?;
                regime(grid, variant, row, tokens)
            }),
            variants: verdicts.collect(),
            baselines,
        }
    }

    /// Finds the verdict on the variant of this name.
    pub fn verdict(&self, variant: &str) -> Option<&VariantVerdict> {
        self.variants.iter().find(|v| v.variant == variant)
    }

    /// Returns whether differences from some baseline mean something.
    pub fn stands(&self) -> bool {
        let mut standings = self.baselines.iter();
        standings.any(|b| b.standing == Standing::Stands)
    }
}

impl Evidence<'_> {
    fn row(&self, variant: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.variant == variant)
    }

    fn standing(&self, variant: &Variant, curve: &[(u64, f64)]) -> Standing {
        let row = self.row(&variant.name);
        let finite = |x: &f64| x.is_finite();
        let Some((row, loss)) = row.and_then(|row| Some((row, row.mean.filter(finite)?))) else {
            return Standing::NoLoss;
        };
        let skill = mean(row.outcomes.iter().filter_map(|o| o.skill_loss));
        if let Some((known, loss)) = self.skill.zip(skill.filter(finite)) {
            return if loss <= known.appeared_below() {
                Standing::Stands
            } else {
                Standing::NoSkill {
                    loss,
                    ngram: known.ngram,
                    ideal: known.ideal,
                }
            };
        }
        match self.floors.ngrams.get(1).copied().filter(finite) {
            Some(bigram) if loss > bigram - VISIBLE => Standing::AboveBigram {
                loss,
                bigram,
                steps: steps_to_reach(curve, bigram),
            },
            Some(_) | None => Standing::Stands,
        }
    }
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let numbers: Vec<f64> = numbers.collect();
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}

/// Rows whose differences are corrected together: all of an ablation; of one that is tuned, those
/// at the shared value.
pub fn family_rows<'a>(grid: &'a Grid, rows: &'a [Row]) -> impl Iterator<Item = &'a Row> {
    let shared = |row: &&Row| {
        let point = grid.tuned.as_ref().map(|tuned| tuned.shared.as_str());
        point.is_none_or(|point| grid.point_of(&row.variant) == Some(point))
    };
    let tested = |row: &&Row| row.difference.is_some_and(|d| d.p.is_some());
    rows.iter().filter(shared).filter(tested)
}

fn family(grid: &Grid, rows: &[Row]) -> Vec<f64> {
    let ps = family_rows(grid, rows).filter_map(|row| row.difference?.p);
    ps.collect()
}

/// Judges a row whose corrected p is `corrected`.
fn judged(
    grid: &Grid,
    row: &Row,
    standing: Option<Standing>,
    corrected: Option<f64>,
) -> VariantVerdict {
    let verdict = match standing {
        None => Verdict::Baseline,
        Some(Standing::Stands) => Verdict::at(row.difference, corrected),
        Some(Standing::AboveBigram { .. } | Standing::NoSkill { .. } | Standing::NoLoss) => {
            Verdict::TooShort
        }
    };
    let mut variants = grid.variants.iter();
    let variant = variants.find(|variant| variant.name == row.variant);
    let expected = variant.and_then(|variant| variant.expected);
    let prediction = expected.map(|expected| match verdict {
        Verdict::Baseline | Verdict::NotTested | Verdict::TooShort => {
            PredictionVerdict::CannotBeTold
        }
        Verdict::NoLoss => {
            if all_diverged(&row.outcomes) {
                expected.against_divergence()
            } else {
                PredictionVerdict::CannotBeTold
            }
        }
        Verdict::Worse | Verdict::Better | Verdict::NotSignificant => {
            let corrected = row.difference.and_then(|d| d.corrected);
            let bounds = corrected.and_then(|c| Some((c.low?, c.high?)));
            bounds.map_or(PredictionVerdict::CannotBeTold, |(low, high)| {
                expected.against(low, high)
            })
        }
    });
    VariantVerdict {
        variant: row.variant.clone(),
        verdict,
        prediction: prediction.filter(|_| verdict != Verdict::Baseline),
    }
}

fn all_diverged(outcomes: &[CellOutcome]) -> bool {
    outcomes.len() > 1 && outcomes.iter().all(|o| o.diverged_at.is_some())
}

fn regime(grid: &Grid, variant: &Variant, row: &Row, tokens_per_step: f64) -> Option<Regime> {
    let tokens = tokens_per_step * grid.steps as f64;
    let train_loss = mean(row.outcomes.iter().filter_map(|o| o.train_loss))?;
    let val_loss = row.mean?;
    let passes = tokens / grid.data.train_tokens.max(1) as f64;
    let over = passes >= MANY_PASSES && val_loss - train_loss > OVER_FITTING;
    (train_loss.is_finite() && val_loss.is_finite()).then(|| Regime {
        passes,
        tokens_per_parameter: tokens / variant.parameters.max(1) as f64,
        train_loss,
        val_loss,
        fit: if over {
            FitRegime::OverFitting
        } else {
            FitRegime::UnderTrained
        },
    })
}

/// About how many steps surely take a curve down to `target`: a line through its second half, in
/// the logarithm of the step, and a margin. `None` where it does not fall, or the target is too far
/// to be told.
fn steps_to_reach(curve: &[(u64, f64)], target: f64) -> Option<u64> {
    let last = curve.last()?.0.max(1) as f64;
    let late = curve
        .iter()
        .filter(|(step, loss)| step.saturating_mul(2) >= last as u64 && loss.is_finite());
    let points: Vec<(f64, f64)> = late
        .map(|(step, loss)| ((*step as f64).max(1.0).ln(), *loss))
        .collect();
    let n = points.len() as f64;
    let (x, y) = points
        .iter()
        .fold((0.0, 0.0), |(x, y), p| (x + p.0 / n, y + p.1 / n));
    let (mut over, mut under) = (0.0, 0.0);
    for point in &points {
        over += (point.0 - x) * (point.1 - y);
        under += (point.0 - x).powi(2);
    }
    let slope = over / under;
    // A curve that does not fall, or is one point, has no such step.
    let steps = (x + (target - y) / slope).exp();
    let told = points.len() > 1 && slope < 0.0 && steps > last && steps <= FARTHEST * last;
    told.then(|| two_digits(MARGIN * steps))
}

/// Rounds `x` up to two significant digits.
fn two_digits(x: f64) -> u64 {
    let unit = 10f64.powf((x.log10().floor() - 1.0).max(0.0));
    ((x / unit).ceil() * unit) as u64
}

#[cfg(test)]
mod tests;
