//! `gptlab inspect`: describes a checkpoint, or the model of a preset with flags.

use std::path::Path;

use gptlab_engine::program::{Purpose, compile};
use gptlab_model::{Choice, Graph, lower};
use gptlab_recipe::{DEFAULT_PRESET, Optimizer, Overrides, Vocabulary, usual_vocab_size};
use gptlab_report::words::{count, plural};
use gptlab_train::{Header, Inspection};

use crate::{
    args::InspectArgs,
    checkpoint,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
};

pub(super) fn run(args: &InspectArgs, printer: Printer) -> CommandResult {
    match &args.checkpoint {
        Some(path) => {
            let typed = args.model.overrides != Overrides::default() || args.vocab_size.is_some();
            if typed {
                return Err(Stop::usage(
                    "a checkpoint has its own model; leave out either it or the model's flags",
                ));
            }
            trained(path, args, printer)
        }
        None => untrained(args, printer),
    }
}

fn trained(path: &Path, args: &InspectArgs, printer: Printer) -> CommandResult {
    let checkpoint = checkpoint::open(path)?;
    if let Some(purpose) = args.program {
        show_program(checkpoint.graph(), purpose, printer);
        return Ok(ExitCode::Success);
    }
    let header = checkpoint.header();
    let inspected = Inspection::new(checkpoint.model(), checkpoint.graph(), Some(header));
    if args.json.json {
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

fn untrained(args: &InspectArgs, printer: Printer) -> CommandResult {
    let typed = &args.model.overrides;
    let preset = typed.preset.unwrap_or(DEFAULT_PRESET);
    let spec = typed.spec(preset.spec()).map_err(Stop::usage)?;
    let vocab_size = args.vocab_size.unwrap_or_else(|| usual_vocab_size(preset));
    let model = spec.check(vocab_size).map_err(Stop::usage)?;
    let graph = lower(&model);
    if let Some(purpose) = args.program {
        show_program(&graph, purpose, printer);
        return Ok(ExitCode::Success);
    }
    let inspected = Inspection::new(&model, &graph, None);
    if args.json.json {
        printer.json(&inspected);
    } else {
        show(&inspected, printer);
    }
    Ok(ExitCode::Success)
}

fn show_program(graph: &Graph, purpose: Purpose, printer: Printer) {
    printer.lines(&compile(graph, purpose).listing(graph).to_string());
}

fn about(header: &Header) -> Vec<String> {
    let hyper = &header.hyper;
    let tokenizer = &header.tokenizer;
    let tokens = match tokenizer.spec().vocabulary() {
        Vocabulary::Chars(alphabet) => format!(": {:?}", String::from(alphabet.clone())),
        Vocabulary::Bytes => String::new(),
    };
    let clip = hyper.grad_clip.map_or("none".to_owned(), |c| c.to_string());
    let fused = (hyper.optimizer == Optimizer::Muon).then(|| {
        "muon         takes queries, keys and values (c_attn) as one matrix to be made orthogonal"
            .to_owned()
    });
    let mut about = vec![
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
            "tokenizer    {}, {}{tokens}",
            tokenizer.tokenization(),
            plural(tokenizer.vocab_size(), "token")
        ),
        format!(
            "hyper        {}, batch size {}, lr {:.2e} to {:.2e} ({}, {} from {}), betas {} and {}, \
             weight decay {}, grad clip {clip}, {}",
            hyper.optimizer.name(),
            hyper.batch_size,
            hyper.lr,
            hyper.min_lr,
            hyper.lr_shape.name(),
            plural(hyper.warmup as usize, "warm-up step"),
            hyper.warmup_start.name(),
            hyper.beta1,
            hyper.beta2,
            hyper.weight_decay,
            hyper.precision.name(),
        ),
    ];
    about.extend(fused);
    about
}

fn show(inspected: &Inspection<'_>, printer: Printer) {
    printer.lines(&inspected.listing);
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
        "{} parameters, {} of vocabulary, context {}, {:.1} MFLOP forward",
        count(inspected.parameters as u64),
        plural(inspected.vocab_size, "token"),
        inspected.spec.block_size,
        inspected.forward_flops as f64 / 1e6,
    ));
    if inspected.spec.is_post_norm() && inspected.spec.has_final_norm() {
        printer.line(
            "Post-LN keeps the norm before the head (ln_f): `--final-norm none` takes it out.",
        );
    }
}
