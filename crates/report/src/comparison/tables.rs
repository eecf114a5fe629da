//! Tables with a row or a column for each run.

use gptlab_record::Floors;

use super::{Comparison, LabelledRun, LossGroup, LossUnit, RunStatus};
use crate::{
    RecordedRun, Table, number, phrases,
    table::{Column, TableCell},
    words::{count, duration},
};

/// The title of the column that compares losses with n-gram baselines.
pub(super) const BASELINES: &str = "beside n-gram baselines";
/// The most runs that have a column each in the table of settings; more have a row each.
const MOST_COLUMNS: usize = 4;

impl RunStatus {
    /// Returns its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Unfinished => "unfinished",
            Self::Diverged => "diverged",
        }
    }
}

impl Comparison {
    /// Makes the table of a group's runs, the lowest loss first.
    pub fn table(&self, group: &LossGroup) -> Table {
        let columns = vec![
            Column::words("run"),
            Column::words("status"),
            Column::numbers("last"),
            Column::numbers("best"),
            Column::numbers("parameters"),
            Column::numbers("steps"),
            Column::numbers("tokens"),
            Column::numbers("time").on_screen(),
            Column::words(BASELINES),
        ];
        let caption = format!(
            "Validation losses on {}, {}: the last one, and the lowest on the way",
            group.name,
            group.unit.title()
        );
        let mut table = Table::new(&caption, columns);
        for run in self.runs_of(group) {
            table.push(row(run, group.unit));
        }
        table.without_empty_columns()
    }

    /// Makes a table of all runs for other programs, with losses in nats per token.
    pub fn csv(&self) -> Table {
        let mut columns = ["run", "text", "status"].map(Column::words).to_vec();
        let numbers = [
            "seed",
            "parameters",
            "steps",
            "planned steps",
            "tokens",
            "val loss",
            "best val loss",
            "best step",
            "bits per character",
        ];
        columns.extend(numbers.map(Column::numbers));
        let mut table = Table::new("Runs", columns);
        for group in &self.groups {
            for run in self.runs_of(group) {
                table.push(csv_row(run, group.unit));
            }
        }
        table
    }

    /// Makes the table of the settings in which runs differ: a row for each setting, or for each
    /// run where these are many.
    pub fn settings_table(&self) -> Table {
        if self.runs.len() > MOST_COLUMNS {
            return self.settings_by_run();
        }
        let mut columns = vec![Column::words("setting")];
        columns.extend(self.runs.iter().map(|run| Column::words(&run.label)));
        let mut table = Table::new(SETTINGS, columns);
        for setting in &self.settings {
            let mut row = vec![TableCell::text(&setting.words)];
            row.extend(setting.values.iter().map(|v| value(v.as_ref())));
            table.push(row);
        }
        table
    }

    /// Makes the table of the settings in which runs differ, with a row for each run.
    pub fn settings_by_run(&self) -> Table {
        let mut columns = vec![Column::words("run")];
        columns.extend(self.settings.iter().map(|s| Column::words(&s.words)));
        let mut table = Table::new(SETTINGS, columns);
        for (i, run) in self.runs.iter().enumerate() {
            let mut row = vec![TableCell::text(&run.label)];
            let values = self.settings.iter().map(|s| s.values.get(i));
            row.extend(values.map(|v| value(v.and_then(Option::as_ref))));
            table.push(row);
        }
        table
    }

    /// Makes a table of every logged step of every run, for other programs. It contains no times.
    pub fn curves(&self) -> Table {
        let mut columns = vec![Column::words("run")];
        let numbers = [
            "seed",
            "step",
            "tokens",
            "lr",
            "loss",
            "val loss",
            "bits per character",
            "grad norm",
        ];
        columns.extend(numbers.map(Column::numbers));
        let mut table = Table::new("Curves", columns);
        for run in &self.runs {
            curve_rows(run, &mut table);
        }
        table
    }

