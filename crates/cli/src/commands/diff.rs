//! `gptlab diff`: compares two runs.

use std::path::Path;

use gptlab_record::Store;
use gptlab_report::{
    RecordedRun,
    diff::{self, ComparedRun},
    plot::Glyphs,
};

use crate::{
    args::DiffArgs,
    checkpoint,
    exit::{CommandResult, ExitCode, Stop},
    folders::no_run,
    printer::Printer,
};

pub(super) fn run(args: &DiffArgs, printer: Printer) -> CommandResult {
    let found = diff::compare(&side(&args.a)?, &side(&args.b)?);
    if args.json.json {
        printer.json(&found);
    } else {
        printer.lines(&found.text(printer.columns(), Glyphs::Unicode));
    }
    Ok(if found.equal {
        ExitCode::Success
    } else {
        ExitCode::Different
    })
}

/// Reads one side. As in `diff`, exit code 1 means a difference, so a read error has 3.
fn side(path: &Path) -> CommandResult<ComparedRun> {
    let read = if path.is_dir() {
        of_run(path)
    } else {
        of_checkpoint(path)
    };
    read.map_err(|stop| Stop {
        code: ExitCode::Data,
        ..stop
    })
}

fn of_run(folder: &Path) -> CommandResult<ComparedRun> {
    if !Store::exists(folder) {
        return Err(no_run(folder, "the folder of a run or a checkpoint"));
    }
    let run = RecordedRun::read(folder)?;
    let compared = ComparedRun::of_run(&folder.display().to_string(), &run);
    compared.map_err(|error| unwritable(folder, &error))
}

fn unwritable(path: &Path, error: &serde_json::Error) -> Stop {
    Stop::failure(format_args!(
        "cannot compare the settings of {}: {error}",
        path.display()
    ))
}

fn of_checkpoint(path: &Path) -> CommandResult<ComparedRun> {
    let checkpoint = checkpoint::open(path)?;
    let header = checkpoint.header();
    let spec = diff::settings_json(&header.spec).map_err(|error| unwritable(path, &error))?;
    Ok(ComparedRun {
        name: path.display().to_string(),
        settings: serde_json::json!({
            "spec": spec,
            "vocab_size": checkpoint.model().vocab_size(),
            "tokenizer": header.tokenizer,
            "seed": header.seed,
            "hyper": header.hyper,
            "data": header.data,
        }),
        listing: checkpoint.graph().to_string(),
        events: Vec::new(),
        knows: diff::KnownSettings::Part,
    })
}
