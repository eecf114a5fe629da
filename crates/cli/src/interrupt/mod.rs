//! Ctrl-C and the system's signals to end a program, as a flag that loops read between steps.
//!
//! Work that saves when it ends listens to SIGTERM and SIGHUP as well as to Ctrl-C: shutdowns,
//! containers, batch systems and closed terminals send these. A second Ctrl-C ends the program at
//! once; the other signals are often sent twice and mean the same the second time. A signal that
//! was ignored when the program started (by `nohup`, or in the background of a script) stays
//! ignored.

#[cfg(not(unix))]
#[path = "other.rs"]
mod of_system;
#[cfg(unix)]
#[path = "unix.rs"]
mod of_system;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use gptlab_recipe::words::reason;

use crate::{exit::ExitCode, printer::Printer};
use of_system::install;

/// Ends the program while other threads may still work.
pub(crate) fn end_now(code: ExitCode) -> ! {
    of_system::end_now(code)
}

/// A flag that is set by a request to end the program. Copies share the flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// The signals that a listener handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Ctrl-C only; all other signals end the program at once.
    CtrlC,
    /// All signals that can be handled.
    Every,
}

/// The reaction to a signal.
struct Handler {
    flag: Arc<AtomicBool>,
    /// The message at the first signal; it can be empty.
    message: &'static str,
    printer: Printer,
}

impl Handler {
    fn say(&self) {
        if !self.message.is_empty() {
            // A terminal has just displayed `^C`.
            let start = if self.printer.is_lively() { "\n" } else { "" };
            self.printer.say(format_args!("{start}{}", self.message));
        }
    }
}

impl Interrupt {
    /// Makes a flag that only Ctrl-C sets.
    pub(crate) fn of_ctrl_c(printer: Printer) -> Self {
        Self::listen(printer, "", Heard::CtrlC)
    }

    /// Makes a flag that every signal to end the program sets, for work that is then saved. The
    /// first signal prints `message`.
    pub(crate) fn of_work(printer: Printer, message: &'static str) -> Self {
        Self::listen(printer, message, Heard::Every)
    }

    /// Installs the handler. If the system refuses one, its signal ends the program as by default.
    fn listen(printer: Printer, message: &'static str, heard: Heard) -> Self {
        let interrupt = Self::default();
        let handler = Handler {
            flag: interrupt.0.clone(),
            message,
            printer,
        };
        if let Err(e) = install(handler, heard) {
            printer.warn(format_args!(
                "Ctrl-C and other signals will not save: {}",
                reason(&e)
            ));
        }
        interrupt
    }

    /// Returns the flag itself, for libraries.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Clears the flag; returns whether it was set.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}
