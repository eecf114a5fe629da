//! `gptlab ablate`: what each part is for, shown by taking it out.

use gptlab_data::Builtin;
use gptlab_lab::{
    grid::{self, Skipped},
    switches::{self, Switch},
};
use gptlab_model::Preset;

use super::grid::{Recipe, command_line, go, points};
use crate::{
    args::AblateArgs,
    exit::{ExitCode, Outcome, Stop},
    printer::Printer,
    text,
};

/// Steps of the ancestor's own table.
const SEED: Recipe = Recipe::Own { steps: 30 };

pub(super) fn run(args: &AblateArgs, printer: Printer) -> Outcome {
    if args.list {
        list(args.base.json.json, printer);
        return Ok(ExitCode::Success);
    }
    let chosen = choose(&args.switches)?;
    let recipe = if args.switches == "seed" {
        SEED
    } else {
        Recipe::Quick
    };
    let typed = &args.base;
    let text = text::source(typed.data.data.as_deref(), Builtin::Stories)?;
    let base = typed.settings(Preset::Gpt2Mini, recipe)?;
    let points = points(&base, &args.grid)?;
    let seeds = typed.seeds()?;
    let (planned, skipped) = grid::ablation(&points, &chosen, &seeds, &text, &command_line())?;
    tell_skipped(&args.switches, &skipped, printer)?;
    go(&planned, &text, typed, printer)
}

/// The switches that `typed` names, each once.
fn choose(typed: &str) -> Outcome<Vec<Switch>> {
    let mut chosen: Vec<Switch> = Vec::new();
    let mut add = |switch: Switch| {
        if chosen.iter().all(|c| c.name != switch.name) {
            chosen.push(switch);
        }
    };
    for name in typed
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
    {
        match name {
            "all" => switches::ALL.iter().copied().for_each(&mut add),
            "seed" => {
                for name in switches::SEED {
                    add(Switch::find(name).map_err(Stop::usage)?);
                }
            }
            "baseline" => {}
            name => add(Switch::find(name).map_err(Stop::usage)?),
        }
    }
    Ok(chosen)
}

/// A list leaves out what cannot be; a name that was typed has to be possible.
fn tell_skipped(typed: &str, skipped: &[Skipped], printer: Printer) -> Outcome<()> {
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
