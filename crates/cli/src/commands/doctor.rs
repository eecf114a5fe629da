//! `gptlab doctor`: describes this machine and this program, or diagnoses a run.

use gptlab_bench::Capabilities;
use gptlab_report::words::count;

use super::doctor_run;
use crate::{
    args::DoctorArgs,
    engines,
    exit::{CommandResult, ExitCode},
    printer::Printer,
};

pub(super) fn run(args: &DoctorArgs, printer: Printer) -> CommandResult {
    if let Some(folder) = &args.run {
        return doctor_run::run(folder, args.json.json, printer);
    }
    let report = Capabilities::describe(&[engines::NAME]);
    if args.json.json {
        printer.json(&report);
    } else {
        for line in lines(&report) {
            printer.line(line);
        }
        if !report.optimised {
            printer.hint("this is a debug build; `cargo build --release` makes a fast one");
        }
    }
    Ok(ExitCode::Success)
}

fn lines(report: &Capabilities) -> Vec<String> {
    let best = report.simd.last().copied().unwrap_or_default();
    let mib = |bytes: Option<u64>| bytes.map_or("?".to_owned(), |b| count(b >> 20));
    vec![
        format!("gptlab   {}", report.version),
        format!("system   {}", report.system),
        format!("cores    {}", report.cores),
        format!("simd     {best} (of {})", report.simd.join(", ")),
        format!(
            "memory   {} MiB, {} MiB free",
            mib(report.memory_bytes),
            mib(report.memory_free_bytes)
        ),
        format!("engines  {}", report.engines.join(", ")),
        format!(
            "build    {}",
            if report.optimised { "release" } else { "debug" }
        ),
    ]
}
