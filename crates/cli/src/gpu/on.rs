//! A program with the feature `gpu`.

use std::sync::Arc;

use gptlab_engine::Backend;
use gptlab_gpu::{GpuBackend, GpuError, adapters};

use super::{
    checked::{self, Checked},
    rates,
};
use crate::{
    exit::{CommandResult, Stop},
    printer::Printer,
};

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

/// Opens the GPU with this number, or the first. At the first use of its driver, its kernels are
/// compared with the CPU.
pub(crate) fn open(number: Option<usize>, printer: Printer) -> CommandResult<Arc<dyn Backend>> {
    let backend = checked::require(backend(number)?, printer)?;
    Ok(Arc::new(backend))
}

/// Checks the kernels of a GPU; returns lines for the user, and the refusal if one is wrong.
pub(crate) fn check(
    number: Option<usize>,
    printer: Printer,
) -> CommandResult<(Vec<String>, Option<Stop>)> {
    let backend = backend(number)?;
    let mut lines: Vec<String> = adapters()
        .iter()
        .enumerate()
        .map(|(i, adapter)| {
            let (name, interface, driver) = (&adapter.name, &adapter.interface, &adapter.driver);
            format!("gpu:{i}    {name}, {interface}, {driver}")
        })
        .collect();
    let checked = Checked::now(&backend, printer)?;
    lines.push(format!(
        "kernels of {}, compared with the CPU:",
        backend.adapter().name
    ));
    let refusal = checked.refusal(backend.adapter());
    lines.push(checked.units());
    lines.extend(checked.lines.iter().cloned());
    if refusal.is_none() {
        let backend = checked.without_refused_units(backend);
        lines.extend(rates::lines(&backend).map_err(|e| stop(&e))?);
    }
    Ok((lines, refusal))
}

fn backend(number: Option<usize>) -> CommandResult<GpuBackend> {
    GpuBackend::new(number).map_err(|e| stop(&e))
}
