//! `gptlab presets`: the models that have a name.

use gptlab_model::{Choice, Preset, PresetDescription};
use gptlab_report::words::count;
use gptlab_train::Settings;
use serde_json::{Map, Value};

use crate::{
    args::PresetsArgs,
    exit::{ExitCode, Outcome, Stop},
    printer::Printer,
    settings,
};

pub(super) fn run(args: &PresetsArgs, printer: Printer) -> Outcome {
    if let Some(preset) = args.name {
        recipe(preset, args.json.json, printer);
        return Ok(ExitCode::Success);
    }
    let rows = Preset::ALL
        .iter()
        .map(|preset| PresetDescription::new(*preset, settings::usual_vocab_size(*preset)))
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

/// Every setting of `preset` by its flag's name: a settings file, or an object.
fn recipe(preset: Preset, json: bool, printer: Printer) {
    let groups = settings::flags(&Settings::of(preset, None));
    if json {
        let flags = groups.into_iter().flat_map(|(_, flags)| flags);
        let object: Map<String, Value> = flags.map(|(name, v)| (name.to_owned(), v)).collect();
        printer.json(&object);
        return;
    }
    printer.line(format_args!("# {}: {}", preset.name(), preset.help()));
    printer
        .line("# `gptlab train --config FILE` trains by this file; flags typed there win over it.");
    for (heading, flags) in groups {
        printer.line(format_args!("\n# {heading}"));
        for (name, value) in flags {
            printer.line(format_args!("{name} = {value}"));
        }
    }
}
