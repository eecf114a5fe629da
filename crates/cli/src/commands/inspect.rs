//! `gptlab inspect`: what a checkpoint, or a preset with flags, is.

use std::path::Path;

use gptlab_model::{Choice, lower};
use gptlab_recipe::Vocabulary;
use gptlab_report::words::count;
use gptlab_train::{Header, Inspection};

use crate::{
    args::{InspectArgs, ModelArgs},
    checkpoint,
    exit::{ExitCode, Outcome, Stop},
    printer::Printer,
    settings,
};

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
    let header = checkpoint.header();
    let inspected = Inspection::new(checkpoint.model(), checkpoint.graph(), Some(header));
    if json {
        printer.json(&inspected);
    } else {
        for line in about(header) {
            printer.line(line);
        }
        printer.line("");
        show(&inspected, printer);
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
    let inspected = Inspection::new(&model, &lower(&model), None);
    if args.json.json {
        printer.json(&inspected);
    } else {
        show(&inspected, printer);
    }
    Ok(ExitCode::Success)
}

fn about(header: &Header) -> Vec<String> {
    let hyper = &header.hyper;
    let tokenizer = &header.tokenizer;
    let tokens = match tokenizer.spec().vocabulary() {
        Vocabulary::Chars(alphabet) => format!(": {:?}", String::from(alphabet.clone())),
        Vocabulary::Bytes => String::new(),
    };
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
            "tokenizer    {}, {} tokens{tokens}",
            tokenizer.tokenization(),
            tokenizer.vocab_size()
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

fn show(inspected: &Inspection<'_>, printer: Printer) {
    printer.text(&inspected.listing);
    printer.line("");
    for row in &inspected.table {
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
        count(inspected.parameters as u64),
        count(inspected.vocab_size as u64),
        inspected.spec.block_size,
        inspected.forward_flops as f64 / 1e6,
    ));
}
