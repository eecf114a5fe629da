//! `gptlab-book`: checks, reruns and resolves the book, and is mdBook's preprocessor.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program prints what it finds"
)]

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::{Parser, Subcommand};
use gptlab_book::{
    Book, Language, Problem,
    check::check,
    languages::digest,
    plan::Chapter,
    preprocessor::{RENDERER, preprocessed},
    rerun::{Options, Outcome, Rerun, rerun, write_file},
    splice::Form,
    words::plural,
};

/// Check, rerun and resolve the book. Without a command it is a preprocessor of mdBook.
#[derive(Parser)]
#[command(name = "gptlab-book", version)]
struct Arguments {
    /// The book's folder.
    #[arg(long, value_name = "DIR", default_value = "book", global = true)]
    book: PathBuf,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Subcommand)]
enum Action {
    /// Check that all references resolve, and that pages, outputs and languages agree.
    Check,
    /// Rerun the commands of chapters, and compare their outputs with those that are kept.
    Outputs(OutputsArguments),
    /// Print a chapter with all numbers in place, as Markdown.
    Text {
        /// The language: en or ja.
        language: String,
        /// The name of the page, such as 01-guessing.
        chapter: String,
    },
    /// Write the text of all chapters to crates/book/text, for `gptlab learn`.
    Texts,
    /// Record that the Japanese page says the same as the English one does now.
    Translated {
        /// The name of the page, such as 01-guessing.
        #[arg(required = true)]
        pages: Vec<String>,
    },
    /// Answer mdBook's question whether its pages can be made for a renderer.
    Supports { renderer: String },
}

