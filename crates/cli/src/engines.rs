//! The engine that runs a model, and its share of the machine.

use std::{sync::Arc, thread};

use gptlab_bench::Peak;
use gptlab_engine::{
    Backend, BackendOptions, Device, Engine,
    cpu::{CpuBackend, Isa, Kind},
};
use gptlab_model::Graph;
use gptlab_recipe::Precision;

use crate::{
    args::{DeviceChoice, MachineArgs},
    checkpoint::Loaded,
    exit::{CommandResult, Stop},
    gpu,
    printer::Printer,
};

/// The name in records of the engine that runs where no other is typed.
pub(crate) const NAME: &str = "cpu";
/// The name in records of the GPU's engine.
const GPU: &str = "gpu";
/// The names of the engines of this program.
pub(crate) const NAMES: &[&str] = if cfg!(has_gpu) { &[NAME, GPU] } else { &[NAME] };

/// The names of a run's engine and of its instructions, as records have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) engine: String,
    pub(crate) isa: Option<String>,
}

impl Recorded {
    /// Returns the names for the typed device, and `isa` on the CPU. A device that is chosen by
    /// measuring is not known yet: see [`Recorded::of`].
    pub(crate) fn typed(args: &MachineArgs, isa: Isa) -> Self {
        match args.device.unwrap_or_default() {
            DeviceChoice::Cpu | DeviceChoice::Auto => Self {
                engine: NAME.to_owned(),
                isa: Some(isa.name().to_owned()),
            },
            DeviceChoice::Gpu(_) => Self {
                engine: GPU.to_owned(),
                isa: None,
            },
        }
    }

    /// Returns the names of `device`.
    pub(crate) fn of(device: &Device) -> Self {
        Self {
            engine: device.backend.name().to_owned(),
            isa: device.backend.instructions().map(str::to_owned),
        }
    }
}

/// Makes the engine that trains and evaluates, and warns if it gets fewer threads than requested.
pub(crate) fn make(
    graph: Graph,
    weights: &[f32],
    device: &Device,
    printer: Printer,
) -> CommandResult<Box<dyn Engine>> {
    let engine = device.engine(graph, weights).map_err(Stop::failure)?;
    say_threads(engine.threads(), device, printer);
    Ok(engine)
}

/// Warns that only `found` threads exist, if `device` requests more. A GPU uses none.
pub(crate) fn say_threads(found: usize, device: &Device, printer: Printer) {
    let requested = device.options.threads;
    if found < requested && device.backend.name() == NAME {
        printer.warn(format_args!(
            "the system gives {found} of {requested} threads; this takes longer and changes no number"
        ));
    }
}

/// Returns the device that runs a model whose matrix products use `precision`.
pub(crate) fn device(
    args: &MachineArgs,
    precision: Precision,
    printer: Printer,
) -> CommandResult<Device> {
    device_of(args, isa(args)?, precision, printer)
}

/// Returns the device with `precision` and, on the CPU, the vector instructions `isa`. Where the
/// faster device is to be found, it is the CPU: [`candidates`] has the others.
pub(crate) fn device_of(
    args: &MachineArgs,
    isa: Isa,
    precision: Precision,
    printer: Printer,
) -> CommandResult<Device> {
    let options = BackendOptions {
        threads: threads(args)?,
        precision,
    };
    let backend: Arc<dyn Backend> = match args.device.unwrap_or_default() {
        DeviceChoice::Cpu | DeviceChoice::Auto => Arc::new(CpuBackend::new(isa)),
        DeviceChoice::Gpu(number) => gpu::open(number, printer)?,
    };
    Ok(Device { backend, options })
}

/// Returns the devices among which to find the fastest, the CPU first: with `--device auto` also
/// the first GPU if there is one, or else the reason why there is none.
pub(crate) fn candidates(
    args: &MachineArgs,
    isa: Isa,
    precision: Precision,
    printer: Printer,
) -> CommandResult<(Vec<Device>, Option<Stop>)> {
    let device = device_of(args, isa, precision, printer)?;
    match args.device.unwrap_or_default() {
        DeviceChoice::Cpu | DeviceChoice::Gpu(_) => Ok((vec![device], None)),
        DeviceChoice::Auto => match gpu::open(None, printer) {
            Err(none) => Ok((vec![device], Some(none))),
            Ok(backend) => {
                let options = device.options;
                Ok((vec![device, Device { backend, options }], None))
            }
        },
    }
}

/// Returns whether the typed device multiplies bf16 clearly faster than f32: never a GPU. Where the
/// processor has instructions for bf16, this takes a third of a second to measure. The ratio of the
/// rates is about 1 or about 2, so that a busy machine does not change the answer.
pub(crate) fn fast_bf16(args: &MachineArgs) -> CommandResult<bool> {
    let isa = isa(args)?;
    let on_gpu = matches!(args.device, Some(DeviceChoice::Gpu(_)));
    if on_gpu || isa.kind() != Kind::Avx512Bf16 {
        return Ok(false);
    }
    let peak = Peak::measure(isa, 1);
    Ok(peak.bf16.one > 1.5 * peak.f32.one)
}

/// Returns the device that generates with a checkpoint: with the typed precision, or else the one
/// it was trained with, so that generation and evaluation agree.
pub(crate) fn device_to_generate(
    args: &MachineArgs,
    typed: Option<Precision>,
    loaded: &Loaded,
    printer: Printer,
) -> CommandResult<Device> {
    let trained = loaded.header.hyper.precision;
    device(args, typed.unwrap_or(trained), printer)
}

/// Refuses flags that this machine cannot fulfil, before anything is read.
pub(crate) fn check(args: &MachineArgs) -> CommandResult<()> {
    threads(args)?;
    isa(args)?;
    Ok(())
}

/// Returns the number of cores to use: the typed number, or all there are.
pub(crate) fn threads(args: &MachineArgs) -> CommandResult<usize> {
    match args.threads {
        Some(0) => Err(Stop::usage("--threads must be at least 1, found 0")),
        Some(n) if n > MOST_THREADS => Err(Stop::usage(format_args!(
            "--threads must be at most {MOST_THREADS}, found {n}"
        ))),
        Some(n) => Ok(n),
        None => Ok(cores()),
    }
}

/// Returns the vector instructions to use: the typed ones, or the best there are.
pub(crate) fn isa(args: &MachineArgs) -> CommandResult<Isa> {
    let Some(kind) = args.isa else {
        return Ok(Isa::detect());
    };
    Isa::try_new(kind).ok_or_else(|| {
        let has: Vec<_> = Isa::available().map(Isa::name).collect();
        Stop::usage(format_args!(
            "--isa {}: this processor does not have it; it has {}",
            kind.name(),
            has.join(", ")
        ))
    })
}

/// Returns the vector instructions to continue with: the typed ones, else those of the run so far
/// if this processor has them, else the best there are.
pub(crate) fn isa_to_resume(args: &MachineArgs, recorded: Option<&str>) -> CommandResult<Isa> {
    if args.isa.is_some() {
        return isa(args);
    }
    let same = Isa::available().find(|isa| Some(isa.name()) == recorded);
    Ok(same.unwrap_or_else(Isa::detect))
}

const MOST_THREADS: usize = 1024;

/// Returns the number of cores that this process can use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
