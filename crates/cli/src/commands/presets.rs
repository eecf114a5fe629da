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
    settings,
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

/// Prints every setting of `preset`.
fn recipe(preset: Preset, json: bool, printer: Printer) -> CommandResult<()> {
    let recipe = Overrides::of(&Settings::of(preset, None));
    let name = format!("{}: {}", preset.name(), preset.help());
    let comment = [
        &name,
        "`gptlab train --config FILE` reads this file; flags override it.",
    ];
    settings::print(&recipe, None, &comment, json, printer)
}
