//! `gptlab learn`: the book, a chapter at a time.

use gptlab_book::{
    chapters::{CHAPTERS, chapter},
    languages::Language,
};

use crate::{
    args::LearnArgs,
    exit::{CommandResult, ExitCode, Stop},
    markdown,
    printer::Printer,
    terminal,
};

pub(super) fn run(args: &LearnArgs, printer: Printer) -> CommandResult {
    let language = language(args);
    let Some(typed) = args.chapter.as_deref() else {
        list(language, args.json.json, printer);
        return Ok(ExitCode::Success);
    };
    let found = chapter(typed).ok_or_else(|| {
        Stop::usage(format_args!("the book has no chapter {typed}"))
            .hint("`gptlab learn` lists the chapters")
    })?;
    if args.json.json {
        printer.json(&found.whole(language));
        return Ok(ExitCode::Success);
    }
    match printer.fitted() {
        Some(width) => printer.text(markdown::terminal(found.text(language), width)),
        None => printer.text(found.text(language)),
    }
    printer.hint(format_args!(
        "the page with its pictures is book/html/{}/{}.html, which `book/build.sh` makes",
        language.code(),
        found.name
    ));
    Ok(ExitCode::Success)
}

/// Returns the typed language, or else that of the environment, or else English.
fn language(args: &LearnArgs) -> Language {
    let code = args.language.clone().or_else(terminal::language);
    code.as_deref()
        .and_then(Language::of)
        .unwrap_or(Language::English)
}

fn list(language: Language, json: bool, printer: Printer) {
    if json {
        let all: Vec<_> = CHAPTERS
            .iter()
            .map(|chapter| chapter.described(language))
            .collect();
        printer.json(&all);
        return;
    }
    for chapter in CHAPTERS {
        printer.line(format_args!(
            "{:>2}  {}",
            chapter.number(),
            chapter.title(language)
        ));
    }
    printer.hint(match language {
        Language::English => "`gptlab learn 4` shows a chapter",
        Language::Japanese => "`gptlab learn 4 --language ja` shows a chapter",
    });
}
