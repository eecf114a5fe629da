//! The thresholds at which numbers become symptoms.

/// A threshold, with the quantity that it limits and the reason for its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// The quantity that the threshold limits.
    pub name: &'static str,
    pub value: f64,
    /// The reason for the value.
    pub why: &'static str,
}

const fn limit(name: &'static str, value: f64, why: &'static str) -> Threshold {
    Threshold { name, value, why }
}

pub(super) const COURSE: Threshold = limit(
    "logged steps of a run, for its course to be judged",
    5.0,
    "fewer points show no trend beside the scatter of batches",
);
pub(super) const SHORT: Threshold = limit(
    "predictions seen for each parameter, below which a run is short",
    20.0,
    "compute-optimal runs see about 20 tokens a parameter (Hoffmann et al. 2022)",
);
pub(super) const RISE: Threshold = limit(
    "nats that the training loss ends above its lowest (means of tenths of the run)",
    0.2,
    "batches of a small run scatter by less",
);
pub(super) const SPIKE: Threshold = limit(
    "largest gradient norm over the median, after the first tenth",
    100.0,
    "gradient norms of healthy runs vary by about ten",
);
pub(super) const CLIPPED_SHARE: Threshold = limit(
    "share of logged steps whose gradient is clipped, after the first tenth",
    0.95,
    "clipping is meant for the exception (Pascanu et al. 2013)",
);
pub(super) const CLIPPED_BY: Threshold = limit(
    "median gradient norm over the limit of clipping, together with the share",
    3.0,
    "norms that merely touch the limit change little",
);
pub(super) const STUCK: Threshold = limit(
    "nats from the uniform or the 1-gram baseline, counted as being at it",
    0.03,
    "what a batch scatters by",
);
pub(super) const NO_GRADIENT: Threshold = limit(
    "median gradient norm of the last quarter",
    1e-5,
    "AdamW's epsilon dominates below this",
);
pub(super) const DEAD_UNITS: Threshold = limit(
    "share of units that are never active",
    0.5,
    "ReLU nets train with tens of per cent of dead units, not with most",
);
pub(super) const TOKENS_ALIKE: Threshold = limit(
    "mean cosine between tokens of a text, at the last layer seen",
    0.95,
    "rank collapse (Dong et al. 2021) goes to 1; trained models stay well below",
);
pub(super) const SINK: Threshold = limit(
    "mean share of attention on the first token",
    0.8,
    "sinks of half are common (Xiao et al. 2023)",
);
pub(super) const ENTROPY: Threshold = limit(
    "mean entropy of attention, nats",
    0.1,
    "below it a head looks at one token; training often fails there (Zhai et al. 2023)",
);
pub(super) const LOGIT: Threshold = limit(
    "largest attention score",
    100.0,
    "a softmax over such scores has no gradient left (Dehghani et al. 2023)",
);
pub(super) const OVERFIT: Threshold = limit(
    "nats that the validation loss ends above its lowest while the training loss falls",
    0.02,
    "evaluation of the same tokens scatters by less",
);
pub(super) const GAP: Threshold = limit(
    "nats between the validation loss and the training loss at the end",
    0.3,
    "dropout and scatter explain less",
);
pub(super) const FALLING: Threshold = limit(
    "share of the whole fall of the loss that lies in the last quarter",
    0.12,
    "a run that has levelled off has less there",
);

/// All thresholds.
pub const THRESHOLDS: &[Threshold] = &[
    COURSE,
    SHORT,
    RISE,
    SPIKE,
    CLIPPED_SHARE,
    CLIPPED_BY,
    STUCK,
    NO_GRADIENT,
    DEAD_UNITS,
    TOKENS_ALIKE,
    SINK,
    ENTROPY,
    LOGIT,
    OVERFIT,
    GAP,
    FALLING,
];
