//! `gptlab doctor`: describes this machine and this program, or diagnoses a run.

use gptlab_bench::Capabilities;
use gptlab_report::words::count;

use super::doctor_run;
use crate::{
    args::{DeviceChoice, DoctorArgs},
    engines,
    exit::{CommandResult, ExitCode, Stop},
    gpu,
    printer::Printer,
};

pub(super) fn run(args: &DoctorArgs, printer: Printer) -> CommandResult {
    if let Some(folder) = &args.run {
        return doctor_run::run(folder, args.json.json, printer);
    }
    if let Some(device) = args.device {
        return check_device(device, printer);
    }
    let report = Capabilities::describe(engines::NAMES);
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

/// Lists the GPUs, and compares the kernels of one with the CPU.
fn check_device(device: DeviceChoice, printer: Printer) -> CommandResult {
    let number = match device {
        DeviceChoice::Gpu(number) => number,
        DeviceChoice::Auto => None,
        DeviceChoice::Cpu => {
            return Err(Stop::usage(
                "--device cpu: the CPU is what a GPU is compared with",
            ));
        }
    };
    let (lines, refusal) = gpu::check(number, printer)?;
    for line in lines {
        printer.line(line);
    }
    refusal.map_or(Ok(ExitCode::Success), Err)
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
