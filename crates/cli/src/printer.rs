//! The only place that prints. Standard output is for data, standard error is for messages.
//!
//! Names, samples and typed texts may contain characters that control a terminal. In messages, and
//! in data on a terminal, they are replaced by marks ([`gptlab_report::visible`]); a file or a pipe
//! gets the exact bytes. Colours are added after the marks.
//!
//! Colour is used on a terminal only, and never if `NO_COLOR` is set (<https://no-color.org>).
//!
//! On a terminal, or if `COLUMNS` is set, lines are wrapped between words to its width; in a file
//! or a pipe a message is one line. The samples of a training are broken likewise, since they are
//! there to be looked at; text that a user asks for, as of `generate`, is printed as it is.

use std::{
    borrow::Cow,
    env,
    fmt::Display,
    io::{self, IsTerminal, Write},
    slice,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::{builder::StyledStr, error::ContextValue};
use gptlab_recipe::words::reason;
use gptlab_report::{visible, words};
use serde::Serialize;

use crate::{
    exit::{ExitCode, Stop},
    interrupt::end_now,
    terminal,
};

/// Prints data and messages. Copies print to the same terminal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    colour: bool,
    /// Whether standard error is a terminal, on which a progress bar can move.
    lively: bool,
    /// Whether standard output is a terminal, which interprets control characters.
    shown: bool,
    /// The number of characters to which lines of standard output are wrapped, if they are.
    width: Option<usize>,
    /// The same for standard error.
    message_width: Option<usize>,
    without_reader: WithoutReader,
}

/// The behaviour of the program when standard output has no reader any more, or its disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WithoutReader {
    /// The program has nothing else to do, and ends.
    Ends,
    /// The program has work to do, and continues without printing.
    GoesOn,
}

/// Whether printing has stopped for good.
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
    reason = "printing needs a printer as an argument"
)]
impl Printer {
    pub(crate) fn new() -> Self {
        let lively = io::stderr().is_terminal();
        let plain = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            colour: lively && !plain,
            lively,
            shown: io::stdout().is_terminal(),
            width: terminal::width(io::stdout().is_terminal()),
            message_width: terminal::width(lively),
            without_reader: WithoutReader::Ends,
        }
    }

    /// Returns the number of characters of a line into which tables must fit.
    pub(crate) fn columns(self) -> usize {
        self.width.unwrap_or(terminal::USUAL)
    }

    /// Returns the number of characters of a line if standard output is a terminal, whose width may
    /// not be known, or `COLUMNS` is set; `None` if its lines have any length.
    pub(crate) fn fitted(self) -> Option<usize> {
        self.width.or(self.shown.then_some(terminal::USUAL))
    }

    /// Wraps a message for standard error.
    fn message(self, line: &str) -> String {
        wrapped(line, self.message_width)
    }

    /// Returns the printer of a command whose work continues, and is saved, when its lines cannot
    /// be written.
    pub(crate) fn for_work(self) -> Self {
        Self {
            without_reader: WithoutReader::GoesOn,
            ..self
        }
    }

    /// Returns true if a progress bar can be seen.
    pub(crate) fn is_lively(self) -> bool {
        self.lively
    }

    /// Returns true if a user can type.
    pub(crate) fn is_interactive(self) -> bool {
        io::stdin().is_terminal() && self.shown
    }

    /// Prints a line of data, wrapped.
    pub(crate) fn line(self, line: impl Display) {
        self.write(&self.data(&(wrapped(&line.to_string(), self.width) + "\n")));
    }

    /// Prints lines of data, each wrapped.
    pub(crate) fn lines(self, text: &str) {
        self.write(&self.data(&wrapped(text, self.width)));
    }

    /// Prints a line of data as it is: what a model wrote, or a line of a file.
    pub(crate) fn exact_line(self, line: impl Display) {
        self.write(&self.data(&format!("{line}\n")));
    }

    /// Prints what a model wrote while it was trained: on a terminal, or if `COLUMNS` is set, its
    /// lines are broken to the width.
    pub(crate) fn sample(self, text: &str) {
        let marked = self.data(text);
        let broken = self.width.map(|width| words::broken(&marked, width));
        self.write(&(broken.unwrap_or_else(|| marked.into_owned()) + "\n"));
    }

    /// Prints data without a line's end, at once: text as it is sampled. It can be a part of a
    /// text, so on a terminal every carriage return is marked, including that of a line's end.
    pub(crate) fn text(self, text: impl Display) {
        self.write(&self.data(&text.to_string()));
    }

    /// Prints a text that was typed and that a model continues: in colour on a terminal, so that it
    /// differs from what the model writes.
    pub(crate) fn typed(self, text: &str) {
        self.write(&self.as_typed(text));
    }

    fn as_typed(self, text: &str) -> String {
        let marked = self.data(text);
        if self.shown && !text.is_empty() {
            self.paint(Paint::Cyan, marked)
        } else {
            marked.into_owned()
        }
    }

    /// Returns data as standard output gets it.
    fn data(self, text: &str) -> Cow<'_, str> {
        if self.shown {
            visible::piece(text)
        } else {
            Cow::Borrowed(text)
        }
    }

    /// Writes text to standard output that is safe to display.
    fn write(self, text: &str) {
        if SILENT.load(Ordering::Relaxed) {
            return;
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        self.check(written);
    }

    /// Prints data for a program: one JSON value on one line.
    pub(crate) fn json(self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(line) => self.write(&(self.value(&line).into_owned() + "\n")),
            Err(e) => self.warn(format_args!("cannot write JSON: {e}")),
        }
    }

    /// Returns JSON as standard output gets it: on a terminal without control characters, with the
    /// same value.
    fn value(self, json: &str) -> Cow<'_, str> {
        if self.shown {
            visible::json(json)
        } else {
            Cow::Borrowed(json)
        }
    }

    /// Prints a message.
    pub(crate) fn say(self, line: impl Display) {
        self.speak(&self.message(&visible::text(&line.to_string())));
    }

    /// Prints a less important message.
    pub(crate) fn note(self, line: impl Display) {
        let line = line.to_string();
        self.speak(&self.paint(Paint::Dim, self.message(&visible::text(&line))));
    }

    pub(crate) fn hint(self, line: impl Display) {
        self.speak(&self.labelled(Paint::Cyan, "hint:", line));
    }

    pub(crate) fn warn(self, line: impl Display) {
        self.speak(&self.labelled(Paint::Cyan, "warning:", line));
    }

    /// Prints the sentence of a stop, then its hints.
    pub(crate) fn stop(self, stop: &Stop) {
        self.speak(&self.labelled(Paint::Red, "error:", &stop.message));
        for hint in &stop.hints {
            self.hint(hint);
        }
    }

    /// Formats a line with a coloured label.
    fn labelled(self, paint: Paint, label: &str, line: impl Display) -> String {
        let line = format!("{label} {}", visible::text(&line.to_string()));
        let line = self.message(&line);
        let rest = line.strip_prefix(label).unwrap_or_default();
        format!("{}{rest}", self.paint(paint, label))
    }

    /// Writes a line to standard error that is safe to display.
    fn speak(self, line: &str) {
        // There is no place to report an error of standard error.
        let _ = writeln!(io::stderr().lock(), "{line}");
    }

    /// Prints clap's output: help and version are data, everything else is an error with hints.
    pub(crate) fn clap(self, error: &clap::Error) -> ExitCode {
        if error.use_stderr() {
            self.say(clap_speech(&with_marks(error)));
            ExitCode::Usage
        } else {
            // Help and version contain nothing that was typed, and use clap's own styles.
            let styled = error.render();
            if self.colour && self.shown {
                self.write(&styled.ansi().to_string());
            } else {
                self.text(styled);
            }
            ExitCode::Success
        }
    }

    /// Returns the name by which this program was called, so that a hint can be pasted.
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

    /// Handles a lost reader (`gptlab inspect | head`): ends the program without an error, or stops
    /// printing.
    fn check(self, written: io::Result<()>) {
        let Err(e) = written else { return };
        let left = e.kind() == io::ErrorKind::BrokenPipe;
        match self.without_reader {
            WithoutReader::GoesOn => {
                if !SILENT.swap(true, Ordering::Relaxed) && !left {
                    self.warn(format_args!(
                        "cannot write to standard output: {}; nothing more is printed, and the work continues",
                        reason(&e)
                    ));
                }
            }
            WithoutReader::Ends if left => end_now(ExitCode::Success),
            WithoutReader::Ends => {
                self.stop(&Stop::failure(format_args!(
                    "cannot write to standard output: {}",
                    reason(&e)
                )));
                end_now(ExitCode::Failure);
            }
        }
    }
}

