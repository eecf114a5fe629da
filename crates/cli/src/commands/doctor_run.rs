//! `gptlab doctor RUN`: what ails a run.

use std::path::{Path, PathBuf};

use gptlab_record::{Floors, read_grid, read_results};
use gptlab_report::{
    Study, StudyKind,
    doctor::{self, Diagnosis},
};
use serde::Serialize;

use super::report;
use crate::{
    exit::{ExitCode, Outcome},
    printer::Printer,
};

/// What `--json` prints, for each run.
#[derive(Serialize)]
struct Patient {
    variant: String,
    seed: u64,
    #[serde(flatten)]
    diagnosis: Diagnosis,
}

pub(super) fn run(folder: &Path, json: bool, printer: Printer) -> Outcome {
    let study = report::read(folder)?;
    let floors = match study.kind {
        StudyKind::Run => around(folder)?.or(study.floors.clone()),
        StudyKind::Ablation | StudyKind::Sweep => study.floors.clone(),
    };
    let patients = patients(&study, floors.as_ref());
    if json {
        printer.json(&patients);
        return Ok(ExitCode::Success);
    }
    for (i, patient) in patients.iter().enumerate() {
        if i > 0 {
            printer.line("");
        }
        if patients.len() > 1 {
            printer.line(format_args!("{}, seed {}", patient.variant, patient.seed));
        }
        for line in patient.diagnosis.lines() {
            printer.line(line);
        }
    }
    Ok(ExitCode::Success)
}

fn patients(study: &Study, floors: Option<&Floors>) -> Vec<Patient> {
    let runs = study
        .arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    let patient = |(arm, run): (&gptlab_report::Arm, &gptlab_report::Run)| Patient {
        variant: arm.variant.name.clone(),
        seed: run.seed(),
        diagnosis: doctor::examine(run, floors),
    };
    runs.map(patient).collect()
}

/// The guides of the grid that the run belongs to: two folders up, where a grid names this very folder. What else lies
/// there is nothing to this run, and may be whatever it is.
fn around(run: &Path) -> Outcome<Option<Floors>> {
    // Where the path is too short to say, the file system knows.
    let whole: PathBuf = run.canonicalize().unwrap_or_else(|_| run.to_owned());
    let Some(folder) = whole.parent().and_then(Path::parent) else {
        return Ok(None);
    };
    let Ok(Some(grid)) = read_grid(folder) else {
        return Ok(None);
    };
    let mut cells = grid.cells.iter();
    if !cells.any(|cell| folder.join(&cell.folder) == whole) {
        return Ok(None);
    }
    Ok(read_results(folder)?.map(|results| results.floors))
}
