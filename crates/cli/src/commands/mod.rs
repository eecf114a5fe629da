//! One file per command. A command turns settings into values, calls the libraries and prints.

mod ablate;
mod baselines;
mod bench;
mod completions;
mod data;
mod diff;
mod doctor;
mod doctor_run;
mod eval;
mod explain;
mod generate;
mod grid;
mod inside;
mod inspect;
mod interactive;
mod learn;
mod micro;
mod mini;
mod mystery;
mod presets;
mod probe;
mod report;
mod runs;
mod scaling_law;
mod sweep;
mod train;

use crate::{args::Command, exit::CommandResult, printer::Printer};

pub(crate) fn run(command: Command, printer: Printer) -> CommandResult {
    match command {
        Command::Train(args) => train::run(&args, printer),
        Command::Generate(args) => generate::run(&args, printer),
        Command::Interactive(args) => interactive::run(&args, printer),
        Command::Eval(args) => eval::run(&args, printer),
        Command::Baselines(args) => baselines::run(&args, printer),
        Command::Probe(args) => probe::run(&args, printer),
        Command::Inspect(args) => inspect::run(&args, printer),
        Command::Ablate(args) => ablate::run(&args, printer),
        Command::Sweep(args) => sweep::run(&args, printer),
        Command::Mini(args) => mini::run(*args, printer),
        Command::Micro(args) => micro::run(&args, printer),
        Command::Bench(args) => bench::run(&args, printer),
        Command::Presets(args) => presets::run(&args, printer),
        Command::Data(args) => data::run(&args, printer),
        Command::Runs(args) => runs::run(&args, printer),
        Command::Report(args) => report::run(&args, printer),
        Command::Diff(args) => diff::run(&args, printer),
        Command::Doctor(args) => doctor::run(&args, printer),
        Command::Explain(args) => explain::run(&args, printer),
        Command::Learn(args) => learn::run(&args, printer),
        Command::Mystery(args) => mystery::run(&args, printer),
        Command::Completions(args) => completions::run(&args, printer),
    }
}
