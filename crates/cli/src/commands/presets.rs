//! `gptlab presets`: lists the named models, or prints the recipe of one.

use gptlab_model::{Choice, Preset, PresetDescription};
use gptlab_recipe::{Overrides, Settings, usual_vocab_size};
use gptlab_report::words::count;

use crate::{
    args::PresetsArgs,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
};

pub(super) fn run(args: &PresetsArgs, printer: Printer) -> CommandResult {
    if let Some(preset) = args.name {
        recipe(preset, args.json.json, printer)?;
        return Ok(ExitCode::Success);
    }
    let rows = Preset::ALL
        .iter()
        .map(|preset| PresetDescription::new(*preset, usual_vocab_size(*preset)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Stop::usage)?;
    if args.json.json {
        printer.json(&rows);
        return Ok(ExitCode::Success);
    }
    for row in rows {
        printer.line(format_args!(
            "{:<12} {:>13} parameters with {:>6} tokens   {}",
            row.name,
            count(row.parameters as u64),
            count(row.vocab_size as u64),
            row.summary
        ));
    }
    printer.hint("`gptlab inspect --preset NAME` prints a model's listing");
    printer.hint("`gptlab presets NAME` prints a preset's whole recipe, for --config");
    Ok(ExitCode::Success)
}

/// Prints every setting of `preset` by name, as a settings file or as a JSON object.
fn recipe(preset: Preset, json: bool, printer: Printer) -> CommandResult<()> {
    let recipe = Overrides::of(&Settings::of(preset, None));
    if json {
        // The object is ordered by name, whatever the order of the table.
        let object = serde_json::to_value(&recipe).map_err(Stop::failure)?;
        printer.json(&object);
        return Ok(());
    }
    printer.line(format_args!("# {}: {}", preset.name(), preset.help()));
    printer
        .line("# `gptlab train --config FILE` trains by this file; flags typed there win over it.");
    let mut group = None;
    for (key, value) in recipe.values() {
        if group.replace(key.group) != Some(key.group) {
            printer.line(format_args!("\n# {}", key.group.title()));
        }
        let value = serde_json::to_string(&value).map_err(Stop::failure)?;
        printer.line(format_args!("{} = {value}", key.name()));
    }
    Ok(())
}