    /// Returns the n-gram baselines of the runs, each once, with the runs that they belong to.
    pub fn baselines(&self) -> Vec<(Vec<&LabelledRun>, &Floors)> {
        let mut found: Vec<(Vec<&LabelledRun>, &Floors)> = Vec::new();
        for run in &self.runs {
            let Some(floors) = &run.run.floors else {
                continue;
            };
            match found.iter_mut().find(|(_, known)| *known == floors) {
                Some((runs, _)) => runs.push(run),
                None => found.push((vec![run], floors)),
            }
        }
        found
    }
}

const SETTINGS: &str = "The settings in which the runs differ";

fn value(value: Option<&String>) -> TableCell {
    TableCell::text(value.map_or("absent", String::as_str))
}

fn row(run: &LabelledRun, unit: LossUnit) -> Vec<TableCell> {
    let summary = &run.summary;
    let last_loss = run.loss(LossUnit::NatsPerToken);
    let floors = run.run.floors.as_ref();
    let steps = match run.status {
        RunStatus::Finished => count(summary.steps),
        RunStatus::Stopped | RunStatus::Unfinished | RunStatus::Diverged => {
            format!("{} of {}", count(summary.steps), count(summary.of))
        }
    };
    vec![
        TableCell::text(&run.label),
        TableCell::text(run.status.name()),
        loss(run.loss(unit)),
        loss(run.best(unit).map(|(_, loss)| loss)),
        summary
            .parameters
            .map_or_else(TableCell::default, TableCell::count),
        TableCell::text(steps),
        run.tokens()
            .map_or_else(TableCell::default, TableCell::count),
        TableCell::number(duration(summary.seconds), summary.seconds),
        TableCell::text(floors.map_or_else(String::new, |f| phrases::nearest(last_loss, f))),
    ]
}

fn loss(loss: Option<f64>) -> TableCell {
    loss.map_or_else(TableCell::default, |loss| {
        TableCell::number(number::loss(loss), loss)
    })
}

fn csv_row(run: &LabelledRun, unit: LossUnit) -> Vec<TableCell> {
    let summary = &run.summary;
    let whole = |n: Option<u64>| n.map_or_else(TableCell::default, TableCell::count);
    let best = run.best(LossUnit::NatsPerToken);
    let bits = match unit {
        LossUnit::NatsPerToken => None,
        LossUnit::BitsPerCharacter => run.loss(unit),
    };
    vec![
        TableCell::text(&run.label),
        TableCell::text(&summary.text),
        TableCell::text(run.status.name()),
        TableCell::text(run.run.seed().to_string()),
        whole(summary.parameters),
        whole(Some(summary.steps)),
        whole(Some(summary.of)),
        whole(run.tokens()),
        loss(run.loss(LossUnit::NatsPerToken)),
        loss(best.map(|(_, loss)| loss)),
        whole(best.map(|(step, _)| step)),
        loss(bits),
    ]
}

fn curve_rows(run: &LabelledRun, table: &mut Table) {
    let exact = |x: f64| TableCell::number(number::short(x), x);
    let maybe = |x: Option<f64>| x.map_or_else(TableCell::default, exact);
    let start = |step: u64| {
        let tokens = run.run.tokens_per_step().map(|tokens| tokens * step as f64);
        vec![
            TableCell::text(&run.label),
            TableCell::text(run.run.seed().to_string()),
            TableCell::text(step.to_string()),
            TableCell::text(tokens.map_or_else(String::new, |tokens| tokens.to_string())),
        ]
    };
    for record in run.run.steps() {
        let mut row = start(record.step);
        row.extend([exact(record.lr), exact(record.loss)]);
        row.extend([record.val_loss, record.val_bits_per_char].map(maybe));
        row.push(exact(record.grad_norm));
        table.push(row);
    }
    if let Some((step, Some(loss))) = RecordedRun::done(&run.run) {
        let bits = run.curve(LossUnit::BitsPerCharacter).pop();
        let bits = bits.filter(|(at, _)| *at == step).map(|(_, bits)| bits);
        let mut row = start(step);
        row.extend([TableCell::default(), TableCell::default()]);
        row.extend([exact(loss), maybe(bits), TableCell::default()]);
        table.push(row);
    }
}