/// Wraps a line to `width`, if there is one.
fn wrapped(line: &str, width: Option<usize>) -> String {
    width.map_or_else(|| line.to_owned(), |width| words::wrapped(line, width))
}

/// Formats an error of clap's without styles, and with marks in what it repeats of the command
/// line. The marks are set before the styles are removed, because the removal would also delete
/// typed escape sequences. It also deletes typed texts that are nothing but a part of a style.
fn with_marks(error: &clap::Error) -> String {
    let is_style = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_digit() || "\x1b[;m".contains(c))
    };
    let mut message = error.render().ansi().to_string();
    for (_, value) in error.context() {
        for typed in texts(value).iter().filter(|text| !is_style(text)) {
            if let Cow::Owned(marked) = visible::text(typed) {
                message = message.replace(typed.as_str(), &marked);
            }
        }
    }
    StyledStr::from(message).to_string()
}

/// Returns the texts in a part of an error's context.
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

/// Adapts an error of clap's: uses our word for a hint, which offers the documented spelling of a
/// flag.
fn clap_speech(message: &str) -> String {
    let line = |line: &str| match line.strip_prefix("  tip: ") {
        Some(tip) => format!("hint: {}", tip.replace('_', "-")),
        None => line.to_owned(),
    };
    message
        .trim_end()
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
            width: None,
            message_width: None,
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

    /// A file or a pipe gets no colours.
    #[test]
    fn what_was_typed_is_coloured_on_a_terminal() {
        assert_eq!(printer(true).as_typed("the"), "\x1b[36mthe\x1b[0m");
        assert_eq!(printer(false).as_typed("the"), "the");
        let plain = Printer {
            colour: false,
            ..printer(true)
        };
        assert_eq!(plain.as_typed("the"), "the");
    }

    /// Our colours surround the marks.
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
        let message = with_marks(&error);
        assert!(
            message.starts_with(
                "error: unexpected argument '--st\u{241B}[31mep\\u{9b}\u{2407}' found"
            ),
            "{message}"
        );
        assert!(!message.contains('\x1b'), "{message}");
        for style in ["\x1b", "\x1b[0m", "\x1b[31m"] {
            let error = command.clone().try_get_matches_from(["gptlab", style]);
            let message = with_marks(&error.unwrap_err());
            assert!(
                message.starts_with("error: unexpected argument '"),
                "{message}"
            );
            assert!(!message.contains('\u{241B}'), "{message}");
        }
    }
}
