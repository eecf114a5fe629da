//! A program with the feature `gpu`.

use std::sync::Arc;

use gptlab_engine::{Backend, Device};
use gptlab_gpu::{GpuBackend, GpuError, adapters, self_check};

use crate::exit::{CommandResult, Stop};

fn stop(error: &GpuError) -> Stop {
    let stop = Stop::failure(error);
    match error {
        GpuError::NoSuchAdapter(..) => {
            stop.hint("`gptlab doctor --device gpu` lists the GPUs of this machine")
        }
        GpuError::NoAdapter
        | GpuError::Refused { .. }
        | GpuError::Limit { .. }
        | GpuError::Memory { .. }
        | GpuError::Kernel { .. }
        | GpuError::Lost { .. } => stop.hint("without --device, the CPU runs everything"),
    }
}

/// Opens the GPU with this number, or the first.
pub(crate) fn open(number: Option<usize>) -> CommandResult<Arc<dyn Backend>> {
    let backend = GpuBackend::new(number).map_err(|e| stop(&e))?;
    Ok(Arc::new(backend))
}

/// Checks the kernels of a GPU; returns lines for the user, and whether all are right.
pub(crate) fn check(number: Option<usize>) -> CommandResult<(Vec<String>, bool)> {
    let backend = GpuBackend::new(number).map_err(|e| stop(&e))?;
    let mut lines: Vec<String> = adapters()
        .iter()
        .enumerate()
        .map(|(i, adapter)| {
            let (name, interface, driver) = (&adapter.name, &adapter.interface, &adapter.driver);
            format!("gpu:{i}    {name}, {interface}, {driver}")
        })
        .collect();
    let witness = Device::cpu(1);
    let report = self_check(&backend, &*witness.backend).map_err(Stop::failure)?;
    lines.push(format!(
        "kernels of {}, compared with the CPU:",
        backend.adapter().name
    ));
    lines.extend(report.to_string().lines().map(str::to_owned));
    Ok((lines, report.broken().is_none()))
}
