//! The scaling law of a sweep, for its report.

use gptlab_lab::scaling_law::{self, ScalingLawError};
use gptlab_report::{Study, StudyKind, chart::ScalingFit};

/// Fits the scaling law to the best loss of each size; `None` for studies that are not a sweep or
/// whose losses determine no law.
pub(super) fn of(study: &Study) -> Option<ScalingFit> {
    fit(study)?.ok()
}

/// Says the scaling law, or why there is none, in a sentence; `None` if the study is not a sweep.
pub(super) fn sentence(study: &Study) -> Option<String> {
    Some(match fit(study)? {
        Ok(law) => format!("Scaling law of the best losses: {}.", law.formula()),
        Err(error) => format!("No scaling law: {error}."),
    })
}

fn fit(study: &Study) -> Option<Result<ScalingFit, ScalingLawError>> {
    match study.kind {
        StudyKind::Run | StudyKind::Ablation | StudyKind::Published => return None,
        StudyKind::Sweep => {}
    }
    let arms = study.arms.iter();
    let points = arms.filter_map(|arm| Some((arm.variant.parameters, arm.loss()?)));
    Some(scaling_law::fit_best(points).map(|law| ScalingFit {
        setting: "parameters".to_owned(),
        floor: law.floor,
        scale: law.scale,
        exponent: law.exponent,
        interval: law.exponent_interval(),
        freedom: law.freedom,
    }))
}
