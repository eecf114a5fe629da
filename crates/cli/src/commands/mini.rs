//! `gptlab mini`: the ancestor gpt2-mini.

use gptlab_model::Preset;

use crate::{args::TrainArgs, exit::CommandResult, printer::Printer};

use super::train::{self, lines::StepForm};

/// `gptlab train` with the ancestor's model and recipe where no other preset is typed,
/// and its lines of steps.
pub(super) fn run(mut args: TrainArgs, printer: Printer) -> CommandResult {
    // A checkpoint has its own model.
    if args.run.load.is_none() && args.run.resume.is_none() {
        let preset = &mut args.settings.overrides.preset;
        preset.get_or_insert(Preset::Gpt2Mini);
    }
    train::run_with(&args, StepForm::Ancestor, printer)
}
