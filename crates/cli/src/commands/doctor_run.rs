//! `gptlab doctor RUN`: diagnoses a run.

use std::path::Path;

use gptlab_record::{Floors, grid_of, read_results};
use gptlab_report::{
    Arm, RecordedRun, Study, StudyKind,
    doctor::{self, RunDiagnosis},
};

use super::report;
use crate::{
    exit::{CommandResult, ExitCode},
    printer::Printer,
};

pub(super) fn run(folder: &Path, json: bool, printer: Printer) -> CommandResult {
    let study = report::read(folder)?;
    report::say_left_out(&study, printer);
    let diagnoses = diagnoses(&study, folder)?;
    if json {
        printer.json(&diagnoses);
        return Ok(ExitCode::Success);
    }
    for (i, found) in diagnoses.iter().enumerate() {
        if i > 0 {
            printer.line("");
        }
        if diagnoses.len() > 1 {
            printer.line(format_args!("{}, seed {}", found.variant, found.seed));
        }
        for line in found.diagnosis.lines() {
            printer.line(line);
        }
    }
    Ok(ExitCode::Success)
}

fn diagnoses(study: &Study, folder: &Path) -> CommandResult<Vec<RunDiagnosis>> {
    let runs = study
        .arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    let diagnosis = |(arm, run): (&Arm, &RecordedRun)| {
        let floors = floors(study, run, folder)?;
        Ok(RunDiagnosis {
            variant: arm.variant.name.clone(),
            seed: run.seed(),
            diagnosis: doctor::examine(run, floors.as_ref()),
        })
    };
    runs.map(diagnosis).collect()
}

/// Computes the floors over the same predictions as the last loss of `run`.
fn floors(study: &Study, run: &RecordedRun, folder: &Path) -> CommandResult<Option<Floors>> {
    let own = study.floors_of(run).cloned();
    match study.kind {
        StudyKind::Run => {
            let has_tables = own.as_ref().is_some_and(|own| !own.ngrams.is_empty());
            // If the run's text is not available, its grid may have the floors.
            let needs_grid = !has_tables && run.ends_whole();
            let around = if needs_grid { around(folder)? } else { None };
            Ok(around.or(own))
        }
        StudyKind::Ablation | StudyKind::Sweep => Ok(own.or_else(|| report::guides(run))),
    }
}

/// Returns the floors of the grid that the run belongs to.
fn around(run: &Path) -> CommandResult<Option<Floors>> {
    let Some((folder, _)) = grid_of(run) else {
        return Ok(None);
    };
    Ok(read_results(&folder)?.map(|results| results.floors))
}
