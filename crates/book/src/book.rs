//! The book as it stands on the disk.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    glossary::Glossary,
    languages::{Language, Translations},
    outputs::Outputs,
    plan::Plan,
    problem::Problem,
    splice::{Form, Sources, spliced},
};

/// The file of mdBook that lists the pages of a book.
const SUMMARY: &str = "SUMMARY.md";

/// The book in a folder, with both of its languages.
#[derive(Clone, Debug)]
pub struct Book {
    /// The folder `book/`, whose parent is the repository.
    pub root: PathBuf,
    pub plan: Plan,
    pub glossary: Glossary,
    pub translations: Translations,
    outputs: BTreeMap<String, Outputs>,
    /// What is wrong with the kept outputs.
    pub problems: Vec<Problem>,
}

/// The pages of a language, and the list of them.
#[derive(Clone, Debug)]
pub struct Edition {
    pub language: Language,
    /// The Markdown of each page, by its name without `.md`.
    pub pages: BTreeMap<String, String>,
    pub summary: String,
}

impl Book {
    /// Reads the plan, the kept outputs and the glossary of the book in `root`.
    ///
    /// # Errors
    /// Returns what makes the rest impossible: a file that is missing or makes no sense. What is
    /// wrong with kept outputs is in [`Book::problems`].
    pub fn read(root: &Path) -> Result<Self, Vec<Problem>> {
        let path = root.join("outputs.toml");
        let plan = Plan::parse(&read(&path)?).map_err(|complaints| {
            let problem = |complaint| Problem::of(path.display(), complaint);
            complaints.into_iter().map(problem).collect::<Vec<_>>()
        })?;
        let glossary = read(&repository(root).join("GLOSSARY.md"))?;
        let path = root.join("ja/of.toml");
        let translations = Translations::parse(&read(&path)?)
            .map_err(|complaint| vec![Problem::of(path.display(), complaint)])?;
        let (mut outputs, mut problems) = (BTreeMap::new(), Vec::new());
        for chapter in &plan.chapters {
            let (kept, found) = Outputs::read(root, chapter);
            outputs.insert(chapter.name.clone(), kept);
            problems.extend(found);
        }
        Ok(Self {
            root: root.to_owned(),
            plan,
            glossary: Glossary::parse(&glossary),
            translations,
            outputs,
            problems,
        })
    }

    /// Reads the pages of a language.
    ///
    /// # Errors
    /// Returns the files that cannot be read.
    pub fn edition(&self, language: Language) -> Result<Edition, Vec<Problem>> {
        let folder = self.source(language);
        let entries = fs::read_dir(&folder).map_err(|e| vec![Problem::io(&folder, "read", &e)])?;
        let mut pages = BTreeMap::new();
        for entry in entries.flatten() {
            let path = entry.path();
            let stem = path.file_stem().and_then(|name| name.to_str());
            let is_page = path.extension().is_some_and(|e| e == "md") && !path.ends_with(SUMMARY);
            if let Some(name) = stem.filter(|_| is_page) {
                pages.insert(name.to_owned(), read(&path)?);
            }
        }
        Ok(Edition {
            language,
            pages,
            summary: read(&folder.join(SUMMARY))?,
        })
    }

    /// Returns the folder of the pages of a language.
    pub fn source(&self, language: Language) -> PathBuf {
        self.root.join(language.code()).join("src")
    }

    /// Returns the file of the finished text of a chapter.
    pub fn text_file(&self, language: Language, name: &str) -> PathBuf {
        let folder = repository(&self.root).join("crates/book/text");
        folder.join(language.code()).join(format!("{name}.md"))
    }

    /// Returns the text of a page with all references resolved.
    ///
    /// # Errors
    /// Returns a problem for each reference that cannot be resolved.
    pub fn resolved(
        &self,
        language: Language,
        name: &str,
        text: &str,
        form: Form,
    ) -> Result<String, Vec<Problem>> {
        let none = Outputs::default();
        let sources = Sources {
            page: name,
            language,
            outputs: self.outputs.get(name).unwrap_or(&none),
            repository: &repository(&self.root),
            glossary: &self.glossary,
            form,
        };
        let place = self.source(language).join(format!("{name}.md"));
        spliced(text, sources).map_err(|errors| {
            let problem = |(line, error)| Problem::at(place.display(), line, error);
            errors.into_iter().map(problem).collect()
        })
    }
}

/// Returns the folder that the book's folder stands in.
fn repository(root: &Path) -> PathBuf {
    match (root.file_name(), root.parent()) {
        (Some(_), Some(parent)) => parent.to_owned(),
        _ => root.join(".."),
    }
}

/// Reads a text file.
fn read(path: &Path) -> Result<String, Vec<Problem>> {
    fs::read_to_string(path).map_err(|error| vec![Problem::io(path, "read", &error)])
}
