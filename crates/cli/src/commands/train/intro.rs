//! A short description of the run that is about to start.

use std::path::Path;

use gptlab_data::{Builtin, Split, SplitName};
use gptlab_engine::Device;
use gptlab_model::{Choice, Counts};
use gptlab_recipe::{Reason, TextOrigin};
use gptlab_report::words::{count, plural};
use gptlab_train::Resolved;

use crate::printer::Printer;

pub(super) fn say(
    resolved: &Resolved,
    reasons: &[Reason],
    folder: Option<&Path>,
    device: &Device,
    printer: Printer,
) {
    for line in lines(resolved, device).into_iter().chain(recipe(reasons)) {
        printer.say(line);
    }
    if let Some(folder) = folder {
        printer.say(format_args!("record   {}", folder.display()));
    }
    if resolved.begins_again() {
        printer.say("continuing from the beginning: the run has no checkpoint");
    }
    let first = resolved.first_step();
    if first > 0 {
        // The other notices were printed when the run started, and still hold.
        let begun = resolved.notices.iter().filter(|notice| !notice.is_change());
        begun.for_each(|notice| printer.warn(notice));
        if first < resolved.experiment.hyper.steps {
            printer.say(format_args!(
                "continuing after {}",
                plural(first as usize, "step")
            ));
        }
    }
}

fn lines(resolved: &Resolved, device: &Device) -> Vec<String> {
    vec![
        model(resolved),
        data(resolved),
        plan(resolved, device),
        baseline(resolved),
    ]
}

/// What was chosen, a line each with its reason.
fn recipe(reasons: &[Reason]) -> impl Iterator<Item = String> + '_ {
    let word = |i| if i == 0 { "recipe" } else { "" };
    let lines = reasons.iter().enumerate();
    lines.map(move |(i, Reason { choice, why })| format!("{:<8} {choice:<24} {why}", word(i)))
}

fn model(resolved: &Resolved) -> String {
    let spec = &resolved.experiment.spec;
    let counts = Counts::of(&resolved.graph, spec.block_size);
    format!(
        "model    {} parameters: {}, {}, width {}, context {}",
        count(counts.parameters as u64),
        plural(spec.layers.len(), "layer"),
        heads(resolved),
        spec.n_embd,
        spec.block_size
    )
}

fn heads(resolved: &Resolved) -> String {
    let attention = resolved.experiment.spec.attentions().next();
    attention.map_or("no attention".into(), |a| plural(a.heads, "head"))
}

fn data(resolved: &Resolved) -> String {
    let corpus = resolved.batches.corpus();
    let kept = match corpus.part(SplitName::Validation) {
        Some(split) => format!("{} to validate on", size(split)),
        None => "nothing to validate on".into(),
    };
    format!(
        "data     {}: {} to train on, {kept}, a vocabulary of {}",
        resolved.experiment.data.source,
        size(corpus.train()),
        count(resolved.model.vocab_size() as u64)
    )
}

fn size(split: &Split) -> String {
    match split.documents() {
        Some(documents) => plural(documents, "document"),
        None => plural(split.characters(), "character"),
    }
}

fn plan(resolved: &Resolved, device: &Device) -> String {
    let hyper = &resolved.experiment.hyper;
    let cores = plural(device.options.threads, "core");
    let place = match device.backend.instructions() {
        Some(instructions) => format!("{cores} ({instructions})"),
        None => format!("the {}", device.backend.name()),
    };
    format!(
        "plan     {} of {}, seed {}, in {} on {place}",
        plural(hyper.steps as usize, "step"),
        plural(hyper.batch_size, "sequence"),
        resolved.experiment.seed,
        device.options.precision.name(),
    )
}

/// Describes the range of losses to expect.
fn baseline(resolved: &Resolved) -> String {
    let uniform = (resolved.model.vocab_size() as f64).ln();
    let uniform = format!("losses   {uniform:.2} is uniform guessing");
    match entropy(resolved) {
        Some(entropy) => format!(
            "{uniform}; {entropy:.3} is the text's entropy, the best any model can do in the long run"
        ),
        None => uniform,
    }
}

/// Returns the entropy of the built-in training text in nats per token, if it is known.
fn entropy(resolved: &Resolved) -> Option<f64> {
    match &resolved.experiment.data.origin {
        TextOrigin::Builtin(name) => {
            let split = resolved.batches.corpus().train();
            let entropy = Builtin::parse(name).ok()??.entropy()?;
            Some(entropy * split.characters_per_token())
        }
        TextOrigin::File(_) | TextOrigin::Other(_) => None,
    }
}
