//! `gptlab inspect`: what a checkpoint, or a preset with flags, is.

use std::path::Path;

use gptlab_model::{Choice, Counts, Graph, Model, ModelSpec, Param, ParamInit, lower};
use gptlab_train::Header;
use serde::Serialize;

use crate::{
    args::{InspectArgs, ModelArgs},
    checkpoint,
    exit::{ExitCode, Outcome, Stop},
    printer::{Printer, count},
    settings,
};

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    spec: &'a ModelSpec,
    vocab_size: usize,
    parameters: usize,
    /// Of one sequence as long as the context.
    forward_flops: u128,
    listing: String,
    table: Vec<Row>,
    /// What a checkpoint says besides.
    checkpoint: Option<&'a Header>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    shape: Vec<usize>,
    offset: usize,
    init: String,
}

pub(super) fn run(args: &InspectArgs, printer: Printer) -> Outcome {
    match &args.checkpoint {
        Some(path) => {
            let typed = args.model != ModelArgs::default() || args.vocab_size.is_some();
            if typed {
                return Err(Stop::usage(
                    "a checkpoint has its own model; leave out either it or the model's flags",
                ));
            }
            trained(path, args.json.json, printer)
        }
        None => untrained(args, printer),
    }
}

fn trained(path: &Path, json: bool, printer: Printer) -> Outcome {
    let checkpoint = checkpoint::open(path)?;
    let (header, model, graph) = (checkpoint.header(), checkpoint.model(), checkpoint.graph());
    if json {
        printer.json(&report(model, graph, Some(header)));
    } else {
        for line in about(header) {
            printer.line(line);
        }
        printer.line("");
        show(model, graph, printer);
    }
    Ok(ExitCode::Success)
}

fn untrained(args: &InspectArgs, printer: Printer) -> Outcome {
    let spec = settings::spec(&args.model)?;
    let preset = args.model.preset.unwrap_or(settings::DEFAULT_PRESET);
    let vocab_size = args
        .vocab_size
        .unwrap_or_else(|| settings::usual_vocab_size(preset));
    let model = spec.check(vocab_size).map_err(Stop::usage)?;
    let graph = lower(&model);
    if args.json.json {
        printer.json(&report(&model, &graph, None));
    } else {
        show(&model, &graph, printer);
    }
    Ok(ExitCode::Success)
}

fn report<'a>(model: &'a Model, graph: &Graph, checkpoint: Option<&'a Header>) -> Report<'a> {
    let counts = Counts::of(graph, model.spec().block_size);
    Report {
        spec: model.spec(),
        vocab_size: model.vocab_size(),
        parameters: counts.parameters,
        forward_flops: counts.forward_flops,
        listing: graph.to_string(),
        table: table(graph),
        checkpoint,
    }
}

fn about(header: &Header) -> Vec<String> {
    let hyper = &header.hyper;
    let alphabet: String = header.tokenizer.alphabet().chars().iter().collect();
    let clip = hyper.grad_clip.map_or("none".to_owned(), |c| c.to_string());
    vec![
        format!(
            "step         {} of {}",
            count(header.step),
            count(hyper.steps)
        ),
        format!("seed         {}", header.seed),
        format!(
            "data         {}, the last {} kept for validation",
            header.data.fingerprint, header.data.val_fraction
        ),
        format!(
            "tokenizer    {}, {} tokens: {alphabet:?}",
            header.tokenizer.kind().name(),
            header.tokenizer.vocab_size()
        ),
        format!(
            "hyper        {}, batch size {}, lr {:.2e} to {:.2e} ({}, {} warm-up steps from {}), betas {} and {}, \
             weight decay {}, grad clip {clip}, {}",
            hyper.optimizer.name(),
            hyper.batch_size,
            hyper.lr,
            hyper.min_lr,
            hyper.lr_shape.name(),
            hyper.warmup,
            hyper.warmup_start.name(),
            hyper.beta1,
            hyper.beta2,
            hyper.weight_decay,
            hyper.precision.name(),
        ),
    ]
}

fn table(graph: &Graph) -> Vec<Row> {
    let row = |p: &Param| Row {
        name: p.name.clone(),
        shape: p.shape.clone(),
        offset: p.offset,
        init: match p.init {
            ParamInit::Normal { std } => format!("normal({std:.4})"),
            ParamInit::Ones => "ones".into(),
            ParamInit::Zeros => "zeros".into(),
        },
    };
    graph.params().iter().map(row).collect()
}

fn show(model: &Model, graph: &Graph, printer: Printer) {
    let counts = Counts::of(graph, model.spec().block_size);
    printer.text(graph);
    printer.line("");
    for row in table(graph) {
        let shape: Vec<String> = row.shape.iter().map(usize::to_string).collect();
        printer.line(format_args!(
            "{:<32} {:>14}   {}",
            row.name,
            shape.join(" x "),
            row.init
        ));
    }
    printer.line("");
    printer.line(format_args!(
        "{} parameters, {} tokens of vocabulary, context {}, {:.1} MFLOP forward",
        count(counts.parameters as u64),
        count(model.vocab_size() as u64),
        model.spec().block_size,
        counts.forward_flops as f64 / 1e6,
    ));
}
