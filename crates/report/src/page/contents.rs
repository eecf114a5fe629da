//! The contents that the HTML page and the Markdown form share.

use gptlab_model::Choice;

use crate::{Arm, Study, StudyKind, ablation, diff, doctor, number, words};

pub(super) fn title(study: &Study) -> String {
    match study.kind {
        StudyKind::Run => format!("Run {}", study.name),
        StudyKind::Ablation => format!("Ablation {}", study.name),
        StudyKind::Sweep => format!("Sweep {}", study.name),
    }
}

/// Returns the command that made the study, quoted for a shell.
pub(super) fn command(study: &Study) -> Option<String> {
    let words: Vec<String> = study
        .command
        .iter()
        .map(|word| words::shell_word(word))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Returns the facts that all runs share, as names and values.
pub(super) fn facts(study: &Study, date: Option<&str>) -> Vec<(&'static str, String)> {
    let data = &study.data;
    let seeds: Vec<String> = study.seeds.iter().map(u64::to_string).collect();
    let mut facts = Vec::new();
    facts.extend(date.map(|date| ("Date", date.to_owned())));
    facts.push(("Program", study.program.clone()));
    facts.push((
        "Data",
        format!(
            "{}: {} tokens to train on, {} for validation",
            data.source,
            words::count(data.train_tokens),
            words::count(data.val_tokens)
        ),
    ));
    facts.push(("Fingerprint", data.fingerprint.chars().take(16).collect()));
    facts.push(("Steps", words::count(study.steps)));
    facts.push((
        if seeds.len() == 1 { "Seed" } else { "Seeds" },
        seeds.join(", "),
    ));
    facts
}

/// Describes the settings in which a variant differs from the baseline.
fn changes(study: &Study, arm: &Arm) -> Option<String> {
    match study.kind {
        StudyKind::Run => return None,
        StudyKind::Ablation | StudyKind::Sweep => {}
    }
    let (base, own) = (study.baseline()?.runs.first()?, arm.runs.first()?);
    Some(match diff::settings(&base.experiment, &own.experiment) {
        Ok(changes) if changes.is_empty() => "those of the baseline".to_owned(),
        Ok(changes) => {
            let texts: Vec<String> = changes.iter().map(diff::SettingChange::text).collect();
            texts.join("; ")
        }
        Err(error) => format!("cannot be compared with the baseline's: {error}"),
    })
}

/// Describes a variant as an entry of an experiment log: the model, the prediction, the outcome,
/// the purpose, and what to do next.
pub(super) fn entry(study: &Study, arm: &Arm) -> Vec<(&'static str, String)> {
    let variant = &arm.variant;
    let mut entry = vec![(
        "Model",
        format!("{} parameters", words::count(variant.parameters)),
    )];
    if let Some(changes) = changes(study, arm) {
        entry.push(("Settings", changes));
    }
    if let Some(hyper) = arm.runs.first().map(|run| &run.experiment.hyper) {
        entry.push((
            "Training",
            format!(
                "{} steps of {} sequences, learning rate {} ({})",
                words::count(hyper.steps),
                hyper.batch_size,
                number::short(hyper.lr),
                hyper.lr_shape.name()
            ),
        ));
    }
    let unless_empty = |text: &String| (!text.is_empty()).then(|| text.clone());
    entry.extend(unless_empty(&variant.prediction).map(|text| ("Prediction", text)));
    entry.push(("What happened", ablation::outcome(study, arm)));
    entry.extend(ablation::prediction_verdict(study, arm).map(|said| ("Verdict", said)));
    let why = [
        unless_empty(&variant.purpose),
        unless_empty(&variant.source).map(|source| format!("({source})")),
    ];
    let why: Vec<String> = why.into_iter().flatten().collect();
    if !why.is_empty() {
        entry.push(("Why", why.join(" ")));
    }
    entry.extend(next(study, arm));
    entry
}

/// Returns the doctor's findings for the variant's first run.
fn next(study: &Study, arm: &Arm) -> Vec<(&'static str, String)> {
    let Some(run) = arm.runs.first() else {
        return Vec::new();
    };
    let found = doctor::examine(run, study.floors_of(run));
    let next = found.findings.first().map(|first| &first.experiment);
    let next = next.map(|experiment| ("Next", experiment.clone()));
    let unjudged = (!found.unjudged.is_empty()).then(|| ("Not judged", found.unjudged.join(" ")));
    let symptoms = Some(("Symptoms", found.summary()));
    [symptoms, unjudged, next].into_iter().flatten().collect()
}
