//! `gptlab probe`: the inside of a checkpoint, on a prompt and a text.

mod asked;
mod pictures;
mod report;
mod tables;

use std::{fs, path::Path};

use gptlab_lab::probe::{Definition, Measure, ProbeError};
use gptlab_record::atomic;
use gptlab_report::{
    Table, page,
    table::{Cell, Column},
};

use self::{asked::Asked, report::Report, tables::Tables};
use crate::{
    args::ProbeArgs,
    exit::{ExitCode, Outcome, Stop},
    printer::{Printer, count},
};

/// Columns of a terminal to lay tables out for.
const WIDTH: usize = 120;

pub(super) fn run(args: &ProbeArgs, printer: Printer) -> Outcome {
    if args.measures {
        return Ok(show_measures(args.json.json, printer));
    }
    let mut asked = Asked::of(args)?;
    let report = Report::of(&mut asked)?;
    if let Some(folder) = &args.csv {
        write_csv(folder, &Tables::full(&report), printer)?;
    }
    if let Some(folder) = &args.pictures {
        page::write(folder, &pictures::files(&report))?;
        printer.note(format_args!(
            "pictures in {}",
            folder.join(pictures::PAGE).display()
        ));
    }
    if args.json.json {
        printer.json(&report);
    } else {
        show(&asked, &report, printer);
    }
    Ok(ExitCode::Success)
}

fn show_measures(json: bool, printer: Printer) -> ExitCode {
    let definitions = Measure::ALL.map(Measure::definition);
    if json {
        printer.json(&definitions);
    } else {
        printer.text(measures(&definitions).text(2 * WIDTH));
    }
    ExitCode::Success
}

/// What numbers mean.
fn measures(definitions: &[Definition]) -> Table {
    let titles = ["measure", "formula", "unit", "usual range", "source"];
    let mut table = Table::new("measures", titles.map(Column::words).to_vec());
    for d in definitions {
        table.push(
            [d.name, d.formula, d.unit, d.range, d.source]
                .map(Cell::text)
                .to_vec(),
        );
    }
    table
}

fn show(asked: &Asked, report: &Report, printer: Printer) {
    let model = asked.subject.model().spec();
    let attentions = &asked.subject.anatomy().attentions;
    let heads: usize = attentions.iter().map(|a| a.op.heads).sum();
    printer.line(format_args!(
        "checkpoint  {}: {}, {}, width {}, context {}, step {}",
        report.checkpoint,
        numbered(model.layers.len(), "block"),
        numbered(heads, "head"),
        model.n_embd,
        model.block_size,
        count(report.step),
    ));
    printer.line(format_args!(
        "prompt      {:?}, {}",
        report.tokens.concat(),
        numbered(report.tokens.len(), "token")
    ));
    if let Some(ablation) = &report.ablation {
        printer.line(format_args!(
            "text        {}, {}, loss {:.4}",
            report.text,
            numbered(ablation.predictions, "prediction"),
            ablation.loss
        ));
    }
    if let Some(repeated) = &report.repeated {
        printer.line(format_args!(
            "repeated    {} random tokens twice, {} times: loss {:.3} in the first half, {:.3} in the second",
            repeated.length, repeated.sequences, repeated.first_loss, repeated.second_loss
        ));
    }
    for (_, table) in Tables::short(report).0 {
        printer.line("");
        printer.line(&table.caption);
        printer.text(table.text(WIDTH));
    }
    if let Some(copied) = &report.copied {
        printer.line("");
        printer.line(copied_line(copied));
    }
    printer.note("`gptlab probe --measures` says what the numbers mean");
}

/// `1 token`, `2 tokens`.
fn numbered(n: usize, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {what}{plural}", count(n as u64))
}

fn copied_line(found: &report::CopiedReport) -> String {
    match &found.longest {
        None => format!(
            "copied      nothing of {} stands in {}",
            found.written, found.training
        ),
        Some(copied) => format!(
            "copied      {} characters of {}, from {}: {:?}, which stands at {} in {}",
            count(copied.length as u64),
            found.written,
            count(copied.at as u64),
            copied.text,
            count(copied.at_in_training as u64),
            found.training
        ),
    }
}

/// One file a table, and one that says what the numbers mean.
fn write_csv(folder: &Path, tables: &Tables, printer: Printer) -> Outcome<()> {
    fs::create_dir_all(folder).map_err(|e| Stop::file("create", folder, &e))?;
    let definitions = ("measures", measures(&Measure::ALL.map(Measure::definition)));
    for (name, table) in tables.0.iter().chain([&definitions]) {
        let path = folder.join(format!("{name}.csv"));
        atomic::write_bytes(&path, table.csv().as_bytes())?;
    }
    printer.note(format_args!(
        "{} tables in {}",
        tables.0.len() + 1,
        folder.display()
    ));
    Ok(())
}

impl From<ProbeError> for Stop {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Unknown(_) | ProbeError::Batch(_) => Self::data(error),
            ProbeError::Engine(_) => Self::failure(error),
            ProbeError::TooLong(..)
            | ProbeError::TooShort(_)
            | ProbeError::Unequal(..)
            | ProbeError::Answers(_)
            | ProbeError::NoDifference => Self::usage(error),
        }
    }
}
