//! The tables of a study: losses, predictions and outcomes, and guides.

use gptlab_record::{Floors, PairedDifference};

use crate::{
    Arm, Study, StudyKind, Table, number, phrases,
    table::{Column, TableCell},
    words,
};

/// The p-value below which a difference is called significant.
pub const SIGNIFICANT: f64 = 0.05;

/// Makes a table with a row per variant. Speeds are shown on screens only, so that the files of
/// equal grids have equal bytes.
pub fn table(study: &Study) -> Table {
    let columns = vec![
        Column::words("variant"),
        Column::numbers("val loss"),
        Column::numbers("sd"),
        Column::numbers("difference"),
        Column::numbers("95 % CI"),
        Column::numbers("p"),
        Column::numbers("skill loss"),
        Column::numbers("grad norm"),
        Column::numbers("parameters"),
        Column::words("diverged"),
        Column::words("compared with guides"),
        Column::numbers("tokens/s").on_screen(),
    ];
    let mut table = Table::new("Validation losses in nats a token", columns);
    for arm in &study.arms {
        table.push(row(arm, study.floors.as_ref()));
    }
    table.without_empty_columns()
}

fn row(arm: &Arm, floors: Option<&Floors>) -> Vec<TableCell> {
    let difference = arm.row.as_ref().and_then(|row| row.difference);
    let deviation = arm.row.as_ref().and_then(|row| row.deviation);
    let speeds: Vec<f64> = arm
        .runs
        .iter()
        .filter_map(crate::RecordedRun::tokens_per_second)
        .collect();
    vec![
        TableCell::text(&arm.variant.name),
        numeric(arm.loss(), number::loss),
        numeric(deviation, number::loss),
        numeric(difference.map(|d| d.mean), number::signed),
        TableCell::text(interval(difference)),
        numeric(difference.and_then(|d| d.p), number::p_value),
        numeric(arm.mean_of(|o| o.skill_loss), number::loss),
        numeric(arm.mean_of(|o| o.grad_norm), number::short),
        TableCell::count(arm.variant.parameters),
        TableCell::text(diverged(arm)),
        TableCell::text(
            floors.map_or_else(String::new, |floors| phrases::nearest(arm.loss(), floors)),
        ),
        numeric(crate::study::mean(&speeds), |x| {
            words::count(x.round() as u64)
        }),
    ]
}

fn numeric(x: Option<f64>, format: impl Fn(f64) -> String) -> TableCell {
    x.map_or_else(TableCell::default, |x| TableCell::number(format(x), x))
}

fn interval(difference: Option<PairedDifference>) -> String {
    let bounds = difference.and_then(|d| Some((d.low?, d.high?)));
    bounds.map_or_else(String::new, |(low, high)| {
        format!("{} to {}", number::signed(low), number::signed(high))
    })
}

fn diverged(arm: &Arm) -> String {
    let all = arm.row.as_ref().map_or(0, |row| row.outcomes.len());
    arm.diverged()
        .map_or_else(String::new, |(runs, first)| match all {
            1 => format!("step {first}"),
            _ => format!("{runs} of {all}, step {first}"),
        })
}

/// Makes a table of the predictions made before the runs, and the outcomes.
pub fn predictions(study: &Study) -> Table {
    let columns = ["variant", "prediction", "what happened"]
        .map(Column::words)
        .to_vec();
    let mut table = Table::new("Predictions, made before the runs, and outcomes", columns);
    for arm in &study.arms {
        table.push(vec![
            TableCell::text(&arm.variant.name),
            TableCell::text(&arm.variant.prediction),
            TableCell::text(outcome(study, arm)),
        ]);
    }
    table
}

