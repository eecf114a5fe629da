//! The tables of a study: losses, predictions and outcomes, and n-gram baselines.

mod answer;

use gptlab_record::{CorrectedDifference, Floors, PairedDifference, TunedRow};

use crate::{
    Arm, RecordedRun, Study, StudyKind, Table, number, phrases,
    table::{Column, TableCell},
    words,
};

pub use answer::{answer, compared, expected, prediction_verdict};

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
        Column::numbers("corrected 95 % CI"),
        Column::numbers("corrected p"),
        Column::words("verdict"),
        Column::numbers("skill loss"),
        Column::numbers("grad norm"),
        Column::numbers("parameters"),
        Column::words("diverged"),
        Column::words("against n-gram baselines"),
        Column::numbers("tokens/s").on_screen(),
    ];
    let mut table = Table::new("Validation losses in nats per token", columns);
    for arm in &study.arms {
        table.push(row(study, arm));
    }
    table.without_empty_columns()
}

fn row(study: &Study, arm: &Arm) -> Vec<TableCell> {
    let difference = arm.row.as_ref().and_then(|row| row.difference);
    let deviation = arm.row.as_ref().and_then(|row| row.deviation);
    let speeds: Vec<f64> = arm
        .runs
        .iter()
        .filter_map(crate::RecordedRun::tokens_per_second)
        .collect();
    let corrected = difference.and_then(|d| d.corrected);
    let verdict = study
        .verdict(arm)
        .map_or("", |found| answer::verdict(found.verdict));
    let floors = study.floors.as_ref();
    vec![
        TableCell::text(&arm.variant.name),
        numeric(arm.loss(), number::loss),
        numeric(deviation, number::loss),
        numeric(difference.map(|d| d.mean), number::signed),
        TableCell::text(interval(difference.and_then(|d| d.low.zip(d.high)))),
        numeric(difference.and_then(|d| d.p), number::p_value),
        TableCell::text(corrected_interval(corrected)),
        numeric(corrected.and_then(|c| c.p), number::p_value),
        TableCell::text(verdict),
        numeric(arm.mean_of(|o| o.skill_loss), number::loss),
        numeric(arm.mean_of(|o| o.grad_norm), number::short),
        if arm.concealed {
            TableCell::default()
        } else {
            TableCell::count(arm.variant.parameters)
        },
        TableCell::text(diverged(arm)),
        TableCell::text(
            floors.map_or_else(String::new, |floors| phrases::nearest(arm.loss(), floors)),
        ),
        numeric(crate::study::mean(&speeds), |x| {
            words::count(x.round() as u64)
        }),
    ]
}

/// Makes the table that a terminal shows: the columns that decide, at the value that all variants
/// share if a setting was tuned.
pub fn short_table(study: &Study) -> Table {
    let is_corrected = |d: PairedDifference| d.corrected.is_some_and(|c| c.comparisons > 1);
    let mut differences = study
        .arms
        .iter()
        .filter_map(|arm| arm.row.as_ref()?.difference);
    let corrected = study.concludes() && differences.any(is_corrected);
    let columns = vec![
        Column::words("variant"),
        Column::numbers("val loss"),
        Column::numbers("difference"),
        Column::numbers(if corrected {
            "corrected 95 % CI"
        } else {
            "95 % CI"
        }),
        Column::numbers(if corrected { "corrected p" } else { "p" }),
        Column::numbers("skill loss"),
    ];
    let mut table = Table::new("Validation losses in nats per token", columns);
    for arm in study.arms.iter().filter(|arm| study.is_shared(arm)) {
        let difference = arm.row.as_ref().and_then(|row| row.difference);
        let mut row = vec![
            TableCell::text(study.shared_name(&arm.variant.name)),
            numeric(arm.loss(), number::loss),
        ];
        row.extend(deciding(difference, study.concludes()));
        row.push(numeric(arm.mean_of(|o| o.skill_loss), number::loss));
        table.push(row);
    }
    table.without_empty_columns()
}

