//! `gptlab doctor RUN`: what ails a run.

use std::path::Path;

use gptlab_record::{Floors, grid_of, read_results};
use gptlab_report::{
    Arm, Run, Study, StudyKind,
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
    report::say_left_out(&study, printer);
    let patients = patients(&study, folder)?;
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

fn patients(study: &Study, folder: &Path) -> Outcome<Vec<Patient>> {
    let runs = study
        .arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    let patient = |(arm, run): (&Arm, &Run)| {
        let floors = floors(study, run, folder)?;
        Ok(Patient {
            variant: arm.variant.name.clone(),
            seed: run.seed(),
            diagnosis: doctor::examine(run, floors.as_ref()),
        })
    };
    runs.map(patient).collect()
}

/// The guides over the predictions that the last loss of `run` is over.
fn floors(study: &Study, run: &Run, folder: &Path) -> Outcome<Option<Floors>> {
    let own = study.floors_of(run).cloned();
    match study.kind {
        StudyKind::Run => {
            let has_tables = own.as_ref().is_some_and(|own| !own.ngrams.is_empty());
            // Where its text is gone, its grid may know.
            let wanted = !has_tables && run.ends_whole();
            let around = if wanted { around(folder)? } else { None };
            Ok(around.or(own))
        }
        StudyKind::Ablation | StudyKind::Sweep => Ok(own.or_else(|| report::guides(run))),
    }
}

/// The guides of the grid that the run belongs to.
fn around(run: &Path) -> Outcome<Option<Floors>> {
    let Some((folder, _)) = grid_of(run) else {
        return Ok(None);
    };
    Ok(read_results(&folder)?.map(|results| results.floors))
}
