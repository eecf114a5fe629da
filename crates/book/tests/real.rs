//! The real book, and copies of it that somebody has changed: what `gptlab-book check` notices.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use gptlab_book::{Book, CHAPTERS, Language, check::check, splice::Form};
use tempfile::TempDir;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gptlab-book"))
        .args(arguments)
        .current_dir(repository())
        .output()
        .expect("gptlab-book runs")
}

/// A copy of the book, and of the sources that it shows, that a test may change.
struct Copy(TempDir);

impl Copy {
    fn new() -> Self {
        let copy = Self(tempfile::tempdir().expect("a folder"));
        for part in ["book", "crates/book/text", "crates/microgpt"] {
            copy_folder(&repository().join(part), &copy.0.path().join(part));
        }
        let glossary = repository().join("GLOSSARY.md");
        fs::copy(glossary, copy.0.path().join("GLOSSARY.md")).expect("the glossary");
        copy
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join("book").join(file)
    }

    /// Replaces a part of a file, which must occur in it.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path(file);
        let text = fs::read_to_string(&path).expect(file);
        assert!(text.contains(from), "{file} has no {from}");
        fs::write(&path, text.replacen(from, to, 1)).expect(file);
    }

    fn problems(&self) -> Vec<String> {
        let root = self.path("");
        let found = Book::read(&root).and_then(|book| check(&book));
        let problems = found.map_or_else(|problems| problems, |findings| findings.problems);
        problems.iter().map(ToString::to_string).collect()
    }

    /// Asserts that there are problems, and that one of them holds all `parts`.
    fn reports(&self, parts: &[&str]) {
        let problems = self.problems();
        let matches = |problem: &&String| parts.iter().all(|part| problem.contains(part));
        assert!(
            problems.iter().any(|p| matches(&p)),
            "{parts:?} is not in {problems:#?}"
        );
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() && entry.file_name() != "html" {
            copy_folder(&source, &target);
        } else if source.is_file() {
            fs::copy(source, target).expect("a file");
        }
    }
}

const ENGLISH: &str = "en/src/01-guessing.md";
const JAPANESE: &str = "ja/src/01-guessing.md";
const BASELINES: &str = "outputs/01-guessing/baselines/stdout";

#[test]
fn the_book_is_in_order() {
    let book = Book::read(&repository().join("book")).expect("the book can be read");
    let findings = check(&book).expect("its pages can be read");
    assert_eq!(findings.problems, []);
    assert!(
        findings.references > 20 && findings.outputs > 2,
        "{findings:?}"
    );
    assert_eq!(Copy::new().problems(), [] as [&str; 0]);
}

#[test]
fn the_crate_holds_every_chapter() {
    let book = Book::read(&repository().join("book")).expect("the book can be read");
    let planned: Vec<&str> = book.plan.chapters.iter().map(|c| c.name.as_str()).collect();
    let held: Vec<&str> = CHAPTERS.iter().map(|chapter| chapter.name).collect();
    assert_eq!(
        held, planned,
        "crates/book/src/chapters.rs lists the chapters of outputs.toml"
    );
}

#[test]
fn a_number_changed_by_hand_shows_on_the_page_and_is_reported() {
    let copy = Copy::new();
    copy.edit(BASELINES, "\"bits_per_char\":5.8", "\"bits_per_char\":7.8");
    let book = Book::read(&copy.path("")).unwrap();
    let page = fs::read_to_string(copy.path(ENGLISH)).unwrap();
    let page = book
        .resolved(Language::English, "01-guessing", &page, Form::Page)
        .unwrap();
    assert!(page.contains("| 4.76 bits | 7.86 bits |"), "{page}");
    copy.reports(&["text/en/01-guessing.md", "is not the text of its chapter"]);
    copy.reports(&["text/ja/01-guessing.md", "is not the text of its chapter"]);
}

#[test]
fn a_value_that_is_gone_is_reported_with_its_line() {
    let copy = Copy::new();
    copy.edit(BASELINES, "\"vocab_size\"", "\"size\"");
    let line = fs::read_to_string(copy.path(ENGLISH))
        .unwrap()
        .lines()
        .position(|line| line.contains("{{baselines.vocab_size}}"))
        .unwrap();
    let place = format!("01-guessing.md:{}: ", line + 1);
    copy.reports(&[
        &place,
        "the output has no key `vocab_size`; it has",
        "`size`",
    ]);
}

