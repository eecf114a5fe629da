//! `gptlab presets`: lists the named models, or prints the recipe of one.

use gptlab_model::{Choice, Preset, PresetDescription};
use gptlab_recipe::{Overrides, Settings, usual_vocab_size};
use gptlab_report::{
    Table,
    table::{Column, TableCell},
};

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
    printer.text(table(&rows).text(printer.columns()));
    printer.hint("`gptlab inspect --preset NAME` prints a model's listing");
    printer.hint("`gptlab presets NAME` prints a preset's whole recipe, for --config");
    Ok(ExitCode::Success)
}

fn table(rows: &[PresetDescription]) -> Table {
    let columns = vec![
        Column::words("preset"),
        Column::numbers("parameters"),
        Column::numbers("tokens"),
        Column::words("recipe"),
    ];
    let mut table = Table::new("Presets, with the usual size of their vocabulary", columns);
    for row in rows {
        table.push(vec![
            TableCell::text(row.name),
            TableCell::count(row.parameters as u64),
            TableCell::count(row.vocab_size as u64),
            TableCell::text(row.summary),
        ]);
    }
    table
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
    printer.exact_line(format_args!("# {}: {}", preset.name(), preset.help()));
    printer.exact_line("# `gptlab train --config FILE` reads this file; flags override it.");
    let mut group = None;
    for (key, value) in recipe.values() {
        if group.replace(key.group) != Some(key.group) {
            printer.exact_line(format_args!("\n# {}", key.group.title()));
        }
        let value = serde_json::to_string(&value).map_err(Stop::failure)?;
        printer.exact_line(format_args!("{} = {value}", key.name()));
    }
    Ok(())
}
