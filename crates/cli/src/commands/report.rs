//! `gptlab report`: writes a page, tables and pictures of one or more runs.

mod many;

use std::path::Path;

use gptlab_lab::{ngram, switches::current_name};
use gptlab_record::{DataRecord, Experiment, FileError, Floors, grid_of, read_results};
use gptlab_report::{
    RecordedRun, Study, StudyKind,
    page::{self, Extras, OutputFolder, Signature, WrittenReport},
    story,
};
use gptlab_train::rebuild_batches;

use super::{inside, scaling_law};
use crate::{
    args::ReportArgs,
    exit::{CommandResult, ExitCode, Stop},
    folders::no_run,
    printer::Printer,
    text,
};

/// The length of the longest n-grams among the baselines.
const ORDERS: usize = 6;

pub(super) fn run(args: &ReportArgs, printer: Printer) -> CommandResult {
    match many::distinct(&args.folders).as_slice() {
        [folder] => run_one(folder, args, printer),
        folders => many::run(folders, args, printer),
    }
}

fn run_one(folder: &Path, args: &ReportArgs, printer: Printer) -> CommandResult {
    let study = read(folder)?;
    say_left_out(&study.data, printer);
    let out = args.out.clone().unwrap_or_else(|| folder.join("report"));
    let place = place(&out, &[Signature::page(page::PAGE)], "--out DIR")?;
    let extras = extras(&study, folder, args.date.clone())?;
    let files = page::files(&study, &extras);
    place.write(&files)?;
    if args.json.json {
        printer.json(&WrittenReport {
            out: out.display().to_string(),
            files: files.into_iter().map(|file| file.name).collect(),
        });
    } else {
        printer.text(terminal_text(&study, printer.columns()));
        printer.hint(format_args!("open {}", out.join(page::PAGE).display()));
    }
    Ok(ExitCode::Success)
}

/// Checks that the folder named by `flag` can take our files.
pub(super) fn place(folder: &Path, signs: &[Signature], flag: &str) -> CommandResult<OutputFolder> {
    OutputFolder::of(folder, signs).map_err(|error| {
        let foreign = matches!(error, FileError::Wrong { .. });
        let stop = Stop::from(error);
        if foreign {
            stop.hint(format!("name a new folder: {flag}"))
        } else {
            stop
        }
    })
}

/// Collects what a report needs and the record does not hold.
pub(super) fn extras(study: &Study, folder: &Path, date: Option<String>) -> CommandResult<Extras> {
    Ok(Extras {
        date,
        scaling_law: scaling_law::of(study),
        inside: inside::of(study, folder)?,
    })
}

/// Reads the study in `folder`.
pub(super) fn read(folder: &Path) -> CommandResult<Study> {
    if !folder.exists() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let stop: Stop = FileError::io("read", folder)(missing).into();
        return Err(stop.hint("`gptlab train` makes a run, and says where"));
    }
    if folder.is_file() {
        return Err(no_run(folder, "the folder of a run or a grid"));
    }
    let mut study = Study::read(folder)?;
    study.rename(current_name);
    match study.kind {
        StudyKind::Run => {
            let run = study.arms.first().and_then(|arm| arm.runs.first());
            let own = run.map(|run| baselines_of_one(run, folder)).transpose()?;
            study.floors = own.flatten().or(study.floors);
        }
        StudyKind::Ablation | StudyKind::Sweep | StudyKind::Published => add_baselines(&mut study),
    }
    Ok(study)
}

/// Returns the n-gram baselines of the run in `folder`; if its text is gone, its grid may know.
fn baselines_of_one(run: &RecordedRun, folder: &Path) -> CommandResult<Option<Floors>> {
    let own = baselines(run);
    if own.is_none() && run.ends_whole() {
        return around(folder);
    }
    Ok(own)
}

/// Gives n-gram baselines of their own to the runs of a grid whose last loss is over other
/// predictions than the grid's baselines. Equal runs but for the seed share them.
fn add_baselines(study: &mut Study) {
    let mut known: Vec<(Experiment, Option<Floors>)> = Vec::new();
    for at in 0..study.arms.len() {
        for i in 0..study.arms[at].runs.len() {
            let run = &study.arms[at].runs[i];
            if study.floors_of(run).is_some() {
                continue;
            }
            let same = |(other, _): &&(Experiment, _)| same_predictions(other, &run.experiment);
            let floors = known.iter().find(same).map(|(_, floors)| floors.clone());
            let floors = floors.unwrap_or_else(|| {
                let floors = baselines(run);
                known.push((run.experiment.clone(), floors.clone()));
                floors
            });
            study.arms[at].runs[i].floors = floors;
        }
    }
}

/// Returns whether the losses that two unfinished runs log are over the same predictions.
fn same_predictions(a: &Experiment, b: &Experiment) -> bool {
    a.spec.block_size == b.spec.block_size
        && a.intervals.val_tokens == b.intervals.val_tokens
        && a.tokenizer == b.tokenizer
        && a.data == b.data
}

/// Returns the n-gram baselines of the grid that the run belongs to.
fn around(run: &Path) -> CommandResult<Option<Floors>> {
    let Some((folder, _)) = grid_of(run) else {
        return Ok(None);
    };
    Ok(read_results(&folder)?.map(|results| results.floors))
}

/// Returns the n-gram baselines of a run's text, over the same predictions as the run's last loss;
/// `None` if the text is no longer available.
fn baselines(run: &RecordedRun) -> Option<Floors> {
    let experiment = &run.experiment;
    let text = text::of_record(&experiment.data)?;
    let batches = rebuild_batches(experiment, &text)?;
    let most = match run.whole_loss {
        Some(_) => u64::MAX,
        None => experiment.intervals.val_tokens,
    };
    ngram::baselines(&text, &batches, most, ORDERS).ok()
}

/// Reports which texts are too large to be read.
pub(super) fn say_left_out(data: &DataRecord, printer: Printer) {
    if let Some(sentence) = text::left_out(data) {
        printer.warn(sentence);
    }
}

/// Returns the study as a terminal shows it.
pub(super) fn terminal_text(study: &Study, width: usize) -> String {
    let law = scaling_law::sentence(study);
    story(study, law.as_deref(), width)
}
