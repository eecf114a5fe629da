//! `gptlab completions`: prints the completions for a shell.

use clap_complete::generate;

use crate::{
    args::{CompletionsArgs, definition},
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
};

pub(super) fn run(args: &CompletionsArgs, printer: Printer) -> CommandResult {
    let mut script = Vec::new();
    generate(args.shell, &mut definition(), "gptlab", &mut script);
    let script = String::from_utf8(script).map_err(Stop::failure)?;
    printer.text(script);
    Ok(ExitCode::Success)
}