/// Describes what happened to a variant, in a few sentences.
pub fn outcome(study: &Study, arm: &Arm) -> String {
    let Some(row) = &arm.row else {
        return unfinished(arm);
    };
    let mut parts = Vec::new();
    if let Some((runs, first)) = arm.diverged() {
        let of = match row.outcomes.len() {
            1 => "The run".to_owned(),
            all => format!("{runs} of {all} runs"),
        };
        parts.push(format!("{of} diverged, the first at step {first}."));
    }
    if let Some(loss) = row.mean {
        let spread = row
            .deviation
            .map_or_else(String::new, |sd| format!(" ± {}", number::loss(sd)));
        let place = study
            .floors
            .as_ref()
            .map(|floors| phrases::between(loss, floors));
        let place = place.map_or_else(String::new, |place| format!(": {place}"));
        parts.push(format!("Loss {}{spread}{place}.", number::loss(loss)));
    }
    parts.extend(row.difference.map(compared));
    if parts.is_empty() {
        parts.push("No run has a finite loss.".to_owned());
    }
    parts.join(" ")
}

fn unfinished(arm: &Arm) -> String {
    let [run] = arm.runs.as_slice() else {
        return "No run has finished.".to_owned();
    };
    run.unfinished().map_or_else(
        || "No run has finished.".to_owned(),
        |made| {
            let all = run.experiment.hyper.steps;
            format!("The run has made {made} of {all} steps, and has not ended.")
        },
    )
}

/// Describes a difference from the baseline in a sentence.
pub fn compared(difference: PairedDifference) -> String {
    let size = number::loss(difference.mean.abs());
    let runs = match difference.pairs {
        1 => "one seed, so its significance is unknown".to_owned(),
        n => format!("{n} seeds"),
    };
    if difference.mean.is_nan() {
        return format!("Not comparable with the baseline ({runs}).");
    }
    if !number::shows(difference.mean) {
        return format!("Neither worse nor better than the baseline ({runs}).");
    }
    let way = if difference.mean >= 0.0 {
        "worse"
    } else {
        "better"
    };
    match difference.p {
        None => format!("{size} {way} than the baseline ({runs})."),
        Some(p) if p < SIGNIFICANT => {
            format!("{size} {way} than the baseline (p {}, {runs}).", equals(p))
        }
        Some(p) => format!(
            "Not significantly different from the baseline: {size} {way}, p {} ({runs}).",
            equals(p)
        ),
    }
}

fn equals(p: f64) -> String {
    let value = number::p_value(p);
    if value.starts_with('<') {
        value
    } else {
        format!("= {value}")
    }
}

