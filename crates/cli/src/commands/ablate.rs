//! `gptlab ablate`: shows what each part is for by removing it.

mod against;

use gptlab_data::{Builtin, Text};
use gptlab_lab::{
    grid::{self, GridAxis, GridRecipe, Skipped},
    switches::{self, Switch},
};
use gptlab_model::Choice;
use gptlab_recipe::Settings;
use gptlab_report::{
    ablation::expected,
    words::{indented, plural},
};

use super::grid::{axes, check, command_line, go};
use crate::{
    args::AblateArgs,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
    text,
};

/// How many seeds each variant has: the fewest whose differences can be told from noise.
const SEEDS: u64 = 3;

pub(super) fn run(args: &AblateArgs, printer: Printer) -> CommandResult {
    if let Some(against) = &args.against {
        return against::run(args, against, printer);
    }
    if args.list {
        let named = args.switches.as_deref().map(Switch::named);
        let listed = named.transpose().map_err(Stop::usage)?;
        list(
            listed.as_deref().unwrap_or(switches::ALL),
            args.base.json.json,
            printer,
        );
        return Ok(ExitCode::Success);
    }
    let chosen = Switch::named(args.switches()).map_err(Stop::usage)?;
    let ancestor = args.switches() == "seed";
    let recipe = if ancestor {
        GridRecipe::ANCESTOR
    } else {
        GridRecipe::Ablation
    };
    let typed = &args.base;
    let text = text::source(typed.data.data.as_deref(), Builtin::Stories)?;
    let base = typed.settings(recipe, &text)?;
    let tuning = args.tune.as_ref().map(|name| GridAxis::tuning(name, &base));
    let (axes, tuned) = match tuning.transpose()? {
        Some((axis, tuned)) => (vec![axis], Some(tuned)),
        None => (axes(&args.grid)?, None),
    };
    let points = grid::points(&base, &axes)?;
    let seeds = typed.seeds(if ancestor { 1 } else { SEEDS })?;
    let (planned, skipped) = grid::ablation(&points, &chosen, &seeds, &text, &command_line())?;
    tell_skipped(args.switches(), &skipped, printer)?;
    let planned = match tuned {
        Some(tuned) => planned.tuned(tuned),
        None => planned,
    };
    check(&planned, typed)?;
    printer.for_work().say(what_is_trained(&base, &text));
    if seeds.len() == 2 {
        printer.for_work().warn(
            "two seeds tell little: an interval is then 13 standard errors to each side, and 4 with three",
        );
    }
    go(&planned, &text, typed, printer)
}

/// Describes the model from which parts are taken out, its recipe and its text.
fn what_is_trained(base: &Settings, text: &Text) -> String {
    let Settings { spec, hyper, .. } = base;
    let heads = spec.attentions().next();
    format!(
        "baseline: {} of width {}, {}, context {}; {} at rate {}, batches of {}; on {}",
        plural(spec.layers.len(), "layer"),
        spec.n_embd,
        heads.map_or("no attention".into(), |a| plural(a.heads, "head")),
        spec.block_size,
        hyper.optimizer.name(),
        hyper.lr,
        hyper.batch_size,
        text.origin()
    )
}

/// Reports skipped switches of a list. A switch that was typed by name must be possible.
fn tell_skipped(typed: &str, skipped: &[Skipped], printer: Printer) -> CommandResult<()> {
    let named = |name: &str| {
        let mut typed = typed.split(',').filter_map(|one| Switch::find(one).ok());
        typed.any(|switch| switch.slug() == name)
    };
    for Skipped { name, why } in skipped {
        if named(name) {
            return Err(Stop::usage(format_args!(
                "the switch {name} cannot be thrown here: {why}"
            )));
        }
        printer.say(format_args!("left out {name}: {why}"));
    }
    Ok(())
}

/// Returns `names`, each followed by spaces up to where all of their descriptions begin, at least
/// two characters after the longest name.
fn beside(names: impl Iterator<Item = String>) -> Vec<String> {
    let names: Vec<String> = names.collect();
    let longest = names.iter().map(|name| name.chars().count()).max();
    let column = longest.unwrap_or_default() + 2;
    let padded = names.iter().map(|name| format!("{name:<column$}"));
    padded.collect()
}

fn list(switches: &[Switch], json: bool, printer: Printer) {
    if json {
        printer.json(&switches);
        return;
    }
    let slugs = beside(switches.iter().map(Switch::slug));
    for (switch, slug) in switches.iter().zip(slugs) {
        printer.line(format_args!("{slug}{}", switch.name));
        let expected = format!("{} ({})", switch.prediction, expected(switch.expected));
        let older = match switch.aliases {
            [] => String::new(),
            names => format!("alias: {}", names.join(", ")),
        };
        for (what, words) in [
            ("", switch.title),
            ("for: ", switch.purpose),
            ("expect: ", &expected),
            ("", switch.source),
            ("", &older),
        ] {
            printer.text(indented(&format!("{what}{words}"), 4, printer.columns()));
        }
    }
    printer.note(
        "expectations are against the baseline of a bare `gptlab ablate` (rotary positions, RMSNorm, SwiGLU, Muon), and, for \
         what this baseline has already, against a baseline with what it took the place of",
    );
}