/// Makes the cells of the difference, its interval and its p, as they decide. If the grid concludes
/// nothing, only the difference is filled in.
fn deciding(difference: Option<PairedDifference>, concludes: bool) -> [TableCell; 3] {
    let tested = difference.filter(|_| concludes);
    let p = tested.and_then(|d| d.corrected.map_or(d.p, |c| c.p));
    [
        numeric(difference.map(|d| d.mean), number::signed),
        TableCell::text(interval(tested.and_then(|d| d.interval()))),
        numeric(p, number::p_value),
    ]
}

/// Makes a table with a row for each variant at its best value of the setting that was tuned;
/// `None` if none was.
pub fn tuned_table(study: &Study) -> Option<Table> {
    let setting = &study.tuned_setting.as_ref()?.setting;
    let best = format!("best {setting}");
    let columns = vec![
        Column::words("variant"),
        Column::numbers(&best),
        Column::numbers("val loss"),
        Column::numbers("difference"),
        Column::numbers("95 % CI"),
        Column::numbers("p"),
        Column::words("verdict"),
    ];
    let caption =
        format!("Each variant at its best {setting}: validation losses in nats per token");
    let mut table = Table::new(&caption, columns);
    for tuned in &study.tuned {
        table.push(tuned_row(tuned));
    }
    Some(table.without_empty_columns())
}

fn tuned_row(tuned: &TunedRow) -> Vec<TableCell> {
    let mut row = vec![
        TableCell::text(&tuned.variant),
        TableCell::number(number::short(tuned.value), tuned.value),
        TableCell::number(number::loss(tuned.mean), tuned.mean),
    ];
    row.extend(deciding(tuned.difference, true));
    row.push(TableCell::text(answer::verdict(tuned.verdict)));
    row
}

fn numeric(x: Option<f64>, say: impl Fn(f64) -> String) -> TableCell {
    x.map_or_else(TableCell::default, |x| TableCell::number(say(x), x))
}

fn interval(bounds: Option<(f64, f64)>) -> String {
    bounds.map_or_else(String::new, |(low, high)| {
        format!("{} to {}", number::signed(low), number::signed(high))
    })
}

fn corrected_interval(corrected: Option<CorrectedDifference>) -> String {
    interval(corrected.and_then(|c| c.low.zip(c.high)))
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
    let columns = [
        "variant",
        "prediction",
        "expected difference",
        "verdict",
        "what happened",
    ];
    let columns = columns.map(Column::words).to_vec();
    let mut table = Table::new("Predictions, made before the runs, and outcomes", columns);
    for arm in &study.arms {
        let range = arm.variant.expected.map(expected).unwrap_or_default();
        let verdict = study.verdict(arm).and_then(|found| found.prediction);
        table.push(vec![
            TableCell::text(&arm.variant.name),
            TableCell::text(&arm.variant.prediction),
            TableCell::text(range),
            TableCell::text(verdict.map_or("", answer::prediction)),
            TableCell::text(outcome(study, arm)),
        ]);
    }
    table.without_empty_columns()
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
    parts.extend(compared(study, arm));
    if parts.is_empty() {
        let kept = arm.runs.iter().any(RecordedRun::keeps_validation);
        parts.push(if kept || arm.runs.is_empty() {
            "No run has a finite loss.".to_owned()
        } else {
            "There is no validation loss: nothing of the text was kept for validation.".to_owned()
        });
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
            let all = words::plural(all as usize, "step");
            format!("The run has made {made} of {all}, and has not ended.")
        },
    )
}

/// Makes a table of the losses of n-gram baselines, of uniform guessing and of the text's entropy.
pub fn guides(floors: &Floors) -> Table {
    let columns = vec![
        Column::words("baseline"),
        Column::numbers("loss"),
        Column::numbers("bits"),
    ];
    let mut table = Table::new(
        "N-gram baselines: losses in nats per token, on the same validation split",
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
        StudyKind::Published => {
            "Do published results agree with ours? Each variant is a recipe that others have measured."
        }
        StudyKind::Sweep => "How does the loss depend on size and learning rate?",
    }
}

#[cfg(test)]
mod tests;
