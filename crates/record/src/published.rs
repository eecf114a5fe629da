//! Results that others have published, and what a grid found beside them.

use serde::{Deserialize, Serialize};

use crate::json::maybe_number;

/// What was measured of a recipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishedQuantity {
    /// The loss of the finished model over the whole validation split.
    ValidationLoss,
    /// The loss of the batch of the last step.
    TrainingLoss,
    /// The validation loss, which is said to end at the n-gram baseline of this order. The program
    /// measures that baseline on the same predictions. Records have kept its first name.
    #[serde(rename = "ngram-floor", alias = "ngram-baseline")]
    NgramBaseline(usize),
}

/// A published result, as a plan holds it. Losses are in nats per token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedClaim {
    pub quantity: PublishedQuantity,
    /// The published value; `None` for an n-gram baseline, which the program measures.
    #[serde(with = "maybe_number", default)]
    pub value: Option<f64>,
    /// The published spread, on both sides of the value; `None` if none was published.
    #[serde(with = "maybe_number", default)]
    pub spread: Option<f64>,
    /// How far from the n-gram baseline a loss may be and still be called at it.
    #[serde(with = "maybe_number", default)]
    pub within: Option<f64>,
    /// The number of seeds of our runs.
    pub seeds: u64,
}

/// The lower and the upper end of a range of losses, in nats per token.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedBounds {
    pub low: f64,
    pub high: f64,
}

impl PublishedBounds {
    /// Returns the range of `half` on both sides of `middle`; `None` if it is not finite.
    pub fn around(middle: f64, half: f64) -> Option<Self> {
        let (low, high) = (middle - half, middle + half);
        (low.is_finite() && high.is_finite()).then_some(Self { low, high })
    }

    /// Returns the length of the range.
    pub fn width(self) -> f64 {
        self.high - self.low
    }

    /// Returns whether the two ranges have a point in common.
    pub fn meets(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

impl PublishedComparison {
    /// The longest interval of ours, in nats, that can agree with a value. A small model's loss
    /// falls by about as much while it learns, so that a longer one would hold any value.
    pub const LONGEST_INTERVAL: f64 = 2.0;

    /// Returns whether our interval is too long to agree with anything.
    pub fn is_too_wide(interval: PublishedBounds) -> bool {
        interval.width() > Self::LONGEST_INTERVAL
    }
}

/// A published result beside ours. Losses are in nats per token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedComparison {
    pub variant: String,
    pub quantity: PublishedQuantity,
    /// The published value, or the measured n-gram baseline; `None` if that could not be measured.
    #[serde(with = "maybe_number", default)]
    pub published: Option<f64>,
    /// The published value with its spread, or as far as its last printed digit tells.
    #[serde(default)]
    pub published_bounds: Option<PublishedBounds>,
    /// Whether a spread was published.
    pub has_spread: bool,
    /// The mean of our runs that ended with a finite loss.
    #[serde(with = "maybe_number", default)]
    pub ours: Option<f64>,
    /// The sample standard deviation of our runs; `None` for fewer than two.
    #[serde(with = "maybe_number", default)]
    pub deviation: Option<f64>,
    /// The 95 % prediction interval of a single run, by Student's t; `None` for fewer than two
    /// runs.
    #[serde(default)]
    pub interval: Option<PublishedBounds>,
    /// Ours minus the published value.
    #[serde(with = "maybe_number", default)]
    pub difference: Option<f64>,
    pub verdict: PublishedVerdict,
    /// The source of the published value.
    pub source: String,
}

/// Whether a published result and ours agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublishedVerdict {
    /// The published value, with its spread, meets our 95 % interval of a single run.
    Agrees,
    /// It does not.
    Differs,
    /// There are too few of our runs, they lie so far apart that nearly any value would agree, one
    /// of them diverged, or there is nothing to compare with.
    CannotBeTold,
}
