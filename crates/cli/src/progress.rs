//! The progress bar: on a terminal only, on standard error.

use std::fmt::Write;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use gptlab_report::words::count;

use crate::printer::Printer;

/// A bar of steps, or nothing if it cannot be seen.
pub(crate) struct Bar(Option<ProgressBar>);

const FORM: &str = "{bar:24} {pos}/{len} | {msg}{left}";
/// The message until a step has been made.
const MEASURING: &str = "measuring the speed";

/// Writes how long the rest will take, where the speed is known.
fn left(state: &ProgressState, out: &mut dyn Write) {
    if state.per_sec() > 0.0 {
        // A bar without its last field will do.
        let _ = write!(out, " | {:#} left", HumanDuration(state.eta()));
    }
}

impl Bar {
    pub(crate) fn new(printer: Printer, done: u64, steps: u64) -> Self {
        if !printer.is_lively() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr_with_hz(4));
        // The form is a constant that a test checks; a plain bar would do as well.
        if let Ok(style) = ProgressStyle::with_template(FORM) {
            bar.set_style(style.with_key("left", left));
        }
        bar.set_message(MEASURING);
        bar.set_position(done);
        bar.reset_eta();
        Self(Some(bar))
    }

    pub(crate) fn set(&self, done: u64, loss: f64, tokens_per_second: f64) {
        if let Some(bar) = &self.0 {
            let rate = count(tokens_per_second.round() as u64);
            bar.set_message(format!("loss {loss:.4} | {rate} tok/s"));
            bar.set_position(done);
        }
    }

    /// Prints while the bar is hidden.
    pub(crate) fn aside(&self, print: impl FnOnce()) {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    pub(crate) fn close(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_one() {
        assert!(ProgressStyle::with_template(FORM).is_ok());
    }
}
