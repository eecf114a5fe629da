//! All charts of a report, with the names of their files. Each is drawn once.

use super::{Extras, Figure, contents};
use crate::{
    Arm, RecordedRun, Study, StudyKind,
    chart::{self, Chart, Curve, CurveText},
    number, words,
};

pub(super) struct Pictures {
    /// What stands at the top of the page.
    pub(super) main: Vec<Figure>,
    /// Each variant's curve beside the baseline's, on the same axes.
    pub(super) beside: Vec<Figure>,
    /// What was observed inside the runs.
    pub(super) observed: Vec<Figure>,
    /// Pictures of the inside of the finished models.
    pub(super) inside: Vec<Figure>,
}

impl Pictures {
    pub(super) fn of(study: &Study, extras: &Extras) -> Self {
        Self {
            main: main(study, extras),
            beside: beside(study),
            observed: observed(study),
            inside: inside(extras),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Figure> {
        let rest = self.beside.iter().chain(&self.observed).chain(&self.inside);
        self.main.iter().chain(rest)
    }
}

const MEASURE: &str = "loss, nats per token";

fn main(study: &Study, extras: &Extras) -> Vec<Figure> {
    let figure = |name: &str, chart: Option<Chart>| chart.map(|chart| Figure::one(name, chart));
    let mut found = Vec::new();
    match study.kind {
        StudyKind::Run => {
            let curves = study.arms.first().map_or_else(Vec::new, own);
            found.extend(figure("curves", of_run(study, &curves)));
        }
        StudyKind::Ablation => {
            found.extend(figure("differences", chart::differences(study)));
            found.extend(figure("curves", overview(study)));
        }
        StudyKind::Published => found.extend(figure("curves", overview(study))),
        StudyKind::Sweep => {
            let setting = extras
                .scaling_law
                .as_ref()
                .map_or("parameters", |law| law.setting.as_str());
            let law = extras.scaling_law.as_ref();
            found.extend(figure("power-law", chart::scaling_law(study, setting, law)));
            found.extend(figure("learning-rates", chart::learning_rates(study)));
            found.extend(figure("curves", overview(study)));
        }
    }
    found
}

/// Draws the losses of a run: validation beside training.
fn of_run(study: &Study, curves: &[Curve]) -> Option<Chart> {
    let ends = curves.first().and_then(|curve| {
        let run = curve.runs.first()?;
        Some((run.first()?.1, run.last()?))
    });
    let title = ends.map_or_else(
        || "The loss by step".to_owned(),
        |(first, (step, last))| {
            format!(
                "The {} loss went from {} to {} in {}",
                curves[0].label,
                number::short(first),
                number::short(*last),
                words::plural(*step as usize, "step")
            )
        },
    );
    chart::curves(
        &CurveText::new(title, MEASURE),
        curves,
        study.floors.as_ref(),
    )
}

/// Draws the curves of all variants together.
fn overview(study: &Study) -> Option<Chart> {
    let curves: Vec<Curve> = curves(study);
    let title = "The validation loss by step";
    (curves.len() > 1).then_some(())?;
    chart::curves(
        &CurveText::new(title, MEASURE),
        &curves,
        study.floors.as_ref(),
    )
}

fn curves(study: &Study) -> Vec<Curve> {
    let all = study.arms.iter().map(curve);
    all.filter(|c| !c.runs.is_empty()).collect()
}

/// Draws a panel for each variant of an ablation. One variant is seen well in the main picture.
fn beside(study: &Study) -> Vec<Figure> {
    let curves = curves(study);
    if study.kind != StudyKind::Ablation || curves.len() < 3 {
        return Vec::new();
    }
    let text = CurveText::new("Each variant beside the baseline", MEASURE);
    let panels = chart::panels_of_curves(&text, &curves, study.floors.as_ref());
    let figure = panels.map(|panels| Figure::many("beside", panels));
    figure.into_iter().collect()
}

/// Draws what was observed in the first run of each variant.
fn observed(study: &Study) -> Vec<Figure> {
    let measures = |arm: &Arm| {
        arm.runs
            .first()
            .map_or_else(Vec::new, RecordedRun::measures)
    };
    let name = |measure: &str| format!("observed-{}", words::slug(measure));
    match study.arms.as_slice() {
        [arm] => chart::observations(&measures(arm))
            .into_iter()
            .map(|(measure, chart)| Figure::one(name(&measure), chart))
            .collect(),
        arms => {
            let observed: Vec<chart::Observed> = arms
                .iter()
                .map(|arm| (arm.variant.name.clone(), measures(arm)))
                .filter(|(_, measures)| !measures.is_empty())
                .collect();
            let profiles = chart::profiles(&observed).into_iter();
            let profiles = profiles.map(|(measure, chart)| {
                Figure::one(format!("profile-{}", words::slug(&measure)), chart)
            });
            let panels = chart::over_variants(&observed).into_iter();
            let panels = panels.map(|(measure, panels)| Figure::many(name(&measure), panels));
            profiles.chain(panels).collect()
        }
    }
}

fn inside(extras: &Extras) -> Vec<Figure> {
    let figures = extras.inside.iter().enumerate();
    figures
        .map(|(i, (variant, panels))| {
            // Two names may have one slug; a number keeps their files apart.
            let name = format!("attention-{i:02}-{}", words::slug(variant));
            Figure::many(name, panels.clone())
        })
        .collect()
}

fn curve(arm: &Arm) -> Curve {
    Curve {
        label: contents::name(arm),
        runs: arm.runs.iter().map(RecordedRun::curve).collect(),
    }
}

fn own(arm: &Arm) -> Vec<Curve> {
    let named = |label: &str, of: fn(&RecordedRun) -> Vec<(u64, f64)>| Curve {
        label: label.to_owned(),
        runs: arm
            .runs
            .iter()
            .map(of)
            .filter(|run| !run.is_empty())
            .collect(),
    };
    let both = [
        named("validation", RecordedRun::validation),
        named("training", RecordedRun::training),
    ];
    both.into_iter()
        .filter(|curve| !curve.runs.is_empty())
        .collect()
}
