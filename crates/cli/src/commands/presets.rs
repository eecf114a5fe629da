//! `gptlab presets`: the models that have a name.

use gptlab_model::{Counts, ModelSpec, Preset, lower};
use gptlab_report::words::count;
use serde::Serialize;

use crate::{
    args::ReadableArgs,
    exit::{ExitCode, Outcome, Stop},
    printer::Printer,
    settings,
};

#[derive(Serialize)]
struct Row {
    name: &'static str,
    summary: &'static str,
    vocab_size: usize,
    parameters: usize,
    spec: ModelSpec,
}

pub(super) fn run(args: &ReadableArgs, printer: Printer) -> Outcome {
    let rows = Preset::ALL
        .into_iter()
        .map(row)
        .collect::<Outcome<Vec<Row>>>()?;
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

fn row(preset: Preset) -> Outcome<Row> {
    let vocab_size = settings::usual_vocab_size(preset);
    let spec = preset.spec();
    let graph = lower(&spec.check(vocab_size).map_err(Stop::usage)?);
    Ok(Row {
        name: preset.name(),
        summary: preset.summary(),
        vocab_size,
        parameters: Counts::of(&graph, spec.block_size).parameters,
        spec,
    })
}
