//! `gptlab report`: writes a page, tables and pictures of one or more runs.

use std::path::Path;

use gptlab_lab::ngram;
use gptlab_record::{FileError, Floors};
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
    printer::Printer,
    text,
};

/// Characters of a line on a terminal.
const WIDTH: usize = 80;
/// The longest n-grams of the guides.
const ORDERS: usize = 6;

pub(super) fn run(args: &ReportArgs, printer: Printer) -> CommandResult {
    let study = read(&args.folder)?;
    say_left_out(&study, printer);
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| args.folder.join("report"));
    let place = place(&out, &[Signature::page(page::PAGE)], "--out DIR")?;
    let extras = extras(&study, &args.folder, args.date.clone())?;
    let files = page::files(&study, &extras);
    place.write(&files)?;
    if args.json.json {
        printer.json(&WrittenReport {
            out: out.display().to_string(),
            files: files.into_iter().map(|file| file.name).collect(),
        });
    } else {
        printer.text(terminal_text(&study));
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
    let mut study = Study::read(folder)?;
    match study.kind {
        StudyKind::Run => {
            let run = study.arms.first().and_then(|arm| arm.runs.first());
            study.floors = run.and_then(guides).or(study.floors);
        }
        StudyKind::Ablation | StudyKind::Sweep => {}
    }
    Ok(study)
}

/// Returns the floors of a run's text, if it is available, over the same predictions as the run's
/// last loss.
pub(super) fn guides(run: &RecordedRun) -> Option<Floors> {
    let experiment = &run.experiment;
    let text = text::of_record(&experiment.data)?;
    let batches = rebuild_batches(experiment, &text)?;
    let most = match run.whole_loss {
        Some(_) => u64::MAX,
        None => experiment.intervals.val_tokens,
    };
    ngram::floors(&text, &batches, most, ORDERS).ok()
}

/// Reports which texts are too large to be read.
pub(super) fn say_left_out(study: &Study, printer: Printer) {
    if let Some(sentence) = text::left_out(&study.data) {
        printer.warn(sentence);
    }
}

/// The study as a terminal shows it.
pub(super) fn terminal_text(study: &Study) -> String {
    story(study, WIDTH)
}
