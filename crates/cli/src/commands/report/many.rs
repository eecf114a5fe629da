//! The report of several runs, which no grid planned.

use std::path::{Path, PathBuf};

use gptlab_record::{Floors, Store, read_grid};
use gptlab_report::{
    Comparison, RecordedRun,
    comparison::story,
    page::{self, Signature, WrittenReport, comparison_files},
};

use super::{baselines_of_one, place, same_predictions, say_left_out};
use crate::{
    args::ReportArgs,
    exit::{CommandResult, ExitCode, Stop},
    folders::no_run,
    printer::Printer,
};

/// The folder of the report, in the working folder.
const OUT: &str = "comparison";

/// Returns the typed folders, without those that are the same folder as an earlier one.
pub(super) fn distinct(typed: &[PathBuf]) -> Vec<PathBuf> {
    let mut known: Vec<PathBuf> = Vec::new();
    let mut folders = Vec::new();
    for folder in typed {
        let whole = whole(folder);
        if !known.contains(&whole) {
            known.push(whole);
            folders.push(folder.clone());
        }
    }
    folders
}

/// Returns the whole path of a file or folder, as far as it exists.
fn whole(path: &Path) -> PathBuf {
    if let Ok(whole) = path.canonicalize() {
        return whole;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) if parent == Path::new("") => whole(Path::new(".")).join(name),
        (Some(parent), Some(name)) => whole(parent).join(name),
        (_, _) => path.to_owned(),
    }
}

pub(super) fn run(folders: &[PathBuf], args: &ReportArgs, printer: Printer) -> CommandResult {
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(OUT));
    outside(&out, folders)?;
    let place = place(&out, &[Signature::page(page::PAGE)], "--out DIR")?;
    let mut runs = Vec::new();
    for folder in folders {
        if is_grid(folder)? {
            printer.warn(format_args!(
                "left out {0}, a grid: `gptlab report {0}` makes its page",
                folder.display()
            ));
        } else {
            runs.push((folder.display().to_string(), read(folder)?));
        }
    }
    if runs.is_empty() {
        return Err(Stop::data("expected runs to compare, found grids only")
            .hint("`gptlab report GRID` makes the page of a grid"));
    }
    let unwritable = |error| Stop::failure(format_args!("cannot compare the settings: {error}"));
    let mut comparison = Comparison::of(runs).map_err(unwritable)?;
    add_baselines(&mut comparison, folders)?;
    left_out(&comparison, printer);
    let files = comparison_files(&comparison, args.date.as_deref());
    place.write(&files)?;
    if args.json.json {
        printer.json(&comparison.written(WrittenReport {
            out: out.display().to_string(),
            files: files.into_iter().map(|file| file.name).collect(),
        }));
    } else {
        printer.text(story(&comparison, printer.columns()));
        printer.hint(format_args!("open {}", out.join(page::PAGE).display()));
    }
    Ok(ExitCode::Success)
}

/// Refuses a folder of the report inside one of the runs, which it does not belong to.
fn outside(out: &Path, folders: &[PathBuf]) -> CommandResult<()> {
    let place = whole(out);
    let around = folders.iter().find(|run| place.starts_with(whole(run)));
    around.map_or(Ok(()), |run| {
        let message = format_args!(
            "{}: expected a folder outside of the runs, found one inside of {}",
            out.display(),
            run.display()
        );
        Err(Stop::usage(message).hint("name another folder: --out DIR"))
    })
}

fn is_grid(folder: &Path) -> CommandResult<bool> {
    Ok(folder.is_dir() && read_grid(folder)?.is_some())
}

/// Reads one of several runs.
fn read(folder: &Path) -> CommandResult<RecordedRun> {
    if Store::exists(folder) {
        return Ok(RecordedRun::read(folder)?);
    }
    Err(no_run(folder, "the folder of a run (experiment.json)"))
}

/// Gives each run the n-gram baselines of its text. Runs whose losses are over the same predictions
/// share them.
fn add_baselines(comparison: &mut Comparison, folders: &[PathBuf]) -> CommandResult<()> {
    let mut known: Vec<(RecordedRun, Option<Floors>)> = Vec::new();
    for run in &mut comparison.runs {
        let same = |(other, _): &&(RecordedRun, _)| {
            same_predictions(&other.experiment, &run.run.experiment)
                && other.whole_loss.is_some() == run.run.whole_loss.is_some()
        };
        let floors = known.iter().find(same).map(|(_, floors)| floors.clone());
        run.run.floors = if let Some(floors) = floors {
            floors
        } else {
            let folder = folders.get(run.typed);
            let folder = folder.map_or(Path::new(""), PathBuf::as_path);
            let floors = baselines_of_one(&run.run, folder)?;
            known.push((run.run.clone(), floors.clone()));
            floors
        };
    }
    Ok(())
}

/// Says which texts are too large to be read, each once.
fn left_out(comparison: &Comparison, printer: Printer) {
    let mut told: Vec<&str> = Vec::new();
    for run in &comparison.runs {
        let data = &run.run.experiment.data;
        if !told.contains(&data.fingerprint.as_str()) {
            told.push(&data.fingerprint);
            say_left_out(data, printer);
        }
    }
}
