//! `gptlab ablate`: shows what each part is for by removing it.

use gptlab_data::Builtin;
use gptlab_lab::{
    grid::{self, GridRecipe, Skipped},
    switches::{self, Switch},
};

use super::grid::{axes, command_line, go};
use crate::{
    args::AblateArgs,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
    text,
};

pub(super) fn run(args: &AblateArgs, printer: Printer) -> CommandResult {
    if args.list {
        list(args.base.json.json, printer);
        return Ok(ExitCode::Success);
    }
    let chosen = Switch::named(&args.switches).map_err(Stop::usage)?;
    let recipe = if args.switches == "seed" {
        GridRecipe::ANCESTOR
    } else {
        GridRecipe::Quick
    };
    let typed = &args.base;
    let text = text::source(typed.data.data.as_deref(), Builtin::Stories)?;
    let base = typed.settings(recipe, &text)?;
    let points = grid::points(&base, &axes(&args.grid)?)?;
    let seeds = typed.seeds()?;
    let (planned, skipped) = grid::ablation(&points, &chosen, &seeds, &text, &command_line())?;
    tell_skipped(&args.switches, &skipped, printer)?;
    go(&planned, &text, typed, printer)
}

/// Reports skipped switches of a list. A switch that was typed by name must be possible.
fn tell_skipped(typed: &str, skipped: &[Skipped], printer: Printer) -> CommandResult<()> {
    let typed: Vec<&str> = typed.split(',').map(str::trim).collect();
    for Skipped { name, why } in skipped {
        if typed.contains(&name.as_str()) {
            return Err(Stop::usage(format_args!(
                "the switch {name} cannot be thrown here: {why}"
            )));
        }
        printer.say(format_args!("left out {name}: {why}"));
    }
    Ok(())
}

fn list(json: bool, printer: Printer) {
    if json {
        printer.json(&switches::ALL);
        return;
    }
    for switch in switches::ALL {
        printer.line(format_args!("{:<20} {}", switch.name, switch.title));
        printer.line(format_args!("{:<20}   for: {}", "", switch.purpose));
        printer.line(format_args!("{:<20}   expect: {}", "", switch.prediction));
        printer.line(format_args!("{:<20}   {}", "", switch.source));
    }
}
