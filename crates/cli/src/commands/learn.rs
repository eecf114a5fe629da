//! `gptlab learn`: the book, a chapter at a time.

use gptlab_book::{
    chapters::{CHAPTERS, ChapterText, chapter},
    languages::Language,
};
use serde_json::json;

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
        printer.json(&with_text(found, language));
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
            .map(|chapter| about(chapter, language))
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
    printer.hint("`gptlab learn 4` shows a chapter");
}

fn about(chapter: &ChapterText, language: Language) -> serde_json::Value {
    json!({
        "number": chapter.number(),
        "name": chapter.name,
        "title": chapter.title(language),
        "language": language.code(),
    })
}

fn with_text(chapter: &ChapterText, language: Language) -> serde_json::Value {
    let mut about = about(chapter, language);
    about["text"] = chapter.text(language).into();
    about
}