#[test]
fn a_chapter_changed_in_one_language_is_reported() {
    let copy = Copy::new();
    copy.edit(ENGLISH, "## A prediction", "## The prediction");
    copy.reports(&[
        JAPANESE,
        "has changed",
        "`gptlab-book translated 01-guessing`",
    ]);
    let copy = Copy::new();
    copy.edit(JAPANESE, "{{#command table}}", "");
    copy.reports(&[JAPANESE, "it lacks `{{#command table}}`"]);
    let copy = Copy::new();
    copy.edit(JAPANESE, "{{eval.loss:.2}}", "{{eval.loss:.3}}");
    copy.reports(&["en/src", "it lacks `{{eval.loss:.3}}`"]);
    let copy = Copy::new();
    fs::remove_file(copy.path(JAPANESE)).unwrap();
    copy.reports(&[JAPANESE, "this one lacks it"]);
    copy.reports(&["SUMMARY.md", "lists `01-guessing.md`, which is not there"]);
}

#[test]
fn what_was_typed_is_reported_unless_others_published_it() {
    let copy = Copy::new();
    copy.edit(
        ENGLISH,
        "## The question",
        "The loss is 0.31.\n\n## The question",
    );
    copy.reports(&["01-guessing.md:3: 0.31 was typed"]);
    let copy = Copy::new();
    copy.edit("outputs.toml", "published = [", "published = [\"9.99\", ");
    copy.reports(&["9.99 is `published`", "does not occur"]);
}

#[test]
fn outputs_files_and_summaries_that_do_not_agree_are_reported() {
    let copy = Copy::new();
    let unused = "[[chapter.output]]\nname = \"more\"\ncommand = \"gptlab runs\"\nseconds = 1\n\n[[chapter.output]]\nname = \"table\"";
    copy.edit(
        "outputs.toml",
        "[[chapter.output]]\nname = \"table\"",
        unused,
    );
    copy.reports(&["the output `more` of chapter `01-guessing` is never used"]);
    copy.reports(&[
        "outputs/01-guessing/more/stdout",
        "run `gptlab-book outputs 01-guessing --write",
    ]);
    let copy = Copy::new();
    fs::write(copy.path("outputs/01-guessing/table/old.csv"), "a").unwrap();
    copy.reports(&["table/old.csv", "no output of outputs.toml keeps this file"]);
    let copy = Copy::new();
    copy.edit("en/src/SUMMARY.md", "Guessing the", "Guess the");
    copy.reports(&["SUMMARY.md:5: ", "they must be the same"]);
    let copy = Copy::new();
    fs::write(copy.path("en/src/99-more.md"), "# More\n").unwrap();
    copy.reports(&["SUMMARY.md", "it does not list `99-more.md`"]);
    copy.reports(&["outputs.toml", "it has no chapter `99-more`"]);
}

#[test]
fn the_program_says_what_is_wrong_and_exits_so() {
    let fine = run(&["check"]);
    assert!(fine.status.success(), "{fine:?}");
    assert!(String::from_utf8_lossy(&fine.stdout).starts_with("the book is in order: "));
    let copy = Copy::new();
    copy.edit(ENGLISH, "{{#output table}}", "{{#output tables}}");
    let broken = run(&["check", "--book", &copy.path("").display().to_string()]);
    assert_eq!(broken.status.code(), Some(1));
    let said = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(
        said.contains("error: ") && said.contains("no output `tables`"),
        "{said}"
    );
}

#[test]
fn the_program_prints_chapters_and_answers_mdbook() {
    let text = run(&["text", "ja", "01-guessing"]);
    assert_eq!(String::from_utf8_lossy(&text.stdout), CHAPTERS[0].japanese);
    assert_eq!(run(&["supports", "html"]).status.code(), Some(0));
    assert_eq!(run(&["supports", "markdown"]).status.code(), Some(1));
    for wrong in [
        &["outputs", "--program", "x"][..],
        &["outputs", "01-x", "--program", "x"],
        &["text", "de", "01-guessing"],
        &["translated", "01-x"],
    ] {
        assert!(!run(wrong).status.success(), "{wrong:?}");
    }
}

#[test]
fn a_page_is_recorded_as_said_in_both_languages() {
    let copy = Copy::new();
    copy.edit(ENGLISH, "## A prediction", "## The prediction");
    let root = copy.path("").display().to_string();
    assert!(
        run(&["--book", &root, "translated", "01-guessing"])
            .status
            .success()
    );
    assert!(run(&["--book", &root, "texts"]).status.success());
    assert_eq!(copy.problems(), [] as [&str; 0]);
}
