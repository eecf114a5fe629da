//! `gptlab floors`: how low a loss on a text can be, so that a model's loss means something.

use gptlab_data::{
    Builtin, Corpus, DEFAULT_VAL_FRACTION, Diagnostic, Split, Text, TokenizerKind,
    diagnostic::Floor,
};
use gptlab_lab::{
    ngram::{self, NgramError, Ngrams},
    skill,
};
use gptlab_model::Choice;
use serde::Serialize;

use crate::{
    args::FloorsArgs,
    exit::{ExitCode, Outcome, Stop},
    printer::{Printer, count},
    text,
};

const UP_TO: usize = 6;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    text: String,
    tokenizer: &'static str,
    /// The part that the tables are measured on.
    fraction: f64,
    vocab_size: usize,
    /// Tokens of that part that are predicted.
    predictions: usize,
    floors: Vec<Row>,
    skill: Option<Skill>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    /// In nats a token.
    loss: f64,
    bits_per_char: f64,
    perplexity: f64,
    /// The loss on the tokens that need the text's skill.
    skill_loss: Option<f64>,
}

/// What a diagnostic text is for.
#[derive(Serialize)]
struct Skill {
    needs: &'static str,
    /// How many of the predictions need it.
    predictions: usize,
}

pub(super) fn run(args: &FloorsArgs, printer: Printer) -> Outcome {
    let text = text::source(args.data.as_deref(), Builtin::Stories)?;
    let kind = args
        .tokenizer
        .or_else(|| text.recipe()?.usual_tokenizer())
        .unwrap_or(TokenizerKind::Chars);
    let fraction = args.val_fraction.unwrap_or(DEFAULT_VAL_FRACTION);
    let corpus = Corpus::fit(&text, kind, fraction)?;
    let report = measure(args, &text, &corpus, fraction)?;
    if args.json.json {
        printer.json(&report);
    } else {
        show(&report, printer);
    }
    Ok(ExitCode::Success)
}

fn measure(args: &FloorsArgs, text: &Text, corpus: &Corpus, fraction: f64) -> Outcome<Report> {
    let none = || Stop::usage(NgramError::NoValidation);
    let split = corpus.validation().ok_or_else(none)?;
    let tables = Ngrams::of(corpus, args.up_to.unwrap_or(UP_TO)).map_err(Stop::usage)?;
    let skilled = text.recipe().and_then(|b| skilled(b, corpus, split));
    let tokenizer = corpus.tokenizer();
    Ok(Report {
        text: text.origin().to_string(),
        tokenizer: tokenizer.kind().name(),
        fraction,
        vocab_size: tokenizer.vocab_size(),
        predictions: split.predictions(),
        floors: floors(
            text,
            split,
            &tables,
            skilled.as_ref(),
            tokenizer.vocab_size(),
        ),
        skill: skilled.map(|s| Skill {
            needs: s.kind.skill_needed(),
            predictions: s.flags.iter().filter(|f| **f).count(),
        }),
    })
}

/// A validation split of documents that need a skill.
struct Skilled {
    kind: Diagnostic,
    /// For each prediction, whether it needs the skill.
    flags: Vec<bool>,
    /// What the ideal predictor loses on these documents.
    ideal: Floor,
}

/// `None` of a text that is not cut into documents, or needs no skill in particular.
fn skilled(builtin: Builtin, corpus: &Corpus, split: &Split) -> Option<Skilled> {
    let kind = builtin.diagnostic()?;
    let lines = skill::lines(corpus, split)?;
    Some(Skilled {
        kind,
        flags: skill::flags(kind, &lines)?,
        ideal: kind.floor_on(&lines)?,
    })
}

fn floors(
    text: &Text,
    split: &Split,
    tables: &Ngrams,
    skilled: Option<&Skilled>,
    vocab_size: usize,
) -> Vec<Row> {
    let row = |name: String, loss: f64, skill_loss| Row {
        name,
        loss,
        bits_per_char: loss / std::f64::consts::LN_2 / split.characters_per_token(),
        perplexity: loss.exp(),
        skill_loss,
    };
    let tokens = split.tokens().to_vec();
    let uniform = ngram::uniform(vocab_size);
    let mut rows = vec![row("uniform".into(), uniform, skilled.map(|_| uniform))];
    let on_skill = skilled.map(|s| tables.means_where(&tokens, |i| s.flags[i]));
    for (i, loss) in tables.means(&tokens).into_iter().enumerate() {
        let skill = on_skill.as_ref().and_then(|means| means.get(i).copied());
        rows.push(row(format!("{}-gram", i + 1), loss, skill));
    }
    if let Some(Skilled { ideal, .. }) = skilled {
        let skill = Some(ideal.skill_nats_per_token());
        rows.push(row("ideal".into(), ideal.nats_per_token(), skill));
    }
    if let Some(builtin) = text.recipe()
        && let Some(entropy) = builtin.entropy()
    {
        let floor = skilled.and(builtin.diagnostic()).map(Diagnostic::floor);
        let skill = floor.map(|f| f.skill_nats_per_token());
        rows.push(row("entropy".into(), entropy, skill));
    }
    rows
}

fn show(report: &Report, printer: Printer) {
    printer.line(format_args!("text         {}", report.text));
    printer.line(format_args!(
        "tokens       {}, a vocabulary of {}",
        report.tokenizer,
        count(report.vocab_size as u64)
    ));
    printer.line(format_args!(
        "measured on  its last {}: {} predictions",
        report.fraction,
        count(report.predictions as u64)
    ));
    if let Some(skill) = &report.skill {
        let needing = count(skill.predictions as u64);
        printer.line(format_args!("skill        {}", skill.needs));
        printer.line(format_args!("             {needing} predictions need it"));
    }
    printer.line("");
    for line in table(report) {
        printer.line(line);
    }
}

fn table(report: &Report) -> Vec<String> {
    let heads = ["floor", "nats/token", "bits/char", "perplexity"];
    let skill = |shown: Option<String>| shown.map_or(String::new(), |s| format!("  {s:>12}"));
    let head = report.skill.as_ref().map(|_| "on the skill".to_owned());
    let [name, loss, bits, perplexity] = heads;
    let mut lines = vec![format!(
        "{name:<8}  {loss:>10}  {bits:>9}  {perplexity:>10}{}",
        skill(head)
    )];
    for row in &report.floors {
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
