//! `gptlab sweep`: shows how loss and the best learning rate change with size.

use gptlab_data::Builtin;
use gptlab_lab::grid::{self, GridAxis, GridRecipe, Size};

use super::grid::{axes, check, command_line, go};
use crate::{args::SweepArgs, exit::CommandResult, printer::Printer, text};

pub(super) fn run(args: &SweepArgs, printer: Printer) -> CommandResult {
    let typed = &args.base;
    let text = text::source(typed.data.data.as_deref(), Builtin::Stories)?;
    let base = typed.settings(GridRecipe::Quick, &text)?;
    let axes = if args.grid.is_empty() {
        vec![GridAxis::learning_rates()]
    } else {
        axes(&args.grid)?
    };
    let sizes = Size::named(&args.sizes)?;
    let points = grid::sized_points(&base, &typed.settings.overrides, &sizes, &axes)?;
    let planned = grid::sweep(&points, &typed.seeds(1)?, &text, &command_line())?;
    check(&planned, typed)?;
    go(&planned, &text, typed, printer)
}
