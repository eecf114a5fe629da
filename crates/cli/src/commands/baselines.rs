//! `gptlab baselines`: computes how low a loss on a text can be, for comparison with a model's
//! loss.

use std::sync::Arc;

use gptlab_data::{Builtin, Corpus};
use gptlab_lab::baselines::BaselinesReport;
use gptlab_recipe::{DEFAULT_VAL_FRACTION, Tokenization, TokenizerKind};
use gptlab_report::words::{count, plural};

use crate::{
    args::BaselinesArgs,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
    text,
};

const UP_TO: usize = 6;

pub(super) fn run(args: &BaselinesArgs, printer: Printer) -> CommandResult {
    let text = text::source(args.data.as_deref(), Builtin::Stories)?;
    let usual = text.recipe().and_then(Builtin::usual_tokenizer);
    let usual = usual.unwrap_or(TokenizerKind::Chars);
    let tokenization = Tokenization::from(usual).with(args.tokenizer, args.documents.as_ref());
    let fraction = args.val_fraction.unwrap_or(DEFAULT_VAL_FRACTION);
    let corpus = Arc::new(Corpus::fit(&text, tokenization, fraction)?);
    let orders = args.up_to.unwrap_or(UP_TO);
    let report = BaselinesReport::measure(&text, &corpus, fraction, orders, args.block_size)
        .map_err(Stop::usage)?;
    if args.json.json {
        printer.json(&report);
    } else {
        show(&report, printer);
    }
    Ok(ExitCode::Success)
}

fn show(report: &BaselinesReport, printer: Printer) {
    printer.line(format_args!("text         {}", report.text));
    printer.line(format_args!(
        "tokens       {}, a vocabulary of {}",
        report.tokenizer,
        count(report.vocab_size as u64)
    ));
    printer.line(format_args!(
        "measured on  its last {}: {}",
        report.fraction,
        plural(report.predictions, "prediction")
    ));
    printer.line(match report.block_size {
        Some(n) => format!(
            "context      {}, in windows side by side",
            plural(n, "token")
        ),
        None => "context      all that stands before (a model's: --block-size N)".to_owned(),
    });
    printer.line("losses       in nats per token");
    if let Some(skill) = &report.skill {
        printer.line(format_args!("skill        {}", skill.needs));
        printer.line(format_args!(
            "             predictions that need it: {}",
            count(skill.predictions as u64)
        ));
    }
    printer.line("");
    for line in table(report) {
        printer.line(line);
    }
    if let Some(order) = longest_useful(report) {
        printer.line("");
        printer.line(format_args!(
            "N-grams longer than the {order}-gram are worse: a longer context occurs more seldom in the training part, and \
             few cases say little about what follows it."
        ));
    }
    if let Some(unknown) = &report.unknown {
        printer.line("");
        printer.line(unknown);
    }
}

/// Returns the length of the n-grams that all longer ones are worse than, as far as losses are
/// printed; `None` if there are no longer ones.
fn longest_useful(report: &BaselinesReport) -> Option<usize> {
    let order = |name: &str| name.strip_suffix("-gram")?.parse::<usize>().ok();
    let printed = |loss: f64| (loss * 1e4).round();
    let rows = report.rows.iter();
    let known = rows.filter_map(|row| Some((order(&row.name)?, printed(row.loss))));
    let known: Vec<(usize, f64)> = known.collect();
    let lowest = known.iter().map(|(_, loss)| *loss).reduce(f64::min)?;
    let best = known
        .iter()
        .filter(|(_, loss)| *loss <= lowest)
        .max_by_key(|(n, _)| *n)?;
    let longest = known.iter().map(|(n, _)| *n).max()?;
    (best.0 < longest).then_some(best.0)
}

fn table(report: &BaselinesReport) -> Vec<String> {
    let heads = ["baseline", "loss", "bits/char", "perplexity"];
    let skill = |shown: Option<String>| shown.map_or(String::new(), |s| format!("  {s:>12}"));
    let head = report.skill.as_ref().map(|_| "on the skill".to_owned());
    let [name, loss, bits, perplexity] = heads;
    let mut lines = vec![format!(
        "{name:<8}  {loss:>10}  {bits:>9}  {perplexity:>10}{}",
        skill(head)
    )];
    for row in &report.rows {
        lines.push(format!(
            "{:<8}  {:>10.4}  {:>9.4}  {:>10.4}{}",
            row.name,
            row.loss,
            row.bits_per_char,
            row.perplexity,
            skill(row.skill_loss.map(|loss| format!("{loss:.4}")))
        ));
    }
    lines
}
