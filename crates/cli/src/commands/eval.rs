//! `gptlab eval`: measures how well a checkpoint predicts a text.

use gptlab_data::{Builtin, Text};
use gptlab_report::words::count;
use gptlab_train::{EvaluatedText, EvaluationReport};

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
    let text = text_of(args, &loaded)?;
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

/// Returns the text that was typed, or the built-in one that the checkpoint was trained on.
fn text_of(args: &EvalArgs, loaded: &Loaded) -> CommandResult<Text> {
    if args.data.is_some() {
        return text::source(args.data.as_deref(), Builtin::Stories);
    }
    text::by_fingerprint(loaded.header.data.fingerprint).ok_or_else(|| {
        Stop::usage("eval needs --data: the checkpoint was not trained on a built-in text")
    })
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
    let device = engines::device(&args.machine, loaded.header.hyper.precision)?;
    let (graph, weights) = (loaded.model.graph(), loaded.model.weights());
    memory::check_evaluating(graph, &device, evaluated.shape())?;
    let mut engine = engines::make(graph.clone(), weights, &device, printer)?;
    evaluated
        .evaluate(engine.as_mut())?
        .ok_or_else(|| Stop::data(format_args!("{} has nothing to predict", text.origin())))
}

fn show(report: &EvaluationReport, printer: Printer) {
    let part = match report.fraction {
        1.0 => "all of it".to_owned(),
        fraction => format!("its last {fraction:.3}"),
    };
    printer.line(format_args!("text         {} ({part})", report.text));
    printer.line(format_args!(
        "predictions  {} with a context of {}",
        count(report.predictions),
        report.block_size
    ));
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
