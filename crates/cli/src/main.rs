//! `gptlab`: a GPT laboratory in one binary.

mod args;
mod checkpoint;
mod commands;
mod config;
mod engines;
mod exit;
#[cfg(feature = "faults")]
mod faults;
mod folders;
mod gpu;
mod interrupt;
mod markdown;
mod memory;
mod printer;
mod progress;
mod sample;
mod settings;
mod terminal;
mod text;

use std::{env, process};

fn main() -> process::ExitCode {
    let printer = printer::Printer::new();
    #[cfg(feature = "faults")]
    if let Some(unknown) = faults::plan() {
        printer.stop(&unknown);
        return unknown.code.into();
    }
    let code = match args::parse(env::args_os()) {
        Ok(command) => commands::run(command, printer).unwrap_or_else(|stop| {
            printer.stop(&stop);
            stop.code
        }),
        Err(args::Refusal::Clap(error)) => printer.clap(&error),
        Err(args::Refusal::Stop(stop)) => {
            printer.stop(&stop);
            stop.code
        }
    };
    code.into()
}
