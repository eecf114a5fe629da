//! `gptlab probe`: looks into a checkpoint, on a prompt and a text.

mod request;

use std::path::Path;

use gptlab_lab::probe::{
    Anatomy, Definition, Measure, ProbeError, ProbeReport, ProbedCheckpoint, Tables, VALUES_MARK,
    measures_table,
};
use gptlab_model::Choice;
use gptlab_recipe::Precision;
use gptlab_record::atomic;
use gptlab_report::words::{count, indented, plural};
use gptlab_report::{
    Table,
    page::{File, OutputFolder, Signature},
    probe::pictures,
};
use gptlab_train::{NonFinite, TrainedModel};

use super::{generate::checkpoint_path, report::place as report_place};
use crate::{
    args::ProbeArgs,
    checkpoint, engines,
    exit::{CommandResult, ExitCode, Stop},
    memory,
    printer::Printer,
};

pub(super) fn run(args: &ProbeArgs, printer: Printer) -> CommandResult {
    if args.measures {
        return Ok(show_measures(args.json.json, printer));
    }
    let csv = place(args.csv.as_deref(), "--csv DIR")?;
    let drawn = place(args.pictures.as_deref(), "--pictures DIR")?;
    let values = place(args.values.as_deref(), "--values DIR")?;
    let path = checkpoint_path(args.checkpoint.as_ref(), args.load.as_ref(), "probe")?;
    request::check(args)?;
    let non_finite = if args.non_finite {
        NonFinite::Allowed
    } else {
        NonFinite::Refused
    };
    let loaded = checkpoint::load_with(&path, non_finite)?;
    let device = engines::device(&args.machine, Precision::F32, printer)?;
    let request = request::of(args, &loaded)?;
    let name = path.display().to_string();
    let probe = request.prepare(ProbedCheckpoint {
        name: &name,
        header: &loaded.header,
        model: &loaded.model,
    })?;
    memory::check_probing(loaded.model.graph(), &device, probe.tokens())?;
    let report = probe.run(&device)?;
    if let Some((folder, place)) = csv {
        let files = csv_files(&Tables::full(&report));
        place.write(&files)?;
        printer.note(format_args!(
            "{} tables in {}",
            files.len(),
            folder.display()
        ));
    }
    if let Some((folder, place)) = drawn {
        let tables = Tables::short(&report).0.into_iter();
        let tables = tables.map(|(_, table)| table).collect();
        place.write(&pictures::files(&report, tables))?;
        printer.note(format_args!(
            "pictures in {}",
            folder.join(pictures::PAGE).display()
        ));
    }
    if let Some((folder, place)) = values {
        let values = probe.values(&device)?;
        place.write(&[])?;
        let path = folder.join(VALUES);
        atomic::write_bytes(&path, &values.file().map_err(Stop::failure)?)?;
        printer.note(format_args!(
            "{} named values in {}",
            count(values.count() as u64),
            path.display()
        ));
    }
    if args.json.json {
        printer.json(&report);
    } else {
        show(&loaded.model, &report, printer);
    }
    Ok(ExitCode::Success)
}

/// The table of definitions, which is written as CSV with all others.
const MEASURES: &str = "measures";
/// The file of the values inside a model.
const VALUES: &str = "values.safetensors";

/// Checks, before anything is probed, that results can be written into the typed folder. Tables,
/// pictures and values can share a folder.
fn place<'a>(
    folder: Option<&'a Path>,
    flag: &str,
) -> CommandResult<Option<(&'a Path, OutputFolder)>> {
    let signs = [
        Signature::page(pictures::PAGE),
        Signature::table(&format!("{MEASURES}.csv"), &all_measures()),
        Signature::text(VALUES, VALUES_MARK),
    ];
    let place = |folder: &'a Path| Ok((folder, report_place(folder, &signs, flag)?));
    folder.map(place).transpose()
}

fn all_measures() -> Table {
    measures_table(&Measure::definitions())
}

/// The smallest width at which the measures are a table.
const WIDE: usize = 120;

