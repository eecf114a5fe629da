//! A program without the feature `gpu`: it says how to build one with it.

use std::sync::Arc;

use gptlab_engine::Backend;

use crate::{
    exit::{CommandResult, Stop},
    printer::Printer,
};

fn refusal() -> Stop {
    Stop::usage("--device gpu: this program was built without the feature `gpu`")
        .hint("`cargo build --release --features gpu` builds one with it")
}

pub(crate) fn open(_: Option<usize>, _: Printer) -> CommandResult<Arc<dyn Backend>> {
    Err(refusal())
}

/// Checks the kernels of a GPU; returns lines for the user, and the refusal if one is wrong.
pub(crate) fn check(_: Option<usize>, _: Printer) -> CommandResult<(Vec<String>, Option<Stop>)> {
    Err(refusal())
}
