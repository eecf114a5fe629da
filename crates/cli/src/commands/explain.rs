//! `gptlab explain`: the glossary.

use gptlab_report::{
    glossary::{self, Entry, Explanation, TOPICS},
    words::{columns, indented},
};

use crate::{
    args::ExplainArgs,
    exit::{CommandResult, ExitCode, Stop},
    printer::Printer,
};

pub(super) fn run(args: &ExplainArgs, printer: Printer) -> CommandResult {
    let typed = args.word.join(" ");
    match (args.all, typed.is_empty(), args.json.json) {
        (true, _, _) => printer.text(glossary::markdown()),
        (false, true, true) => {
            let all: Vec<&Entry> = glossary::entries().collect();
            printer.json(&all);
        }
        (false, true, false) => list(printer),
        (false, false, json) => {
            let found = glossary::explain(&typed).map_err(|near| unknown(&typed, &near))?;
            if json {
                printer.json(&found);
            } else {
                show(&found, printer);
            }
        }
    }
    Ok(ExitCode::Success)
}

/// Lists all words, by topic.
fn list(printer: Printer) {
    for topic in TOPICS {
        let words: Vec<&str> = topic.entries.iter().map(|entry| entry.word).collect();
        printer.text(format_args!("{}\n", topic.title));
        printer.text(format_args!("{}\n", columns(&words, printer.columns())));
    }
    printer.hint("`gptlab explain WORD` explains a word");
    printer.hint("`gptlab probe --measures` lists the measures, which are explained as well");
}

fn show(found: &Explanation, printer: Printer) {
    if let Some(entry) = &found.entry {
        printer.line(entry.word);
        printer.text(indented(entry.text, 2, printer.columns()));
        if let Some(source) = glossary::source(entry) {
            printer.text(indented(&source, 2, printer.columns()));
        }
    }
    let Some(measure) = &found.measure else {
        return;
    };
    if found.entry.is_some() {
        printer.line("");
    }
    printer.line(format_args!("{} (a measure)", measure.name));
    for (what, text) in [
        ("Formula", measure.formula),
        ("Unit", measure.unit),
        ("Source", measure.source),
        ("Usual range", measure.range),
    ] {
        printer.text(indented(&format!("{what}: {text}."), 2, printer.columns()));
    }
}

fn unknown(typed: &str, near: &[String]) -> Stop {
    let stop = Stop::usage(format_args!("the glossary has no word `{typed}`"));
    let stop = match near {
        [] => stop,
        near => {
            let near: Vec<String> = near.iter().map(|word| format!("`{word}`")).collect();
            stop.hint(format!("did you mean {}?", near.join(", ")))
        }
    };
    stop.hint("`gptlab explain` lists all words")
}
