//! The scaling law of a sweep, for its report.

use gptlab_lab::scaling_law;
use gptlab_report::{Study, StudyKind, chart::ScalingFit};

/// Fits the scaling law to the best loss of each size; `None` for studies that are not a sweep or
/// have too few sizes.
pub(super) fn of(study: &Study) -> Option<ScalingFit> {
    match study.kind {
        StudyKind::Run | StudyKind::Ablation => return None,
        StudyKind::Sweep => {}
    }
    let arms = study.arms.iter();
    let law =
        scaling_law::fit_best(arms.filter_map(|arm| Some((arm.variant.parameters, arm.loss()?))))?;
    Some(ScalingFit {
        setting: "parameters".to_owned(),
        floor: law.floor,
        scale: law.scale,
        exponent: law.exponent,
        error: law.exponent_error,
    })
}
