//! Ctrl-C as a flag that loops read between steps. A second one ends the program at once.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{exit::ExitCode, printer::Printer};

/// Whether somebody pressed Ctrl-C. Copies share the flag.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens, and answers the first Ctrl-C with `saying`. Where the system refuses a listener, Ctrl-C
    /// ends the program as it always did.
    pub(crate) fn listen(printer: Printer, saying: &'static str) -> Self {
        let interrupt = Self::default();
        let flag = interrupt.clone();
        let listening = ctrlc::set_handler(move || {
            if flag.0.swap(true, Ordering::SeqCst) {
                process::exit(ExitCode::Interrupted.number().into());
            }
            if !saying.is_empty() {
                // A terminal has just shown `^C`.
                let start = if printer.is_lively() { "\n" } else { "" };
                printer.say(format_args!("{start}{saying}"));
            }
        });
        if let Err(e) = listening {
            printer.warn(format_args!("Ctrl-C will not save: {e}"));
        }
        interrupt
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Forgets what was pressed; returns whether anything was.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::SeqCst)
    }
}
