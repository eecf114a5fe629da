//! `gptlab ablate --against`: repeats recipes whose results others have published.

use std::path::Path;

use gptlab_data::Builtin;
use gptlab_lab::{
    grid::{self, MOST_SEEDS},
    published::{self, PublishedError, PublishedResult},
};
use gptlab_model::Choice;
use gptlab_record::PublishedQuantity;
use gptlab_report::words::indented;

use super::super::grid::{check, command_line, go};
use crate::{
    args::{AblateArgs, BaseArgs},
    config,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
    text,
};

/// The results that are part of the program, by the name that users type.
const OURS: &str = "published";

/// Runs the recipes of `against`, which is `published` or a file, and compares the results.
pub(super) fn run(args: &AblateArgs, against: &str, printer: Printer) -> CommandResult {
    let all = read(against)?;
    let typed = &args.base;
    if args.list {
        list(&all, typed.json.json, printer);
        return Ok(ExitCode::Success);
    }
    if let Some(name) = published::changing(&typed.settings.overrides) {
        return Err(Stop::usage(format_args!(
            "--against repeats recipes as they were measured, and --{name} would change them"
        ))
        .hint("a file of your own can hold any recipe: --against FILE.toml"));
    }
    let (mut chosen, long) = published::chosen(&all, args.switches()).map_err(refused)?;
    let Some(data) = typed.data.data.as_deref() else {
        return Err(no_text(&chosen));
    };
    let text = text::source(Some(data), Builtin::Stories)?;
    let (own, others) = published::on_text(chosen, &text).map_err(refused)?;
    chosen = own;
    for skipped in long.iter().chain(&others) {
        printer.say(format_args!("left out {}: {}", skipped.name, skipped.why));
    }
    let usual = chosen.iter().map(|row| row.seeds).max().unwrap_or(1);
    let seeds = typed.seeds(usual.min(MOST_SEEDS))?;
    if let Some(requested) = typed.run.seeds {
        for row in &mut chosen {
            row.seeds = requested;
        }
    }
    let recipes: Vec<_> = chosen
        .iter()
        .map(|row| recipe(row, typed))
        .collect::<CommandResult<_>>()?;
    let planned = grid::published(&chosen, &recipes, &seeds, &text, &command_line())?;
    check(&planned, typed)?;
    go(&planned, &text, typed, printer)
}

fn recipe(row: &PublishedResult, typed: &BaseArgs) -> CommandResult<gptlab_recipe::Settings> {
    let settings = row.settings(&typed.settings.overrides);
    typed.on_machine(settings.map_err(Stop::usage)?)
}

/// Reads the results that are part of the program, or those in a file.
fn read(against: &str) -> CommandResult<Vec<PublishedResult>> {
    if against == OURS {
        return published::results().map_err(refused);
    }
    let path = Path::new(against);
    let text = config::read(path, "file of published results").map_err(|stop| {
        stop.hint("`--against published` takes the results that are part of the program")
    })?;
    published::read(against, &text).map_err(refused)
}

fn refused(error: PublishedError) -> Stop {
    match &error {
        PublishedError::File { .. } => Stop::data(error),
        PublishedError::Unknown { .. } | PublishedError::Nothing(_) => {
            Stop::usage(error).hint("`--list` describes the results")
        }
        PublishedError::OtherText { expected, .. } => {
            let hints: Vec<String> = expected.iter().map(whence).collect();
            hints.into_iter().fold(Stop::data(&error), Stop::hint)
        }
    }
}

fn no_text(chosen: &[PublishedResult]) -> Stop {
    let texts = published::texts(chosen);
    let names: Vec<String> = texts.iter().map(ToString::to_string).collect();
    let stop = Stop::usage(format_args!(
        "--against needs --data with the text that the results were measured on, {}; found no --data",
        names.join(" or ")
    ));
    texts.iter().map(whence).fold(stop, Stop::hint)
}

fn whence(text: &published::PublishedText) -> String {
    format!("{} is {}", text.title, text.found)
}

fn list(all: &[PublishedResult], json: bool, printer: Printer) {
    if json {
        printer.json(&all);
        return;
    }
    let slugs = super::beside(all.iter().map(PublishedResult::slug));
    for (row, slug) in all.iter().zip(slugs) {
        let settings: Vec<String> = row
            .settings
            .values()
            .map(|(key, value)| format!("{} {value}", key.name()))
            .collect();
        let recipe = match settings.as_slice() {
            [] => row.preset.name().to_owned(),
            settings => format!("{} with {}", row.preset.name(), settings.join(", ")),
        };
        let long = if row.long { "long, " } else { "" };
        printer.line(format_args!("{slug}{}", value(row)));
        for words in [
            format!("{long}{recipe}, on {}", row.text.title),
            row.remark.clone(),
            format!("source: {}", row.source.sentence()),
        ] {
            printer.text(indented(&words, 4, printer.columns()));
        }
    }
}

/// Says what was published.
fn value(row: &PublishedResult) -> String {
    let loss = row.value.map_or_else(String::new, |x| format!(" {x}"));
    let spread = row.spread.map_or_else(String::new, |x| format!(" ± {x}"));
    match row.quantity {
        PublishedQuantity::ValidationLoss => format!("validation loss{loss}{spread}"),
        PublishedQuantity::TrainingLoss => format!("training loss{loss}{spread}"),
        PublishedQuantity::NgramBaseline(order) => {
            let within = row
                .within
                .map_or_else(String::new, |x| format!(", within {x}"));
            format!("ends on the {order}-gram baseline{within}")
        }
    }
}
