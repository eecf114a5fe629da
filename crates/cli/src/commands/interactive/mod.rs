//! `gptlab interactive`: reads a prompt, prints the model's continuation, and repeats.

mod line;

use std::io;

use gptlab_engine::Device;
use gptlab_recipe::{
    Overrides, SampleSettings, read_count,
    words::{reason, without_number},
};
use gptlab_train::Sampler;
use rustyline::{Config, Editor, error::ReadlineError, history::MemHistory};

use self::line::Line;
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
    let device = engines::device_to_generate(&args.machine, args.precision, &loaded, printer)?;
    talk(&loaded, &args.sample.overrides, &device, args.seed, printer)
}

pub(super) fn talk(
    loaded: &Loaded,
    typed: &Overrides,
    device: &Device,
    seed: Option<u64>,
    printer: Printer,
) -> CommandResult {
    let mut session = Session::new(loaded, typed, device, seed_or_clock(seed), printer)?;
    engines::say_threads(session.sampler.threads(), device, printer);
    let interrupt = Interrupt::of_ctrl_c(printer);
    let mut lines = PromptLines::new(printer)?;
    if let Some(prompt) = &typed.prompt {
        session.answer(prompt, &interrupt);
    }
    while let Some(line) = lines.next(&interrupt, printer)? {
        let outcome = match line::read(&line) {
            Line::Leave => break,
            Line::Nothing => Ok(()),
            Line::Prompt(prompt) => {
                session.answer(prompt, &interrupt);
                Ok(())
            }
            Line::Help => {
                printer.say(line::help());
                Ok(())
            }
            Line::Reset => session.reset(),
            Line::Seed(value) => session.seed(value),
            Line::Setting(field, value) => session.setting(field, value),
            Line::Unknown(name) => Err(unknown(name, &line)),
        };
        if let Err(stop) = outcome {
            printer.stop(&stop);
        }
    }
    Ok(ExitCode::Success)
}

fn unknown(name: &str, line: &str) -> Stop {
    Stop::usage(format_args!("there is no command /{name}"))
        .hint("/help lists the commands")
        .hint(format!(
            "a text that begins with a slash is typed with two: /{line}"
        ))
}

/// What answers the lines: a model, and how it samples.
struct Session<'a> {
    loaded: &'a Loaded,
    device: &'a Device,
    printer: Printer,
    sampler: Sampler,
    /// The settings and the seed of the start.
    first: (Overrides, u64),
    /// The settings and the seed of the next text.
    now: (Overrides, u64),
    /// The number of texts since the seed was set.
    number: u32,
}

impl<'a> Session<'a> {
    fn new(
        loaded: &'a Loaded,
        typed: &Overrides,
        device: &'a Device,
        seed: u64,
        printer: Printer,
    ) -> CommandResult<Self> {
        let settings = checked(loaded, typed, device, printer)?;
        Ok(Self {
            loaded,
            device,
            printer,
            sampler: loaded.model.sampler(device, &settings, seed)?,
            first: (typed.clone(), seed),
            now: (typed.clone(), seed),
            number: 0,
        })
    }

    /// Prints the continuation of `prompt`. An error is reported and does not end the session.
    fn answer(&mut self, prompt: &str, interrupt: &Interrupt) {
        let printer = self.printer;
        interrupt.take();
        let mut begun = false;
        let show = |text: &str| {
            if !begun {
                printer.typed(prompt);
                begun = true;
            }
            printer.text(text);
        };
        match self
            .sampler
            .sample(prompt, self.number, interrupt.flag(), show)
        {
            Ok(_) => printer.text("\n"),
            Err(error) => printer.stop(&error.into()),
        }
        interrupt.take();
        self.number += 1;
    }

    /// Uses these settings and this seed for the next texts, or changes nothing if they are
    /// refused.
    fn change(&mut self, overrides: Overrides, seed: u64) -> CommandResult<()> {
        let settings = checked(self.loaded, &overrides, self.device, self.printer)?;
        self.sampler.set(&settings, seed)?;
        self.now = (overrides, seed);
        Ok(())
    }

    fn reset(&mut self) -> CommandResult<()> {
        let (overrides, seed) = self.first.clone();
        self.change(overrides, seed)?;
        self.number = 0;
        self.printer
            .note("the settings and the seed are those of the start");
        Ok(())
    }

    fn seed(&mut self, value: &str) -> CommandResult<()> {
        if !value.is_empty() {
            let seed = read_count(value)
                .map_err(|why| Stop::usage(format_args!("seed = {value}: {why}")))?;
            self.change(self.now.0.clone(), seed)?;
            self.number = 0;
        }
        self.printer.note(format_args!("seed {}", self.now.1));
        Ok(())
    }

    fn setting(&mut self, field: &str, value: &str) -> CommandResult<()> {
        if !value.is_empty() {
            let mut overrides = self.now.0.clone();
            overrides.set(field, value).map_err(Stop::usage)?;
            self.change(overrides, self.now.1)?;
        }
        let settings = self.now.0.sampling(SampleSettings::default());
        let shown = Overrides::of_sampling(&settings.map_err(Stop::usage)?);
        let mut values = shown.values().filter(|(key, _)| key.field == field);
        let value = values.next().map(|(_, value)| value.to_string());
        self.printer.note(format_args!(
            "{} {}",
            field.replace('_', "-"),
            value.as_deref().unwrap_or("none")
        ));
        Ok(())
    }
}

/// Returns the settings that `typed` asks for.
fn checked(
    loaded: &Loaded,
    typed: &Overrides,
    device: &Device,
    printer: Printer,
) -> CommandResult<SampleSettings> {
    let settings = typed
        .sampling(SampleSettings::default())
        .map_err(Stop::usage)?;
    sample::check_stop(&settings, loaded.model.tokenizer(), printer)?;
    texts_that_fit(loaded, &settings, device, 1)?;
    Ok(settings)
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
        printer
            .note("type a beginning and press Enter; /help lists commands, Ctrl-C stops the model");
        Editor::with_history(Config::default(), MemHistory::new())
            .map(|editor| Self::Terminal(Box::new(editor)))
            .map_err(|e| {
                let why = without_number(&e.to_string());
                Stop::failure(format_args!("cannot read from the terminal: {why}"))
            })
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
            Err(ReadlineError::Interrupted) => printer.hint("/quit or Ctrl-D leaves"),
            Err(e) => {
                let why = without_number(&e.to_string());
                return Err(Stop::failure(format_args!("cannot read a line: {why}")));
            }
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
            "cannot read standard input: {}",
            reason(&e)
        ))),
    }
}
