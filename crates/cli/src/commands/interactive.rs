//! `gptlab interactive`: reads a prompt, prints the model's continuation, and repeats.

use std::io;

use gptlab_engine::Device;
use gptlab_recipe::{Overrides, SampleSettings};
use gptlab_train::Sampler;
use rustyline::{Config, Editor, error::ReadlineError, history::MemHistory};

use crate::{
    args::InteractiveArgs,
    checkpoint::{self, Loaded},
    commands::generate::{checkpoint_path, seed_or_clock, texts_that_fit},
    engines,
    exit::{CommandResult, ExitCode, Stop},
    interrupt::Interrupt,
    printer::Printer,
    sample,
};

const PROMPT: &str = "prompt> ";

pub(super) fn run(args: &InteractiveArgs, printer: Printer) -> CommandResult {
    let path = checkpoint_path(args.checkpoint.as_ref(), args.load.as_ref(), "interactive")?;
    engines::check(&args.machine)?;
    let loaded = checkpoint::load(&path)?;
    let device = engines::device_to_generate(&args.machine, args.precision, &loaded)?;
    talk(&loaded, &args.sample.overrides, &device, args.seed, printer)
}

pub(super) fn talk(
    loaded: &Loaded,
    typed: &Overrides,
    device: &Device,
    seed: Option<u64>,
    printer: Printer,
) -> CommandResult {
    let settings = typed
        .sampling(SampleSettings::default())
        .map_err(Stop::usage)?;
    sample::check_stop(&settings, loaded.model.tokenizer(), printer)?;
    texts_that_fit(loaded, &settings, device, 1)?;
    let sampler = loaded
        .model
        .sampler(device, &settings, seed_or_clock(seed))?;
    engines::say_threads(sampler.threads(), device, printer);
    let interrupt = Interrupt::of_ctrl_c(printer);
    let mut lines = PromptLines::new(printer)?;
    let mut number = 0;
    if let Some(prompt) = &typed.prompt {
        answer(&sampler, prompt, number, &interrupt, printer);
        number += 1;
    }
    while let Some(line) = lines.next(&interrupt, printer)? {
        match line.trim() {
            "quit" | "exit" | "q" => break,
            "" => {}
            _ => {
                answer(&sampler, &line, number, &interrupt, printer);
                number += 1;
            }
        }
    }
    Ok(ExitCode::Success)
}

/// Prints the continuation of `prompt`. An error is reported and does not end the loop.
fn answer(sampler: &Sampler, prompt: &str, number: u32, interrupt: &Interrupt, printer: Printer) {
    interrupt.take();
    let mut begun = false;
    let show = |text: &str| {
        if !begun {
            printer.text(prompt);
            begun = true;
        }
        printer.text(text);
    };
    match sampler.sample(prompt, number, interrupt.flag(), show) {
        Ok(_) => printer.text("\n"),
        Err(error) => printer.stop(&error.into()),
    }
    interrupt.take();
}

/// The source of prompts.
enum PromptLines {
    /// A terminal, with line editing and a history.
    Terminal(Box<Editor<(), MemHistory>>),
    Pipe,
}

impl PromptLines {
    fn new(printer: Printer) -> CommandResult<Self> {
        if !printer.is_interactive() {
            return Ok(Self::Pipe);
        }
        printer.note(
            "type a beginning and press Enter; Ctrl-C stops the model, `quit` or Ctrl-D leaves",
        );
        Editor::with_history(Config::default(), MemHistory::new())
            .map(|editor| Self::Terminal(Box::new(editor)))
            .map_err(|e| Stop::failure(format_args!("cannot read from the terminal: {e}")))
    }

    /// Returns the next line, or `None` at the end of input.
    fn next(&mut self, interrupt: &Interrupt, printer: Printer) -> CommandResult<Option<String>> {
        match self {
            Self::Terminal(editor) => typed(editor, printer),
            Self::Pipe => piped(interrupt),
        }
    }
}

fn typed(editor: &mut Editor<(), MemHistory>, printer: Printer) -> CommandResult<Option<String>> {
    loop {
        match editor.readline(PROMPT) {
            Ok(line) => {
                // An error of the history does not matter.
                let _ = editor.add_history_entry(&line);
                return Ok(Some(line));
            }
            Err(ReadlineError::Eof) => return Ok(None),
            Err(ReadlineError::Interrupted) => printer.hint("`quit` or Ctrl-D leaves"),
            Err(e) => return Err(Stop::failure(format_args!("cannot read a line: {e}"))),
        }
    }
}

fn piped(interrupt: &Interrupt) -> CommandResult<Option<String>> {
    let mut line = String::new();
    match io::stdin().read_line(&mut line) {
        Ok(0) => Ok(None),
        Ok(_) if interrupt.is_set() => Ok(None),
        Ok(_) => Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned())),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(Stop::data("standard input is not UTF-8"))
        }
        Err(e) => Err(Stop::failure(format_args!(
            "cannot read standard input: {e}"
        ))),
    }
}
