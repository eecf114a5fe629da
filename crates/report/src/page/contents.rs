//! The contents that the HTML page and the Markdown form share.

use gptlab_model::Choice;
use gptlab_record::{Standing, Verdict};

use crate::{
    Arm, Study, StudyKind, ablation, diff, doctor, number, phrases, published, table::typeset,
    words,
};

/// Returns the title of the page: what was found, as a sentence without its full stop.
pub(super) fn title(study: &Study) -> String {
    let said = match study.kind {
        StudyKind::Run => study.arms.first().map(|arm| of_run(study, arm)),
        StudyKind::Ablation => of_ablation(study),
        StudyKind::Sweep => of_sweep(study),
        StudyKind::Published => published::headline(study),
    };
    typeset(&said.unwrap_or_else(|| "No run has finished".to_owned()))
}

/// Says what the page is about.
pub(super) fn kicker(study: &Study) -> String {
    let kind = match study.kind {
        StudyKind::Run => "run",
        StudyKind::Ablation => "ablation",
        StudyKind::Sweep => "sweep",
        StudyKind::Published => "comparison with published results",
    };
    format!("gptlab {kind} “{}” on {}", study.name, study.data.source)
}

fn of_run(study: &Study, arm: &Arm) -> String {
    let steps = || words::plural(study.steps as usize, "step");
    match (arm.diverged(), arm.loss()) {
        (Some((_, step)), _) => format!("The run diverged at step {}", words::count(step)),
        (None, Some(loss)) => {
            let place = study
                .floors
                .as_ref()
                .map(|floors| phrases::between(loss, floors));
            let place = place.map_or_else(String::new, |place| format!(": {place}"));
            format!(
                "After {} the loss is {}{place}",
                steps(),
                number::loss(loss)
            )
        }
        (None, None) => ablation::outcome(study, arm)
            .trim_end_matches('.')
            .to_owned(),
    }
}

/// Says which variant differs most from the baseline, if one does significantly.
fn of_ablation(study: &Study) -> Option<String> {
    if let Some(nothing) = too_short(study) {
        return Some(nothing);
    }
    let known: Vec<Judged> = study
        .arms
        .iter()
        .filter(|arm| study.is_shared(arm))
        .filter_map(|arm| Judged::of(study, arm))
        .collect();
    let largest = |told: &dyn Fn(&Judged) -> bool| {
        let told = known.iter().filter(|judged| told(judged));
        told.max_by(|a, b| a.mean.abs().total_cmp(&b.mean.abs()))
    };
    let significant = |judged: &Judged| matches!(judged.verdict, Verdict::Worse | Verdict::Better);
    if let Some(found) = largest(&significant) {
        return Some(found.sentence(&match known.len() {
            1 => String::new(),
            n => format!(", the largest significant difference of {n} variants"),
        }));
    }
    if known.iter().any(|j| j.verdict == Verdict::NotSignificant) {
        return Some(format!(
            "No difference from the baseline is significant with {}",
            words::plural(study.seeds.len(), "seed")
        ));
    }
    let largest = largest(&|_| true)?;
    Some(largest.sentence(" in one pair of runs, too few to tell it from chance"))
}

/// Says why nothing can be concluded from the baseline, if so.
fn too_short(study: &Study) -> Option<String> {
    let mut told = study.conclusion.as_ref()?.baselines.iter();
    let shared = told.find(|baseline| study.is_shared_name(&baseline.variant))?;
    let why = match shared.standing {
        Standing::Stands => return None,
        Standing::AboveBigram { .. } => {
            "Too short to tell: the baseline has not passed the 2-gram baseline"
        }
        Standing::NoSkill { .. } => "Too short to tell: the baseline has not learned the skill",
        Standing::NoLoss => "Nothing can be concluded: the baseline has no finite loss",
    };
    Some(why.to_owned())
}

/// A variant, its difference from the baseline, and what is concluded of it.
struct Judged<'a> {
    name: &'a str,
    mean: f64,
    verdict: Verdict,
}

impl<'a> Judged<'a> {
    /// Returns `None` for an arm without a finite difference.
    fn of(study: &'a Study, arm: &'a Arm) -> Option<Self> {
        let mean = arm.row.as_ref()?.difference?.mean;
        mean.is_finite().then_some(())?;
        Some(Self {
            name: study.shared_name(&arm.variant.name),
            mean,
            verdict: study.verdict(arm)?.verdict,
        })
    }

    fn sentence(&self, rest: &str) -> String {
        format!(
            "{}: {} nats per token{rest}",
            capital(self.name),
            number::signed(self.mean)
        )
    }
}

fn of_sweep(study: &Study) -> Option<String> {
    let finite = |arm: &'_ Arm| {
        Some((
            arm.variant.name.clone(),
            arm.loss().filter(|x| x.is_finite())?,
        ))
    };
    let known: Vec<(String, f64)> = study.arms.iter().filter_map(finite).collect();
    let (name, loss) = known.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
    if known.len() == 1 {
        return Some(format!("The loss at {name} is {}", number::loss(*loss)));
    }
    Some(format!(
        "The lowest loss of {} points is {}, at {name}",
        known.len(),
        number::loss(*loss)
    ))
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

/// Returns the short name of a variant, as legends have it.
pub(super) fn name(arm: &Arm) -> String {
    arm.variant.name.clone()
}

/// Returns the last text that a variant wrote, and after how many steps.
pub(super) fn last_sample(arm: &Arm) -> Option<(u64, &str)> {
    arm.runs.first()?.samples().pop()
}

/// Returns the command that made the study, to be typed again.
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
            "{}: {} to train on, {} for validation",
            data.source,
            words::plural(data.train_tokens as usize, "token"),
            words::count(data.val_tokens)
        ),
    ));
    facts.push(("Fingerprint", data.fingerprint.chars().take(16).collect()));
    facts.push(match study.kind {
        StudyKind::Published => ("Steps, at most", words::count(study.steps)),
        StudyKind::Run | StudyKind::Ablation | StudyKind::Sweep => {
            ("Steps", words::count(study.steps))
        }
    });
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
        StudyKind::Ablation | StudyKind::Sweep | StudyKind::Published => {}
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
    let mut entry = Vec::new();
    if arm.concealed {
        entry.push((
            "Model",
            "not shown: it would tell what was changed".to_owned(),
        ));
    } else {
        let parameters = words::count(variant.parameters);
        entry.push(("Model", format!("{parameters} parameters")));
        entry.extend(changes(study, arm).map(|changes| ("Settings", changes)));
    }
    if let Some(hyper) = arm.runs.first().map(|run| &run.experiment.hyper) {
        entry.push((
            "Training",
            format!(
                "{} of {}, learning rate {} ({})",
                words::plural(hyper.steps as usize, "step"),
                words::plural(hyper.batch_size, "sequence"),
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
    // What a finding advises depends on the settings.
    let first = found.findings.first().filter(|_| !arm.concealed);
    let next = first.map(|first| &first.experiment);
    let next = next.map(|experiment| ("Next", experiment.clone()));
    let unjudged = (!found.unjudged.is_empty()).then(|| ("Not judged", found.unjudged.join(" ")));
    let symptoms = Some(("Symptoms", found.summary()));
    [symptoms, unjudged, next].into_iter().flatten().collect()
}
