//! `gptlab runs`: runs beside each other.

use std::path::{Path, PathBuf};

use gptlab_record::Store;
use gptlab_report::{RecordedRun, RunSummary, fitted_runs_table, runs_table};

use crate::{
    args::RunsArgs,
    exit::{CommandResult, ExitCode, Stop},
    folders::{self, RUNS, is_grid, no_run},
    printer::Printer,
};

pub(super) fn run(args: &RunsArgs, printer: Printer) -> CommandResult {
    let typed = match args.folders.as_slice() {
        [] => vec![PathBuf::from(RUNS)],
        typed => typed.to_vec(),
    };
    let mut found = Vec::new();
    for folder in &typed {
        found.extend(runs_in(folder)?);
    }
    let mut runs = Vec::new();
    for folder in found {
        match RecordedRun::read(&folder) {
            Ok(run) => runs.push(RunSummary::of(&run)),
            Err(error) => printer.warn(error),
        }
    }
    if args.json.json {
        printer.json(&runs);
        return Ok(ExitCode::Success);
    }
    if runs.is_empty() {
        return Err(match args.folders.as_slice() {
            [folder] => no_run(folder, "runs"),
            _ => Stop::data("expected runs, found none").hint("`gptlab train` makes one"),
        });
    }
    let (table, is_shortened) = match printer.fitted() {
        Some(width) => fitted_runs_table(&runs, width),
        None => (runs_table(&runs), false),
    };
    printer.line(format_args!("{}\n", table.caption));
    printer.text(table.text(printer.columns()));
    if is_shortened {
        printer.hint("`…` is a part left out of a long name; `gptlab runs | cat` shows it");
    }
    printer.hint("`gptlab report runs/NAME` shows one run on a page, `runs/*` compares all");
    Ok(ExitCode::Success)
}

/// Returns `folder` where it is a run, or the runs in it, by name. Those of a grid are in a folder
/// of their own.
fn runs_in(folder: &Path) -> CommandResult<Vec<PathBuf>> {
    if Store::exists(folder) {
        return Ok(vec![folder.to_owned()]);
    }
    let within = folder.join(RUNS);
    let folder = if is_grid(folder) { &within } else { folder };
    folders::runs_in(folder).map_err(|e| {
        Stop::file("read the folder", folder, &e)
            .hint("`gptlab train` keeps its runs in the folder `runs`")
    })
}
