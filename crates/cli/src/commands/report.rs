//! `gptlab report`: a page, tables and pictures of a run or of many.

use std::path::Path;

use gptlab_record::FileError;
use gptlab_report::{
    Study, StudyKind, ablation,
    page::{self, Extras},
    plot::{self, Glyphs, Line, Size},
};
use serde::Serialize;

use crate::{
    args::ReportArgs,
    exit::{ExitCode, Outcome, Stop},
    printer::Printer,
};

/// Of a terminal, in characters, where tables are to fit.
const WIDTH: usize = 110;

/// What `--json` prints.
#[derive(Serialize)]
struct Made {
    out: String,
    files: Vec<String>,
}

pub(super) fn run(args: &ReportArgs, printer: Printer) -> Outcome {
    let study = read(&args.folder)?;
    let extras = Extras {
        date: args.date.clone(),
        law: super::law::of(&study),
    };
    let files = page::files(&study, &extras);
    let out = args
        .out
        .clone()
        .unwrap_or_else(|| args.folder.join("report"));
    page::write(&out, &files)?;
    if args.json.json {
        printer.json(&Made {
            out: out.display().to_string(),
            files: files.into_iter().map(|file| file.name).collect(),
        });
    } else {
        printer.text(told(&study));
        printer.hint(format_args!("open {}", out.join(page::PAGE).display()));
    }
    Ok(ExitCode::Success)
}

/// The study in `folder`.
pub(super) fn read(folder: &Path) -> Outcome<Study> {
    if !folder.exists() {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let stop: Stop = FileError::io("read", folder)(missing).into();
        return Err(stop.hint("`gptlab train` makes a run, and says where"));
    }
    Study::read(folder).map_err(Stop::from)
}

fn told(study: &Study) -> String {
    match study.kind {
        StudyKind::Run => curve(study),
        StudyKind::Ablation | StudyKind::Sweep => {
            let answer: String = ablation::answer(study)
                .iter()
                .map(|line| line.clone() + "\n")
                .collect();
            format!("{}\n{answer}", ablation::table(study).text(WIDTH))
        }
    }
}

fn curve(study: &Study) -> String {
    let arm = study.arms.first();
    let run = arm.and_then(|arm| arm.runs.first());
    let points = run.map_or_else(Vec::new, gptlab_report::Run::curve);
    let line = Line {
        label: study.name.clone(),
        points: points
            .into_iter()
            .map(|(step, loss)| (step as f64, loss))
            .collect(),
    };
    let size = Size {
        width: 72,
        height: 12,
    };
    let outcome = arm.map_or_else(String::new, |arm| ablation::outcome(study, arm));
    format!(
        "{}\n{outcome}\n",
        plot::plot(&[line], size, Glyphs::Unicode)
    )
}
