//! The device that trains: the typed one, or the one whose first steps are faster.

use std::time::Duration;

use gptlab_engine::{Device, cpu::Isa};
use gptlab_train::{Resolved, RunOptions, Speed};

use crate::{
    args::TrainArgs,
    engines::{self, Recorded},
    exit::{CommandResult, Stop},
    printer::Printer,
};

use super::begin::micro_batch;

/// Returns the device that trains `resolved`, and records it there: the one that was `measured` to
/// be the fastest, if that was done already.
pub(super) fn choose(
    args: &TrainArgs,
    isa: Isa,
    measured: Option<Device>,
    resolved: &mut Resolved,
    printer: Printer,
) -> CommandResult<Device> {
    let device = match measured {
        Some(device) => device,
        None => find(args, isa, resolved, printer)?,
    };
    let Recorded { engine, isa } = Recorded::of(&device);
    (resolved.experiment.engine, resolved.experiment.isa) = (engine, isa);
    Ok(device)
}

/// Returns the typed device, or the fastest there is.
fn find(
    args: &TrainArgs,
    isa: Isa,
    resolved: &Resolved,
    printer: Printer,
) -> CommandResult<Device> {
    let precision = resolved.experiment.hyper.precision;
    let (devices, none) = engines::candidates(&args.machine, isa, precision, printer)?;
    if let Some(none) = none {
        printer.say(format_args!("the CPU trains: {}", none.message));
    }
    let run_options = RunOptions {
        micro_batch: micro_batch(args)?,
        ..RunOptions::default()
    };
    match <[Device; 1]>::try_from(devices) {
        Ok([device]) => Ok(device),
        Err(devices) => {
            Ok(fastest(devices, resolved, &run_options, Duration::ZERO, printer)?.device)
        }
    }
}

/// Returns the flag that names `device` in a command, with a space before it; nothing for the CPU.
pub(super) fn device_flag(device: &Device) -> &'static str {
    if device.backend.name() == engines::NAME {
        ""
    } else {
        " --device gpu"
    }
}

/// A device, and how fast it trains.
pub(super) struct Measured {
    pub(super) device: Device,
    pub(super) speed: Speed,
}

/// Returns the device whose steps are the fastest, measured on the first steps of `resolved` for
/// about `time` on each. A device that refuses the model is left out, unless it is the first.
pub(super) fn fastest(
    devices: Vec<Device>,
    resolved: &Resolved,
    run_options: &RunOptions,
    time: Duration,
    printer: Printer,
) -> CommandResult<Measured> {
    let several = devices.len() > 1;
    let weights = resolved.weights()?;
    let mut best = None::<Measured>;
    for device in devices {
        let engine = engines::make(resolved.graph.clone(), &weights, &device, printer);
        let mut engine = match engine {
            Ok(engine) => engine,
            Err(refusal) if best.is_some() => {
                printer.say(format_args!("the CPU trains: {}", refusal.message));
                continue;
            }
            Err(refusal) => return Err(refusal),
        };
        let speed = Speed::measure(resolved, engine.as_mut(), run_options, time)?;
        if several {
            let (name, milliseconds) = (device.backend.name(), speed.step.as_secs_f64() * 1e3);
            printer.say(format_args!("{name}: {milliseconds:.1} ms a step"));
        }
        let is_faster = |other: &Measured| speed.step < other.speed.step;
        if best.as_ref().is_none_or(is_faster) {
            best = Some(Measured { device, speed });
        }
    }
    best.ok_or_else(|| Stop::failure("there is no device to train on"))
}
