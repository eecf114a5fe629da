//! `gptlab presets`: the models that have a name.

use gptlab_model::{Preset, PresetDescription};
use gptlab_report::words::count;

use crate::{
    args::ReadableArgs,
    exit::{ExitCode, Outcome, Stop},
    printer::Printer,
    settings,
};

pub(super) fn run(args: &ReadableArgs, printer: Printer) -> Outcome {
    let rows = Preset::ALL
        .into_iter()
        .map(|preset| PresetDescription::new(preset, settings::usual_vocab_size(preset)))
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
    Ok(ExitCode::Success)
}