#[derive(clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(false).args(["chapters", "cheap", "all"])))]
struct OutputsArguments {
    /// The chapters, such as 01-guessing.
    chapters: Vec<String>,
    /// The chapters that the gate reruns.
    #[arg(long)]
    cheap: bool,
    /// All chapters.
    #[arg(long)]
    all: bool,
    /// Replace the kept outputs by the new ones.
    #[arg(long)]
    write: bool,
    /// The program `gptlab`.
    #[arg(long, value_name = "PATH")]
    program: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problems) => {
            for problem in &problems {
                eprintln!("error: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Runs a command, and returns whether all is well.
fn run(arguments: &Arguments) -> Result<bool, Vec<Problem>> {
    let root = &arguments.book;
    match &arguments.action {
        None => preprocess(),
        Some(Action::Supports { renderer }) => Ok(renderer == RENDERER),
        Some(Action::Check) => checked(root),
        Some(Action::Outputs(which)) => rerun_all(root, which),
        Some(Action::Text { language, chapter }) => text(root, language, chapter),
        Some(Action::Texts) => texts(root),
        Some(Action::Translated { pages }) => translated(root, pages),
    }
}

fn preprocess() -> Result<bool, Vec<Problem>> {
    let mut input = String::new();
    io::stdin()
        .read_to_string(&mut input)
        .map_err(|e| vec![Problem::io(Path::new("mdBook's input"), "read", &e)])?;
    println!("{}", preprocessed(&input)?);
    Ok(true)
}

fn checked(root: &Path) -> Result<bool, Vec<Problem>> {
    let findings = check(&Book::read(root)?)?;
    if !findings.problems.is_empty() {
        return Err(findings.problems);
    }
    println!(
        "the book is in order: {}, {}, {}",
        plural(findings.pages, "page"),
        plural(findings.outputs, "output"),
        plural(findings.references, "reference")
    );
    Ok(true)
}

fn rerun_all(root: &Path, which: &OutputsArguments) -> Result<bool, Vec<Problem>> {
    let book = Book::read(root)?;
    let begin = Instant::now();
    let options = Options {
        book: root,
        program: &which.program,
        write: which.write,
    };
    let mut all: Vec<Rerun> = Vec::new();
    for chapter in chosen(&book, which)? {
        all.extend(rerun(chapter, options, &mut show).map_err(|problem| vec![problem])?);
    }
    let good = all.iter().filter(|rerun| rerun.is_good()).count();
    println!(
        "{}, {good} {}, {:.1} minutes",
        plural(all.len(), "output"),
        if which.write { "written" } else { "equal" },
        begin.elapsed().as_secs_f64() / 60.0
    );
    Ok(good == all.len())
}

/// Returns the chapters that were asked for.
fn chosen<'a>(book: &'a Book, which: &OutputsArguments) -> Result<Vec<&'a Chapter>, Vec<Problem>> {
    let chapters = &book.plan.chapters;
    let names: Vec<&str> = chapters
        .iter()
        .map(|chapter| chapter.name.as_str())
        .collect();
    let unknown = which
        .chapters
        .iter()
        .find(|name| !names.contains(&name.as_str()));
    if let Some(name) = unknown {
        let message = format!("there is no such chapter; there are {}", names.join(", "));
        return Err(vec![Problem::of(name, message)]);
    }
    let is_chosen = |chapter: &&Chapter| {
        which.all || (which.cheap && chapter.cheap) || which.chapters.contains(&chapter.name)
    };
    Ok(chapters.iter().filter(is_chosen).collect())
}

fn show(rerun: &Rerun) {
    let (word, details) = match &rerun.outcome {
        Outcome::Equal => ("equal", None),
        Outcome::Different(details) => ("different", Some(details)),
        Outcome::Written(true) => ("written, and changed", None),
        Outcome::Written(false) => ("written, as before", None),
        Outcome::Failed(details) => ("failed", Some(details)),
        Outcome::NotRun => ("not run", None),
    };
    let name = format!("{}/{}", rerun.chapter, rerun.output);
    let (seconds, expected) = (rerun.seconds, rerun.expected_seconds);
    println!("{name:<32}  {word:<20}  {seconds:.1} s ({expected:.1} s on two cores)");
    for line in details.into_iter().flat_map(|details| details.lines()) {
        println!("    {line}");
    }
}

/// Returns the finished text of a chapter.
fn finished(book: &Book, language: Language, chapter: &str) -> Result<String, Vec<Problem>> {
    let edition = book.edition(language)?;
    let page = edition.pages.get(chapter).ok_or_else(|| {
        let names: Vec<&str> = edition.pages.keys().map(String::as_str).collect();
        let message = format!("there is no such page; there are {}", names.join(", "));
        vec![Problem::of(chapter, message)]
    })?;
    book.resolved(language, chapter, page, Form::Text)
}

fn text(root: &Path, language: &str, chapter: &str) -> Result<bool, Vec<Problem>> {
    let language = Language::of(language)
        .ok_or_else(|| vec![Problem::of(language, "expected a language: en or ja")])?;
    print!("{}", finished(&Book::read(root)?, language, chapter)?);
    Ok(true)
}

fn texts(root: &Path) -> Result<bool, Vec<Problem>> {
    let book = Book::read(root)?;
    for chapter in &book.plan.chapters {
        for language in Language::ALL {
            let text = finished(&book, language, &chapter.name)?;
            let path = book.text_file(language, &chapter.name);
            write_file(&path, text.as_bytes()).map_err(|problem| vec![problem])?;
        }
    }
    println!(
        "wrote the texts of {}",
        plural(book.plan.chapters.len(), "chapter")
    );
    Ok(true)
}

fn translated(root: &Path, pages: &[String]) -> Result<bool, Vec<Problem>> {
    let book = Book::read(root)?;
    let english = book.edition(Language::English)?;
    let mut translations = book.translations.clone();
    for name in pages {
        let page = english
            .pages
            .get(name)
            .ok_or_else(|| vec![Problem::of(name, "there is no English page of this name")])?;
        translations.0.insert(name.clone(), digest(page));
    }
    let path = root.join("ja/of.toml");
    write_file(&path, translations.text().as_bytes()).map_err(|problem| vec![problem])?;
    println!("recorded {}", plural(pages.len(), "page"));
    Ok(true)
}
