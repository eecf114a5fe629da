//! Which engine runs a model, and on how much of the machine.

use std::thread;

use gptlab_engine::{
    Engine, ImportError,
    cpu::{CpuEngine, Options},
};
use gptlab_model::Graph;

use crate::{
    args::MachineArgs,
    exit::{Outcome, Stop},
};

/// The engine's name in records.
pub(crate) const NAME: &str = "cpu";

/// The engine that trains and evaluates.
pub(crate) fn make(
    graph: Graph,
    weights: &[f32],
    threads: usize,
) -> Result<Box<dyn Engine>, ImportError> {
    Ok(Box::new(CpuEngine::new(
        graph,
        weights,
        Options::of_threads(threads),
    )?))
}

/// The cores to use: as many as typed, or all there are.
pub(crate) fn threads(args: &MachineArgs) -> Outcome<usize> {
    match args.threads {
        Some(0) => Err(Stop::usage("--threads must be at least 1, found 0")),
        Some(n) if n > MOST_THREADS => Err(Stop::usage(format_args!(
            "--threads must be at most {MOST_THREADS}, found {n}"
        ))),
        Some(n) => Ok(n),
        None => Ok(cores()),
    }
}

const MOST_THREADS: usize = 1024;

/// The cores this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
