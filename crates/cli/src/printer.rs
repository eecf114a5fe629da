//! The only place that prints. Standard output is data, standard error is speech.
//!
//! Colour is for people: on a terminal, and never where `NO_COLOR` is set (<https://no-color.org>).

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal, Write},
    process,
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;

use crate::exit::{ExitCode, Stop};

/// Speaks and prints. Copies speak to the same terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    colour: bool,
    /// Whether standard error is a terminal: where a progress bar may move.
    lively: bool,
    without_reader: WithoutReader,
}

/// What becomes of the program when nobody reads its standard output any more, or the disk that it goes
/// to is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WithoutReader {
    /// It has nothing else to do, and ends.
    Ends,
    /// It has work to do, which is what counts: only its lines end.
    GoesOn,
}

/// Whether lines have ended for good.
static SILENT: AtomicBool = AtomicBool::new(false);

#[derive(Clone, Copy)]
enum Paint {
    Red,
    Cyan,
    Dim,
}

impl Paint {
    fn code(self) -> &'static str {
        match self {
            Self::Red => "\x1b[1;31m",
            Self::Cyan => "\x1b[36m",
            Self::Dim => "\x1b[2m",
        }
    }
}

#[expect(
    clippy::unused_self,
    reason = "who wants to print has to be handed a printer"
)]
impl Printer {
    pub(crate) fn new() -> Self {
        let lively = io::stderr().is_terminal();
        let plain = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            colour: lively && !plain,
            lively,
            without_reader: WithoutReader::Ends,
        }
    }

    /// The printer of a command whose work goes on, and is saved, when its lines cannot be written.
    pub(crate) fn for_work(self) -> Self {
        Self {
            without_reader: WithoutReader::GoesOn,
            ..self
        }
    }

    /// Whether a moving progress bar has somebody to look at it.
    pub(crate) fn is_lively(self) -> bool {
        self.lively
    }

    /// Whether a person may be typing.
    pub(crate) fn is_interactive(self) -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// A line of data.
    pub(crate) fn line(self, line: impl Display) {
        self.text(format_args!("{line}\n"));
    }

    /// Data without a line's end, shown at once: text as it is sampled.
    pub(crate) fn text(self, text: impl Display) {
        if SILENT.load(Ordering::Relaxed) {
            return;
        }
        let mut out = io::stdout().lock();
        let written = write!(out, "{text}").and_then(|()| out.flush());
        self.check(written);
    }

    /// Data for a program: one JSON value on one line.
    pub(crate) fn json(self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => self.line(line),
            Err(e) => self.warn(format_args!("cannot write JSON: {e}")),
        }
    }

    /// A line of speech.
    pub(crate) fn say(self, line: impl Display) {
        // Nobody is left to hear that nobody listens.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Speech that matters less.
    pub(crate) fn note(self, line: impl Display) {
        self.say(self.paint(Paint::Dim, line));
    }

    pub(crate) fn hint(self, line: impl Display) {
        self.say(format_args!("{} {line}", self.paint(Paint::Cyan, "hint:")));
    }

    pub(crate) fn warn(self, line: impl Display) {
        self.say(format_args!(
            "{} {line}",
            self.paint(Paint::Cyan, "warning:")
        ));
    }

    /// The sentence of a stop, then its hints.
    pub(crate) fn stop(self, stop: &Stop) {
        let label = self.paint(Paint::Red, "error:");
        self.say(format_args!("{label} {}", stop.message));
        for hint in &stop.hints {
            self.hint(hint);
        }
    }

    /// What clap has to say: help and version are data, everything else is an error with hints.
    pub(crate) fn clap(self, error: &clap::Error) -> ExitCode {
        if error.use_stderr() {
            self.say(clap_speech(&error.render().to_string()));
            ExitCode::Usage
        } else {
            let colour = self.colour && io::stdout().is_terminal();
            let styled = error.render();
            if colour {
                self.text(styled.ansi());
            } else {
                self.text(styled);
            }
            ExitCode::Success
        }
    }

    /// How this program was called, so that a hint can be pasted.
    pub(crate) fn program(self) -> String {
        let called = env::args().next().unwrap_or_default();
        if called.contains(['/', '\\']) {
            called
        } else {
            "gptlab".to_owned()
        }
    }

    fn paint(self, paint: Paint, text: impl Display) -> String {
        if self.colour {
            format!("{}{text}\x1b[0m", paint.code())
        } else {
            text.to_string()
        }
    }

    /// A reader that went away (`gptlab inspect | head`) ends the program in peace, or its lines alone.
    fn check(self, written: io::Result<()>) {
        let Err(e) = written else { return };
        let left = e.kind() == io::ErrorKind::BrokenPipe;
        match self.without_reader {
            WithoutReader::GoesOn => {
                if !SILENT.swap(true, Ordering::Relaxed) && !left {
                    self.warn(format_args!(
                        "cannot write to standard output: {e}; its lines end here, and the work goes on"
                    ));
                }
            }
            WithoutReader::Ends if left => process::exit(0),
            WithoutReader::Ends => {
                self.stop(&Stop::failure(format_args!(
                    "cannot write to standard output: {e}"
                )));
                process::exit(ExitCode::Failure.number().into());
            }
        }
    }
}

/// `1234567` as `1,234,567`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// An error of clap's with our word for a hint, which offers the documented spelling of a flag.
fn clap_speech(said: &str) -> String {
    let line = |line: &str| match line.strip_prefix("  tip: ") {
        Some(tip) => format!("hint: {}", tip.replace('_', "-")),
        None => line.to_owned(),
    };
    said.trim_end()
        .lines()
        .map(line)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three() {
        let said: Vec<String> = [0, 999, 1_000, 61_000, 1_234_567].map(count).to_vec();
        assert_eq!(said, ["0", "999", "1,000", "61,000", "1,234,567"]);
    }
}
