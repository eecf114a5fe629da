//! `gptlab doctor RUN`: diagnoses a run.

use std::path::Path;

use gptlab_report::{
    Arm, RecordedRun, Study,
    doctor::{self, RunDiagnosis},
};

use super::report;
use crate::{
    exit::{CommandResult, ExitCode},
    printer::Printer,
};

pub(super) fn run(folder: &Path, json: bool, printer: Printer) -> CommandResult {
    let study = report::read(folder)?;
    report::say_left_out(&study.data, printer);
    let diagnoses = diagnoses(&study);
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

fn diagnoses(study: &Study) -> Vec<RunDiagnosis> {
    let runs = study
        .arms
        .iter()
        .flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    let diagnosis = |(arm, run): (&Arm, &RecordedRun)| RunDiagnosis {
        variant: arm.variant.name.clone(),
        seed: run.seed(),
        diagnosis: doctor::examine(run, study.floors_of(run)),
    };
    runs.map(diagnosis).collect()
}
