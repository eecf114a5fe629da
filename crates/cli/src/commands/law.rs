//! The power law of a sweep, for its report.

use gptlab_lab::power_law;
use gptlab_report::{Study, StudyKind, chart::PowerLawFit};

/// The law of the best loss of each size; `None` of what is no sweep, or has too few sizes.
pub(super) fn of(study: &Study) -> Option<PowerLawFit> {
    match study.kind {
        StudyKind::Run | StudyKind::Ablation => return None,
        StudyKind::Sweep => {}
    }
    let mut best: Vec<(u64, f64)> = Vec::new();
    for arm in &study.arms {
        let Some(loss) = arm.loss() else { continue };
        let size = arm.variant.parameters;
        match best.iter_mut().find(|(n, _)| *n == size) {
            Some((_, least)) => *least = least.min(loss),
            None => best.push((size, loss)),
        }
    }
    let points: Vec<(f64, f64)> = best.iter().map(|(n, loss)| (*n as f64, *loss)).collect();
    let law = power_law::fit_with_floor(&points)
        .or_else(|_| power_law::fit(&points))
        .ok()?;
    Some(PowerLawFit {
        setting: "parameters".to_owned(),
        floor: law.floor,
        scale: law.scale,
        exponent: law.exponent,
        error: law.exponent_error,
    })
}
