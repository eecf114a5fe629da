//! `gptlab eval`: measures how well a checkpoint predicts a text.

use std::path::Path;

use gptlab_data::{Builtin, Text};
use gptlab_record::{DataRecord, read_experiment};
use gptlab_report::words::count;
use gptlab_train::{EvaluatedText, EvaluationReport, run_folder};

use crate::{
    args::EvalArgs,
    checkpoint::{self, Loaded},
    commands::generate::checkpoint_path,
    engines,
    exit::{CommandResult, ExitCode, Stop},
    memory,
    printer::Printer,
    text,
};

pub(super) fn run(args: &EvalArgs, printer: Printer) -> CommandResult {
    let path = checkpoint_path(args.checkpoint.as_ref(), args.load.as_ref(), "eval")?;
    let loaded = checkpoint::load(&path)?;
    let text = text_of(args, &path, &loaded, printer)?;
    let report = measure(args, &loaded, &text, printer)?;
    if args.json.json {
        printer.json(&report);
    } else {
        show(&report, printer);
    }
    if !report.loss.is_finite() {
        return Err(Stop::failure(
            "the model has diverged: its loss on this text is not a finite number",
        ));
    }
    Ok(ExitCode::Success)
}

/// Returns the text that was typed; or the one that the model at `path` was trained on, if the
/// record of its run names it, or if it is a built-in text.
fn text_of(args: &EvalArgs, path: &Path, loaded: &Loaded, printer: Printer) -> CommandResult<Text> {
    if args.data.is_some() {
        return text::source(args.data.as_deref(), Builtin::Stories);
    }
    let fingerprint = loaded.header.data.fingerprint;
    let folder = if path.is_dir() {
        Some(path.to_owned())
    } else {
        run_folder(path)
    };
    let Some(folder) = folder else {
        return text::by_fingerprint(fingerprint).ok_or_else(|| {
            Stop::usage(
                "eval needs --data: the checkpoint is in no run's folder, whose record would name its text, \
                 and was not trained on a built-in text",
            )
        });
    };
    let record = read_experiment(&folder)?.data;
    let text = text::of_run(Some(&record), fingerprint)?.ok_or_else(|| {
        Stop::usage(format_args!(
            "eval needs --data: the run was trained on {}, which cannot be made again",
            record.source
        ))
    })?;
    if text.fingerprint() != fingerprint {
        return Err(changed(&record, &text, loaded));
    }
    printer.say(format_args!(
        "measuring on the text of the run's record: {}",
        text.origin()
    ));
    Ok(text)
}

/// Says that the file that a record names is not the run's text any more.
fn changed(record: &DataRecord, text: &Text, loaded: &Loaded) -> Stop {
    Stop::data(format_args!(
        "{} has changed since the run was trained on it: expected the SHA-256 {}, found {}",
        record.source,
        loaded.header.data.fingerprint,
        text.fingerprint()
    ))
    .hint("give the run's text with --data, or any other text to measure on that")
}

fn measure(
    args: &EvalArgs,
    loaded: &Loaded,
    text: &Text,
    printer: Printer,
) -> CommandResult<EvaluationReport> {
    let data = &loaded.header.data;
    let trained_on = text.fingerprint() == data.fingerprint;
    // Of its training text, only the validation part is new to the model.
    let usual = if trained_on { data.val_fraction } else { 0.0 };
    let fraction = args.val_fraction.unwrap_or(usual);
    let evaluated = EvaluatedText::new(
        &loaded.model,
        text,
        fraction,
        loaded.header.hyper.batch_size,
    )?;
    let device = engines::device(&args.machine, loaded.header.hyper.precision, printer)?;
    let (graph, weights) = (loaded.model.graph(), loaded.model.weights());
    memory::check_evaluating(graph, &device, evaluated.shape())?;
    let mut engine = engines::make(graph.clone(), weights, &device, printer)?;
    let found = match args.stride {
        None => evaluated.evaluate(engine.as_mut())?,
        Some(stride) => {
            check_stride(stride, evaluated.shape().tokens)?;
            evaluated.evaluate_overlapping(engine.as_mut(), stride)?
        }
    };
    let report = found
        .ok_or_else(|| Stop::data(format_args!("{} has nothing to predict", text.origin())))?;
    let kept = data.val_fraction;
    Ok(EvaluationReport {
        trained_on: trained_on.then(|| share_trained_on(report.fraction, kept)),
        ..report
    })
}

fn check_stride(stride: usize, block_size: usize) -> CommandResult<()> {
    if (1..=block_size).contains(&stride) {
        return Ok(());
    }
    Err(Stop::usage(format_args!(
        "--stride must be from 1 to the context, which is {block_size}, found {stride}"
    )))
}

/// Returns the share of the last `fraction` of a text that a model was trained on, if the last
/// `kept` of the text was kept from it.
fn share_trained_on(fraction: f64, kept: f64) -> f64 {
    ((fraction - kept) / fraction).max(0.0)
}

fn show(report: &EvaluationReport, printer: Printer) {
    let part = match report.fraction {
        1.0 => "all of it".to_owned(),
        fraction => format!("its last {fraction:.3}"),
    };
    printer.line(format_args!("text         {} ({part})", report.text));
    printer.line(format_args!(
        "predictions  {} of {} with a context of {}",
        count(report.predictions),
        count(report.of_predictions),
        report.block_size
    ));
    printer.line(match report.stride {
        None => {
            "windows      side by side (--stride N overlaps them and lowers the loss)".to_owned()
        }
        Some(stride) => format!("windows      overlapping, with {stride} new predictions each"),
    });
    if let Some(share) = report.trained_on.filter(|share| *share > 0.0) {
        printer.line(format_args!(
            "trained on   {:.0} % of them: the loss says little about new text",
            share * 100.0
        ));
    }
    printer.line(format_args!(
        "loss         {:.4} nats per token",
        report.loss
    ));
    printer.line(format_args!("perplexity   {:.4}", report.perplexity));
    printer.line(format_args!(
        "bpc          {:.4} bits per character",
        report.bits_per_char
    ));
}
