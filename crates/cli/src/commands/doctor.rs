//! `gptlab doctor`: what this machine and this program offer; with a run, what ails it.

use std::env::consts::{ARCH, OS};

use gptlab_kernels::Isa;
use gptlab_report::words::count;
use serde::Serialize;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use super::doctor_run;
use crate::{
    args::DoctorArgs,
    engines,
    exit::{ExitCode, Outcome},
    printer::Printer,
};

#[derive(Serialize)]
struct Report {
    version: &'static str,
    system: String,
    /// Cores this process may use.
    cores: usize,
    /// Vector instructions, best last.
    simd: Vec<&'static str>,
    /// `None` where the system does not tell.
    memory_bytes: Option<u64>,
    memory_free_bytes: Option<u64>,
    engines: Vec<&'static str>,
    /// Whether the program was compiled to run fast.
    optimised: bool,
}

pub(super) fn run(args: &DoctorArgs, printer: Printer) -> Outcome {
    if let Some(folder) = &args.run {
        return doctor_run::run(folder, args.json.json, printer);
    }
    let report = report();
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

fn report() -> Report {
    let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(memory).ok();
    Report {
        version: env!("CARGO_PKG_VERSION"),
        system: format!("{OS} {ARCH}"),
        cores: engines::cores(),
        simd: Isa::available().map(Isa::name).collect(),
        memory_bytes: system.as_ref().map(System::total_memory),
        memory_free_bytes: system.as_ref().map(System::available_memory),
        engines: vec![engines::NAME],
        optimised: !cfg!(debug_assertions),
    }
}

fn lines(report: &Report) -> Vec<String> {
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
