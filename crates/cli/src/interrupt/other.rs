//! Ctrl-C and closed consoles, for systems without signals.

use std::{process, sync::atomic::Ordering};

use super::{Handler, Heard};
use crate::exit::ExitCode;

/// Ends the program.
pub(super) fn end_now(code: ExitCode) -> ! {
    process::exit(code.number().into())
}

/// Lets Ctrl-C set the flag. A closed console counts as Ctrl-C for every listener, because the
/// system ends the program a few seconds later in any case.
pub(super) fn install(handler: Handler, _: Heard) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        if handler.flag.swap(true, Ordering::SeqCst) {
            process::exit(ExitCode::Interrupted.number().into());
        }
        handler.say();
    })
}