/// Formats the definition of a measure for lines of `width` characters.
fn entry(definition: &Definition, width: usize) -> String {
    let facts = [
        ("", definition.formula),
        ("unit: ", definition.unit),
        ("usual: ", definition.range),
        ("source: ", definition.source),
    ];
    let facts = facts.map(|(what, text)| indented(&format!("{what}{text}"), 4, width));
    format!("{}\n{}", definition.name, facts.concat())
}

fn show_measures(json: bool, printer: Printer) -> ExitCode {
    let definitions = Measure::definitions();
    if json {
        printer.json(&definitions);
    } else {
        let width = printer.columns();
        if width >= WIDE {
            printer.text(measures_table(&definitions).text(width));
        } else {
            let entries = definitions.iter().map(|d| entry(d, width));
            printer.text(entries.collect::<Vec<_>>().join("\n"));
        }
    }
    ExitCode::Success
}

/// The number of predictions below which the loss without a part is mostly noise: losses of single
/// tokens differ by about a nat, and parts by some hundredths.
const FEW: usize = 256;

fn show(trained: &TrainedModel, report: &ProbeReport, printer: Printer) {
    let model = trained.model().spec();
    let anatomy = Anatomy::of(trained.graph(), model.layers.len());
    let heads: usize = anatomy.attentions.iter().map(|a| a.op.heads).sum();
    printer.line(format_args!(
        "checkpoint  {}: {}, {}, width {}, context {}, step {}",
        report.checkpoint,
        plural(model.layers.len(), "block"),
        plural(heads, "head"),
        model.n_embd,
        model.block_size,
        count(report.step),
    ));
    printer.line(format_args!(
        "prompt      {:?}, {}",
        report.tokens.concat(),
        plural(report.tokens.len(), "token")
    ));
    if report.trained_in != report.precision {
        printer.line(format_args!(
            "precision   {} here; the model was trained in {}, and `gptlab eval` measures it so",
            report.precision.name(),
            report.trained_in.name()
        ));
    }
    if let Some(ablation) = &report.ablation {
        printer.line(format_args!(
            "text        {}, {}, loss {:.4}",
            report.text,
            plural(ablation.predictions, "prediction"),
            ablation.loss
        ));
        if ablation.predictions < FEW {
            printer
                .line("            So few say little about the parts; `--data FILE` reads a text.");
        }
    }
    if let Some(repeated) = &report.repeated {
        printer.line(format_args!(
            "repeated    {} twice, {}: loss {:.3} in the first half, {:.3} in the second",
            plural(repeated.length, "random token"),
            plural(repeated.sequences, "time"),
            repeated.first_loss,
            repeated.second_loss
        ));
    }
    for (_, table) in Tables::short(report).0 {
        printer.line("");
        printer.line(&table.caption);
        printer.text(table.text(printer.columns()));
    }
    if let Some(copied) = &report.copied {
        printer.line("");
        printer.line(format_args!("copied      {}", copied.text()));
    }
    printer.note("`gptlab probe --measures` says what the numbers mean");
}

/// Returns one file per table, after one that explains the numbers.
fn csv_files(tables: &Tables) -> Vec<File> {
    let measures = (MEASURES, all_measures());
    let all = [&measures].into_iter().chain(&tables.0);
    all.map(|(name, table)| File::new(format!("{name}.csv"), table.csv()))
        .collect()
}

impl From<ProbeError> for Stop {
    fn from(error: ProbeError) -> Self {
        match error {
            ProbeError::Corpus(e) => e.into(),
            ProbeError::NoPrompt => Self::usage(
                "probe needs --prompt or --data: the checkpoint was not trained on a built-in text",
            ),
            ProbeError::NoTrainText => Self::usage(
                "copied needs --train-text: the checkpoint was not trained on a built-in text",
            ),
            ProbeError::Unknown(_) | ProbeError::Batch(_) | ProbeError::Decode(_) => {
                Self::data(error)
            }
            ProbeError::Engine(_) => Self::failure(error),
            ProbeError::TooLong(..)
            | ProbeError::TooShort(_)
            | ProbeError::Unequal(..)
            | ProbeError::Answers(_)
            | ProbeError::NoCorruption
            | ProbeError::NoDifference { .. } => Self::usage(error),
        }
    }
}
