//! Finds everything in the book that does not fit together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use crate::{
    book::{Book, Edition},
    languages::Language,
    plan::Chapter,
    problem::Problem,
    prose::typed_decimals,
    reference::Scan,
    splice::Form,
};

/// What was checked, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The number of pages in both languages.
    pub pages: usize,
    /// The number of declared outputs.
    pub outputs: usize,
    /// The number of references on all pages.
    pub references: usize,
    pub problems: Vec<Problem>,
}

/// Checks the book: that every reference resolves and every output is used, that pages and
/// summaries agree, that the languages are in step, that no number with a decimal point was typed,
/// and that the finished texts are those of the chapters.
///
/// # Errors
/// Returns the files that cannot be read.
pub fn check(book: &Book) -> Result<Findings, Vec<Problem>> {
    let english = book.edition(Language::English)?;
    let japanese = book.edition(Language::Japanese)?;
    let editions = [&english, &japanese];
    let mut problems = book.problems.clone();
    for edition in editions {
        problems.extend(summary(book, edition));
        problems.extend(pages(book, edition));
    }
    problems.extend(languages(book, &english, &japanese));
    for chapter in &book.plan.chapters {
        problems.extend(outputs(book, chapter, editions));
        problems.extend(published(book, chapter, editions));
    }
    problems.extend(undeclared_files(book));
    let all = editions.iter().flat_map(|edition| edition.pages.values());
    Ok(Findings {
        pages: all.clone().count(),
        outputs: book
            .plan
            .chapters
            .iter()
            .map(|chapter| chapter.outputs.len())
            .sum(),
        references: all.map(|page| Scan::of(page).references().count()).sum(),
        problems,
    })
}

/// Compares the pages of a language with its summary and with the plan.
fn summary(book: &Book, edition: &Edition) -> Vec<Problem> {
    let folder = book.source(edition.language);
    let place = folder.join("SUMMARY.md");
    let mut listed = BTreeSet::new();
    let mut problems = Vec::new();
    for (line, title, file) in links(&edition.summary) {
        let name = file.trim_end_matches(".md");
        listed.insert(name);
        let complaint = match edition.pages.get(name) {
            None => format!("it lists `{file}`, which is not there"),
            Some(page) => match page.lines().next() {
                Some(first) if first == format!("# {title}") => continue,
                first => format!(
                    "it calls `{file}` \"{title}\", and the page begins with \"{}\"; they must be the same",
                    first.unwrap_or_default()
                ),
            },
        };
        problems.push(Problem::at(place.display(), line, complaint));
    }
    for name in edition.pages.keys() {
        if !listed.contains(name.as_str()) {
            problems.push(Problem::of(
                place.display(),
                format_args!("it does not list `{name}.md`"),
            ));
        }
        if name.starts_with(|c: char| c.is_ascii_digit()) && book.plan.chapter(name).is_none() {
            problems.push(Problem::of(
                book.root.join("outputs.toml").display(),
                format_args!(
                    "it has no chapter `{name}`, which is a page; add one, with or without outputs"
                ),
            ));
        }
    }
    let absent = book
        .plan
        .chapters
        .iter()
        .filter(|c| !edition.pages.contains_key(&c.name));
    problems.extend(absent.map(|chapter| {
        let path = folder.join(format!("{}.md", chapter.name));
        Problem::of(
            path.display(),
            "outputs.toml has this chapter, and there is no page",
        )
    }));
    problems
}

/// Returns the links of a summary: line, title and file.
fn links(summary: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    (1..).zip(summary.lines()).filter_map(|(line, text)| {
        let (_, rest) = text.split_once('[')?;
        let (title, rest) = rest.split_once("](")?;
        let (file, _) = rest.split_once(')')?;
        Some((line, title, file.trim_start_matches("./")))
    })
}

/// Resolves all pages of a language, and compares the finished texts of its chapters.
fn pages(book: &Book, edition: &Edition) -> Vec<Problem> {
    let language = edition.language;
    let mut problems = Vec::new();
    for (name, page) in &edition.pages {
        if let Err(found) = book.resolved(language, name, page, Form::Page) {
            problems.extend(found);
            continue;
        }
        if book.plan.chapter(name).is_none() {
            continue;
        }
        let path = book.text_file(language, name);
        let text = book.resolved(language, name, page, Form::Text).ok();
        if fs::read_to_string(&path).ok() != text {
            problems.push(Problem::of(
                path.display(),
                "it is not the text of its chapter; run `gptlab-book texts`",
            ));
        }
    }
    problems
}

