//! The only place that prints. Standard output is data, standard error is speech.
//!
//! Names, samples and what was typed may hold characters that a terminal obeys. In speech, and in
//! data on a terminal, they are marks ([`gptlab_report::visible`]); a file or a pipe gets data to
//! the byte. Colours are painted around what is marked already.
//!
//! Colour is for people: on a terminal, and never where `NO_COLOR` is set (<https://no-color.org>).

use std::{
    borrow::Cow,
    env,
    fmt::Display,
    io::{self, IsTerminal, Write},
    process, slice,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{builder::StyledStr, error::ContextValue};
use gptlab_report::visible;
use serde::Serialize;

use crate::exit::{ExitCode, Stop};

/// Speaks and prints. Copies speak to the same terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    colour: bool,
    /// Whether standard error is a terminal: where a progress bar may move.
    lively: bool,
    /// Whether standard output is a terminal, which would obey what it is shown.
    shown: bool,
    without_reader: WithoutReader,
}

/// What becomes of the program when nobody reads its standard output any more, or the disk that it
/// goes to is full.
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
            shown: io::stdout().is_terminal(),
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
        io::stdin().is_terminal() && self.shown
    }

    /// A line of data.
    pub(crate) fn line(self, line: impl Display) {
        self.write(&self.data(&format!("{line}\n")));
    }

    /// Data without a line's end, shown at once: text as it is sampled. It may be a piece of a
    /// text, so that on a terminal each carriage return is marked, that of a line's end too.
    pub(crate) fn text(self, text: impl Display) {
        self.write(&self.data(&text.to_string()));
    }

    /// Data as standard output gets it.
    fn data(self, text: &str) -> Cow<'_, str> {
        if self.shown {
            visible::piece(text)
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Writes to standard output what may be shown.
    fn write(self, text: &str) {
        if SILENT.load(Ordering::Relaxed) {
            return;
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.check(written);
    }

    /// Data for a program: one JSON value on one line.
    pub(crate) fn json(self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => self.write(&(self.value(&line).into_owned() + "\n")),
            Err(e) => self.warn(format_args!("cannot write JSON: {e}")),
        }
    }

    /// JSON as standard output gets it: on a terminal without control characters, and of the same
    /// value.
    fn value(self, json: &str) -> Cow<'_, str> {
        if self.shown {
            visible::json(json)
        } else {
            Cow::Borrowed(json)
        }
    }

    /// A line of speech.
    pub(crate) fn say(self, line: impl Display) {
        self.speak(&visible::text(&line.to_string()));
    }

    /// Speech that matters less.
    pub(crate) fn note(self, line: impl Display) {
        let line = line.to_string();
        self.speak(&self.paint(Paint::Dim, visible::text(&line)));
    }

    pub(crate) fn hint(self, line: impl Display) {
        self.speak(&self.labelled(Paint::Cyan, "hint:", line));
    }

    pub(crate) fn warn(self, line: impl Display) {
        self.speak(&self.labelled(Paint::Cyan, "warning:", line));
    }

    /// The sentence of a stop, then its hints.
    pub(crate) fn stop(self, stop: &Stop) {
        self.speak(&self.labelled(Paint::Red, "error:", &stop.message));
        for hint in &stop.hints {
            self.hint(hint);
        }
    }

    /// A line behind a painted label.
    fn labelled(self, paint: Paint, label: &str, line: impl Display) -> String {
        let line = line.to_string();
        format!("{} {}", self.paint(paint, label), visible::text(&line))
    }

    /// Writes to standard error what may be shown, and a line's end.
    fn speak(self, line: &str) {
        // Nobody is left to hear that nobody listens.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// What clap has to say: help and version are data, everything else is an error with hints.
    pub(crate) fn clap(self, error: &clap::Error) -> ExitCode {
        if error.use_stderr() {
            self.say(clap_speech(&with_marks(error)));
            ExitCode::Usage
        } else {
            // Help and version hold nothing that was typed, and styles of clap's own.
            let styled = error.render();
            if self.colour && self.shown {
                self.write(&styled.ansi().to_string());
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

    /// A reader that went away (`gptlab inspect | head`) ends the program in peace, or its lines
    /// alone.
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

/// An error of clap's without styles, and with marks in what it repeats of the command line. They
/// are set before the styles go, since what takes those away takes typed escape sequences too,
/// without a trace. So do typed texts go that are nothing but a piece of a style.
fn with_marks(error: &clap::Error) -> String {
    let is_style = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_digit() || "\x1b[;m".contains(c))
    };
    let mut said = error.render().ansi().to_string();
    for (_, value) in error.context() {
        for typed in texts(value).iter().filter(|text| !is_style(text)) {
            if let Cow::Owned(marked) = visible::text(typed) {
                said = said.replace(typed.as_str(), &marked);
            }
        }
    }
    StyledStr::from(said).to_string()
}

/// The texts of a piece of an error's context.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "clap's enum is non-exhaustive; its other values are numbers, flags and words of the program"
)]
fn texts(value: &ContextValue) -> &[String] {
    match value {
        ContextValue::String(text) => slice::from_ref(text),
        ContextValue::Strings(texts) => texts,
        _ => &[],
    }
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

    const RISKY: &str = "a\x1b]52;c;aGk=\x07\r\n\u{9b}31m\u{202e}z";

    fn printer(shown: bool) -> Printer {
        Printer {
            colour: true,
            lively: false,
            shown,
            without_reader: WithoutReader::Ends,
        }
    }

    #[test]
    fn data_is_marked_on_a_terminal_and_exact_elsewhere() {
        assert_eq!(printer(false).data(RISKY), RISKY);
        assert_eq!(
            printer(true).data(RISKY),
            "a\u{241B}]52;c;aGk=\u{2407}\u{240D}\n\\u{9b}31m\\u{202e}z"
        );
    }

    #[test]
    fn json_is_escaped_on_a_terminal_and_keeps_its_value() {
        let json = serde_json::to_string(RISKY).unwrap();
        assert_eq!(printer(false).value(&json), json);
        let shown = printer(true).value(&json);
        assert!(shown.contains("\\u009b31m\\u202ez"), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), RISKY);
    }

    /// Our colours are around what is marked.
    #[test]
    fn speech_is_marked_and_painted() {
        assert_eq!(
            printer(false).labelled(Paint::Red, "error:", "no \x1b[2Jfile"),
            "\x1b[1;31merror:\x1b[0m no \u{241B}[2Jfile"
        );
    }

    #[test]
    fn what_clap_repeats_is_marked() {
        let command = clap::Command::new("gptlab").arg(clap::Arg::new("steps").long("steps"));
        let error = command
            .clone()
            .try_get_matches_from(["gptlab", "--st\x1b[31mep\u{9b}\x07"])
            .unwrap_err();
        let said = with_marks(&error);
        assert!(
            said.starts_with(
                "error: unexpected argument '--st\u{241B}[31mep\\u{9b}\u{2407}' found"
            ),
            "{said}"
        );
        assert!(!said.contains('\x1b'), "{said}");
        for style in ["\x1b", "\x1b[0m", "\x1b[31m"] {
            let error = command.clone().try_get_matches_from(["gptlab", style]);
            let said = with_marks(&error.unwrap_err());
            assert!(said.starts_with("error: unexpected argument '"), "{said}");
            assert!(!said.contains('\u{241B}'), "{said}");
        }
    }
}