/// Answers the question of the study in a few sentences, which list the variants that are worse or
/// better, and those that do not differ significantly.
pub fn answer(study: &Study) -> Vec<String> {
    let mut known: Vec<(&Arm, PairedDifference)> = study
        .arms
        .iter()
        .filter_map(|arm| Some((arm, arm.row.as_ref()?.difference?)))
        .filter(|(_, d)| !d.mean.is_nan())
        .collect();
    known.sort_by(|a, b| b.1.mean.total_cmp(&a.1.mean));
    let shows = |d: &PairedDifference| number::shows(d.mean);
    let significant = |d: &PairedDifference| shows(d) && d.p.is_none_or(|p| p < SIGNIFICANT);
    let list = |chosen: Vec<&(&Arm, PairedDifference)>| {
        let one = |(arm, d): &&(&Arm, PairedDifference)| {
            format!("{} ({})", arm.variant.name, number::signed(d.mean))
        };
        chosen.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let groups = [
        (
            "Worse than the baseline",
            known
                .iter()
                .filter(|(_, d)| significant(d) && d.mean >= 0.0)
                .collect::<Vec<_>>(),
        ),
        (
            "Better than the baseline",
            known
                .iter()
                .rev()
                .filter(|(_, d)| significant(d) && d.mean < 0.0)
                .collect(),
        ),
        (
            "Not significantly different from it",
            known
                .iter()
                .filter(|(_, d)| shows(d) && !significant(d))
                .collect(),
        ),
        (
            "Neither worse nor better",
            known.iter().filter(|(_, d)| !shows(d)).collect(),
        ),
    ];
    let sentence = |(name, chosen): (&str, Vec<_>)| {
        (!chosen.is_empty()).then(|| format!("{name}: {}.", list(chosen)))
    };
    let mut sentences: Vec<String> = groups.into_iter().filter_map(sentence).collect();
    if !known.is_empty() && known.iter().all(|(_, d)| d.p.is_none()) {
        sentences.push(
            "There is one pair of runs per variant, so chance cannot be ruled out; `--seeds 3` allows a test.".into(),
        );
    }
    let lost: Vec<&str> = study
        .arms
        .iter()
        .filter(|a| a.diverged().is_some())
        .map(|a| a.variant.name.as_str())
        .collect();
    if !lost.is_empty() {
        sentences.push(format!("Diverged, in some run: {}.", lost.join(", ")));
    }
    sentences
}

/// Makes a table of the losses of predictors that are not models.
pub fn guides(floors: &Floors) -> Table {
    let columns = vec![
        Column::words("guess"),
        Column::numbers("loss"),
        Column::numbers("bits"),
    ];
    let mut table = Table::new(
        "Guides: losses in nats a token, on the same validation split",
        columns,
    );
    for guide in phrases::guides(floors) {
        let bits = guide.loss / std::f64::consts::LN_2;
        table.push(vec![
            TableCell::text(guide.name),
            TableCell::number(number::loss(guide.loss), guide.loss),
            TableCell::number(number::loss(bits), bits),
        ]);
    }
    table
}

/// Makes a table of every logged step of every run, for other programs. It contains no times.
pub fn curves(study: &Study) -> Table {
    let mut columns = vec![Column::words("variant")];
    columns.extend(["seed", "step", "lr", "loss", "val loss", "grad norm"].map(Column::numbers));
    let mut table = Table::new("Curves", columns);
    let exact = |x: f64| TableCell::number(number::short(x), x);
    for arm in &study.arms {
        for run in &arm.runs {
            let seed = TableCell::text(run.seed().to_string());
            for r in run.steps() {
                let val = r.val_loss.map_or_else(TableCell::default, exact);
                let step = TableCell::text(r.step.to_string());
                let numbers = [exact(r.lr), exact(r.loss), val, exact(r.grad_norm)];
                let mut row = vec![TableCell::text(&arm.variant.name), seed.clone(), step];
                row.extend(numbers);
                table.push(row);
            }
            if let Some((step, Some(loss))) = run.done() {
                let mut row = vec![
                    TableCell::text(&arm.variant.name),
                    seed.clone(),
                    TableCell::text(step.to_string()),
                ];
                row.extend([
                    TableCell::default(),
                    TableCell::default(),
                    exact(loss),
                    TableCell::default(),
                ]);
                table.push(row);
            }
        }
    }
    table
}

/// Makes a table of everything that was observed inside the runs, with one number per row.
pub fn observations(study: &Study) -> Table {
    let words = ["variant", "seed", "step", "measure", "at"].map(Column::words);
    let columns = words
        .into_iter()
        .chain([Column::numbers("value")])
        .collect();
    let mut table = Table::new("Observations inside the models", columns);
    for (arm, run) in study
        .arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)))
    {
        for observation in run.observations() {
            for series in &observation.series {
                for (at, value) in series.at.iter().zip(&series.values) {
                    table.push(vec![
                        TableCell::text(&arm.variant.name),
                        TableCell::text(run.seed().to_string()),
                        TableCell::text(observation.step.to_string()),
                        TableCell::text(&series.measure),
                        TableCell::text(at),
                        TableCell::number(number::short(*value), *value),
                    ]);
                }
            }
        }
    }
    table
}

/// Returns the question that the study answers.
pub fn question(study: &Study) -> &'static str {
    match study.kind {
        StudyKind::Run => "How did this model learn, and what does its loss mean?",
        StudyKind::Ablation => {
            "What does each part of the model do? Each variant breaks one part; all begin with the same weights \
             wherever shapes agree and see the same batches in the same order."
        }
        StudyKind::Sweep => "How does the loss depend on size and learning rate?",
    }
}

#[cfg(test)]
mod tests;