/// Compares the two languages.
fn languages(book: &Book, english: &Edition, japanese: &Edition) -> Vec<Problem> {
    let place = |edition: &Edition, name: &str| {
        let path = book.source(edition.language).join(format!("{name}.md"));
        path.display().to_string()
    };
    let mut problems = Vec::new();
    let names: BTreeSet<&String> = english.pages.keys().chain(japanese.pages.keys()).collect();
    for name in names {
        let (one, other) = match (english.pages.get(name), japanese.pages.get(name)) {
            (Some(one), Some(other)) => (one, other),
            (one, _) => {
                let lacking = if one.is_some() { japanese } else { english };
                let message = "the other language has this page, and this one lacks it";
                problems.push(Problem::of(place(lacking, name), message));
                continue;
            }
        };
        if let Some(complaint) = book.translations.complaint(name, one) {
            problems.push(Problem::of(place(japanese, name), complaint));
        }
        let (one, other) = (references(one), references(other));
        for (edition, has, lacks) in [(japanese, &one, &other), (english, &other, &one)] {
            for (identity, source) in has {
                if !lacks.contains_key(identity) {
                    problems.push(Problem::of(
                        place(edition, name),
                        format_args!("it lacks `{source}`, which the other language has"),
                    ));
                }
            }
        }
    }
    let gone = book
        .translations
        .0
        .keys()
        .filter(|name| !japanese.pages.contains_key(*name));
    problems.extend(gone.map(|name| {
        let path = book.root.join("ja/of.toml");
        Problem::of(
            path.display(),
            format_args!("it names `{name}`, and there is no such page"),
        )
    }));
    problems
}

/// Returns the references of a page as they are written, by what they ask for.
fn references(page: &str) -> BTreeMap<String, String> {
    let scan = Scan::of(page);
    scan.references()
        .map(|reference| (reference.kind.identity(), reference.source.to_owned()))
        .collect()
}

/// Finds outputs of a chapter that no page uses.
fn outputs(book: &Book, chapter: &Chapter, editions: [&Edition; 2]) -> Vec<Problem> {
    let pages = editions
        .iter()
        .filter_map(|edition| edition.pages.get(&chapter.name));
    let used: BTreeSet<String> = pages
        .flat_map(|page| {
            let scan = Scan::of(page);
            let names: Vec<String> = scan
                .references()
                .flat_map(|reference| reference.kind.outputs())
                .map(str::to_owned)
                .collect();
            names
        })
        .collect();
    let unused = chapter
        .outputs
        .iter()
        .filter(|output| !used.contains(&output.name));
    unused
        .map(|output| {
            Problem::of(
                book.root.join("outputs.toml").display(),
                format_args!(
                    "the output `{}` of chapter `{}` is never used; refer to it or take it out",
                    output.name, chapter.name
                ),
            )
        })
        .collect()
}

/// Finds numbers that were typed into a chapter, and numbers that are allowed and do not occur.
fn published(book: &Book, chapter: &Chapter, editions: [&Edition; 2]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut typed = BTreeSet::new();
    for edition in editions {
        let Some(page) = edition.pages.get(&chapter.name) else {
            continue;
        };
        let place = book
            .source(edition.language)
            .join(format!("{}.md", chapter.name));
        for (line, number) in typed_decimals(page) {
            if !chapter.published.contains(&number) {
                problems.push(Problem::at(
                    place.display(),
                    line,
                    format_args!(
                        "{number} was typed: refer to a value of an output, or list it in `published` of this chapter in outputs.toml if others have published it"
                    ),
                ));
            }
            typed.insert(number);
        }
    }
    let absent = chapter
        .published
        .iter()
        .filter(|number| !typed.contains(*number));
    problems.extend(absent.map(|number| {
        Problem::of(
            book.root.join("outputs.toml").display(),
            format_args!(
                "{number} is `published` of chapter `{}`, and does not occur in it",
                chapter.name
            ),
        )
    }));
    problems
}

/// Finds kept files that the plan does not declare.
fn undeclared_files(book: &Book) -> Vec<Problem> {
    let folder = book.root.join("outputs");
    let mut declared = BTreeSet::new();
    for chapter in &book.plan.chapters {
        for output in &chapter.outputs {
            let kept = output
                .kept()
                .map(|file| format!("{}/{}/{file}", chapter.name, output.name));
            declared.extend(kept);
        }
    }
    let undeclared = files(&folder, "")
        .into_iter()
        .filter(|file| !declared.contains(file));
    undeclared
        .map(|file| {
            Problem::of(
                folder.join(file).display(),
                "no output of outputs.toml keeps this file; remove it or declare it",
            )
        })
        .collect()
}

/// Returns the files below a folder, with their paths from there.
fn files(folder: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&entry.path(), &format!("{name}/")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}
