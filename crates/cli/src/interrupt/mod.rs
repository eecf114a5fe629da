//! Ctrl-C, and what the system sends to end a program, as a flag that loops read between steps.
//!
//! Work that saves when it ends listens to SIGTERM and SIGHUP as it does to Ctrl-C: that is how a
//! shutdown, a container, a batch system and a closed terminal end it. A second Ctrl-C ends the
//! program at once; the others are often sent twice and mean the same the second time. A signal
//! that was ignored when the program began (by `nohup`, or in the background of a script) stays
//! ignored.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::printer::Printer;
#[cfg(not(unix))]
use other::install;
#[cfg(unix)]
use unix::install;

/// Whether somebody asked the program to end. Copies share the flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// Which requests to end are heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    /// Ctrl-C: whatever else ends the program ends it at once.
    CtrlC,
    /// All that can be.
    Every,
}

/// What to do when one comes.
struct Handler {
    flag: Arc<AtomicBool>,
    /// Said at the first one; nothing where it is empty.
    saying: &'static str,
    printer: Printer,
}

impl Handler {
    fn say(&self) {
        if !self.saying.is_empty() {
            // A terminal has just shown `^C`.
            let start = if self.printer.is_lively() { "\n" } else { "" };
            self.printer.say(format_args!("{start}{}", self.saying));
        }
    }
}

impl Interrupt {
    /// Listens to Ctrl-C alone.
    pub(crate) fn of_ctrl_c(printer: Printer) -> Self {
        Self::listen(printer, "", Heard::CtrlC)
    }

    /// Listens to every request to end, and answers the first with `saying`, for work that is then
    /// saved.
    pub(crate) fn of_work(printer: Printer, saying: &'static str) -> Self {
        Self::listen(printer, saying, Heard::Every)
    }

    /// Where the system refuses a listener, its signal ends the program as it always did.
    fn listen(printer: Printer, saying: &'static str, heard: Heard) -> Self {
        let interrupt = Self::default();
        let handler = Handler {
            flag: interrupt.0.clone(),
            saying,
            printer,
        };
        if let Err(e) = install(handler, heard) {
            printer.warn(format_args!("Ctrl-C and other signals will not save: {e}"));
        }
        interrupt
    }

    /// The flag itself, for libraries to read.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Forgets what was asked; returns whether anything was.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}
