//! `gptlab data`: what a run read, for others to check.

use std::path::Path;

use gptlab_data::{Builtin, Text, Tokenizer};
use gptlab_model::Batch;
use gptlab_recipe::words::plural_s;
use gptlab_record::read_experiment;
use gptlab_train::rebuild_batches;
use serde::Serialize;

use crate::{
    args::{DataArgs, DataCommand},
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
    text,
};

pub(super) fn run(args: &DataArgs, printer: Printer) -> CommandResult {
    match &args.what {
        DataCommand::Write { text } => write(text, printer)?,
        DataCommand::Batches { run, step, json } => batch(run, *step, json.json, printer)?,
    }
    Ok(ExitCode::Success)
}

fn write(name: &str, printer: Printer) -> CommandResult<()> {
    let builtin = Builtin::parse(name).map_err(Stop::usage)?;
    let builtin = builtin.ok_or_else(|| {
        Stop::usage(format_args!(
            "there is no built-in text called `{name}`; there are {}",
            Builtin::names()
        ))
    })?;
    printer.text(Text::builtin(builtin).as_str());
    Ok(())
}

/// What `data batches --json` prints.
#[derive(Serialize)]
struct BatchReport {
    step: u32,
    sequences: Vec<SequenceReport>,
}

/// One sequence: token `i` of `targets` is predicted from tokens `0..=i` of `inputs`.
#[derive(Serialize)]
struct SequenceReport {
    inputs: Vec<u32>,
    targets: Vec<u32>,
    /// The inputs as text, a token an entry.
    text: Vec<String>,
}

fn batch(run: &Path, step: u32, json: bool, printer: Printer) -> CommandResult<()> {
    let experiment = read_experiment(run)?;
    let steps = experiment.hyper.steps;
    if u64::from(step) >= steps {
        return Err(Stop::usage(format_args!(
            "--step must be below the run's {steps} step{}, found {step}",
            plural_s(steps)
        )));
    }
    let text = text::of_record(&experiment.data).ok_or_else(|| {
        Stop::data(format_args!(
            "{} is not there any more, or is another text now; put it back to see its batches",
            experiment.data.source
        ))
    })?;
    let model = experiment.spec.check(experiment.vocab_size);
    let model = model.map_err(Stop::data)?;
    let batches = rebuild_batches(&experiment, &text)
        .ok_or_else(|| Stop::data("the run's record does not fit its text"))?;
    let batch = batches.train(&model, step).map_err(Stop::data)?;
    let tokenizer = batches.corpus().tokenizer();
    let report = BatchReport {
        step,
        sequences: sequences(&batch, tokenizer),
    };
    if json {
        printer.json(&report);
        return Ok(());
    }
    for (i, sequence) in report.sequences.iter().enumerate() {
        let read: String = sequence.text.concat();
        let last = sequence.targets.last().copied();
        let next = last.map_or_else(String::new, |token| tokenizer.label(token));
        printer.line(format_args!("{i:4}  {read:?} then {next:?}"));
    }
    Ok(())
}

fn sequences(batch: &Batch, tokenizer: &Tokenizer) -> Vec<SequenceReport> {
    let sequence = |i| {
        let rows = batch.rows(i);
        let inputs = batch.inputs()[rows.clone()].to_vec();
        SequenceReport {
            text: inputs.iter().map(|t| tokenizer.label(*t)).collect(),
            targets: batch.targets()[rows].to_vec(),
            inputs,
        }
    };
    (0..batch.sequences()).map(sequence).collect()
}
