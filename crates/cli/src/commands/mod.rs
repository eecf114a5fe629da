//! One file a command. A command turns settings into values, calls the libraries and prints.

mod bench;
mod completions;
mod doctor;
mod eval;
mod generate;
mod inspect;
mod interactive;
mod micro;
mod presets;
mod train;

use crate::{args::Command, exit::Outcome, printer::Printer};

pub(crate) fn run(command: Command, printer: Printer) -> Outcome {
    match command {
        Command::Train(args) => train::run(&args, printer),
        Command::Generate(args) => generate::run(&args, printer),
        Command::Interactive(args) => interactive::run(&args, printer),
        Command::Eval(args) => eval::run(&args, printer),
        Command::Inspect(args) => inspect::run(&args, printer),
        Command::Micro(args) => micro::run(&args, printer),
        Command::Bench(args) => bench::run(&args, printer),
        Command::Presets(args) => presets::run(&args, printer),
        Command::Doctor(args) => Ok(doctor::run(&args, printer)),
        Command::Completions(args) => completions::run(&args, printer),
    }
}
