//! All charts of a report, with the names of their files. Each is drawn once.

use super::Extras;
use crate::{
    Arm, Study, StudyKind,
    chart::{self, Chart, Curve},
    words,
};

pub(super) struct Picture {
    pub(super) file: String,
    pub(super) chart: Chart,
}

/// The charts of one variant.
#[derive(Default)]
pub(super) struct OfArm {
    /// The prefix of the names of its files, and the anchor of its section.
    pub(super) slug: String,
    pub(super) curves: Option<Picture>,
    pub(super) observations: Vec<Picture>,
    pub(super) inside: Vec<Picture>,
}

pub(super) struct Pictures {
    pub(super) overview: Vec<Picture>,
    pub(super) arms: Vec<OfArm>,
}

impl Pictures {
    pub(super) fn of(study: &Study, extras: &Extras) -> Self {
        let arms = study.arms.iter().enumerate();
        Self {
            overview: overview(study, extras),
            arms: arms.map(|(i, arm)| of_arm(study, extras, i, arm)).collect(),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Picture> {
        let arms = self.arms.iter().flat_map(|arm| {
            arm.curves
                .iter()
                .chain(&arm.observations)
                .chain(&arm.inside)
        });
        self.overview.iter().chain(arms)
    }
}

fn overview(study: &Study, extras: &Extras) -> Vec<Picture> {
    let picture = |name: &str, chart: Option<Chart>| {
        chart.map(|chart| Picture {
            file: format!("{name}.svg"),
            chart,
        })
    };
    let mut found = Vec::new();
    found.extend(picture("differences", chart::differences(study)));
    if study.kind == StudyKind::Sweep {
        let setting = extras
            .scaling_law
            .as_ref()
            .map_or("parameters", |law| law.setting.as_str());
        found.extend(picture(
            "power-law",
            chart::scaling_law(study, setting, extras.scaling_law.as_ref()),
        ));
        found.extend(picture("learning-rates", chart::learning_rates(study)));
    }
    if study.arms.len() > 2 {
        let curves: Vec<Curve> = study
            .arms
            .iter()
            .map(curve)
            .filter(|c| !c.runs.is_empty())
            .collect();
        let title = "Validation loss by step";
        found.extend(picture(
            "curves",
            chart::curves(title, MEASURE, &curves, study.floors.as_ref()),
        ));
    }
    found
}

const MEASURE: &str = "loss, nats a token";

fn of_arm(study: &Study, extras: &Extras, i: usize, arm: &Arm) -> OfArm {
    // Two names may have the same slug; a number makes the names of their files distinct.
    let slug = match study.kind {
        StudyKind::Run => "run".to_owned(),
        StudyKind::Ablation | StudyKind::Sweep => {
            format!("{i:02}-{}", words::slug(&arm.variant.name))
        }
    };
    let observations = arm
        .runs
        .first()
        .map_or_else(Vec::new, crate::RecordedRun::measures);
    let observed = observations.iter().filter_map(|measure| {
        Some(Picture {
            file: format!("{slug}-{}.svg", words::slug(&measure.name)),
            chart: chart::observation(measure)?,
        })
    });
    OfArm {
        curves: curves_of(study, i, arm).map(|chart| Picture {
            file: format!("{slug}-curves.svg"),
            chart,
        }),
        observations: observed.collect(),
        inside: inside(extras, arm, &slug),
        slug,
    }
}

fn inside(extras: &Extras, arm: &Arm, slug: &str) -> Vec<Picture> {
    let own = extras
        .inside
        .iter()
        .filter(|(variant, _)| *variant == arm.variant.name);
    let charts = own.flat_map(|(_, charts)| charts).enumerate();
    charts
        .map(|(i, chart)| Picture {
            file: format!("{slug}-inside-{i}.svg"),
            chart: chart.clone(),
        })
        .collect()
}

/// Draws a variant beside the baseline. For the baseline, or a single run, it draws the validation
/// loss beside the training loss.
fn curves_of(study: &Study, i: usize, arm: &Arm) -> Option<Chart> {
    let curves = match study.baseline() {
        Some(baseline) if i > 0 => vec![curve(baseline), curve(arm)],
        Some(_) | None => own(arm),
    };
    arm.runs.first()?;
    let title = format!("{}: loss by step", arm.variant.name);
    chart::curves(&title, MEASURE, &curves, study.floors.as_ref())
}

fn curve(arm: &Arm) -> Curve {
    Curve {
        label: arm.variant.name.clone(),
        runs: arm.runs.iter().map(crate::RecordedRun::curve).collect(),
    }
}

fn own(arm: &Arm) -> Vec<Curve> {
    let named = |label: &str, of: fn(&crate::RecordedRun) -> Vec<(u64, f64)>| Curve {
        label: label.to_owned(),
        runs: arm
            .runs
            .iter()
            .map(of)
            .filter(|run| !run.is_empty())
            .collect(),
    };
    let both = [
        named("validation", crate::RecordedRun::validation),
        named("training", crate::RecordedRun::training),
    ];
    both.into_iter()
        .filter(|curve| !curve.runs.is_empty())
        .collect()
}
