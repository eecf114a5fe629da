//! Where there are no signals: Ctrl-C, and a console that is closed.

use std::{process, sync::atomic::Ordering};

use super::{Handler, Heard};
use crate::exit::ExitCode;

/// Lets Ctrl-C set the flag. A console that is closed counts as Ctrl-C to whoever saves and to
/// whoever does not: the system ends the program a few seconds later in any case.
pub(super) fn install(handler: Handler, _: Heard) -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(move || {
        if handler.flag.swap(true, Ordering::SeqCst) {
            process::exit(ExitCode::Interrupted.number().into());
        }
        handler.say();
    })
}
