//! The files of a report: an HTML page, the same report in Markdown, tables as CSV, charts as SVG.
//!
//! The page is one file that needs no network and can be read whole without its script, which shows
//! exact numbers under the pointer. Every byte of every file is a function of the record
//! and of [`Extras`]. Times are in the last section of the page alone.

mod compared;
mod contents;
mod figure;
mod html;
mod markdown;
mod output_folder;
mod pictures;

use std::path::Path;

use gptlab_record::FileError;
use serde::Serialize;

use crate::{
    Study, StudyKind, ablation,
    chart::{Panels, ScalingFit},
    published,
};
use pictures::Pictures;

pub use compared::files as comparison_files;
pub use figure::{Figure, Section};
pub use output_folder::{OutputFolder, Signature};

/// The contents of a report that are not in the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// The date, as the caller formats it.
    pub date: Option<String>,
    /// A scaling law fitted to the losses of a sweep.
    pub scaling_law: Option<ScalingFit>,
    /// Pictures of the inside of finished models, by variant.
    pub inside: Vec<(String, Panels)>,
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The name within the report's folder.
    pub name: String,
    pub text: String,
}

/// The files of a report, as `report --json` prints them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenReport {
    /// The report's folder.
    pub out: String,
    /// The names of the files in the folder.
    pub files: Vec<String>,
}

impl File {
    /// Makes a file called `name` with the contents `text`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// The name of the HTML page among [`files`].
pub const PAGE: &str = "report.html";

/// Makes the files of the report of `study`.
pub fn files(study: &Study, extras: &Extras) -> Vec<File> {
    let pictures = Pictures::of(study, extras);
    let mut files = vec![
        File::new(PAGE, html::page(study, extras, &pictures)),
        File::new("report.md", markdown::page(study, extras, &pictures)),
        File::new("table.csv", ablation::table(study).csv()),
        File::new("predictions.csv", ablation::predictions(study).csv()),
        File::new("curves.csv", ablation::curves(study).csv()),
    ];
    let observed = study.arms.iter().flat_map(|arm| &arm.runs);
    if observed
        .flat_map(crate::RecordedRun::observations)
        .next()
        .is_some()
    {
        files.push(File::new(
            "observations.csv",
            ablation::observations(study).csv(),
        ));
    }
    let guides = study
        .floors
        .as_ref()
        .map(|floors| ablation::guides(floors).csv());
    files.extend(guides.map(|csv| File::new("guides.csv", csv)));
    if study.kind == StudyKind::Published {
        files.push(File::new("published.csv", published::table(study).csv()));
    }
    let tuned = ablation::tuned_table(study).map(|table| table.csv());
    files.extend(tuned.map(|csv| File::new("tuned.csv", csv)));
    files.extend(pictures.all().flat_map(Figure::files));
    files
}

/// A page of pictures and tables that is not about a study.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gallery {
    /// What was found, in a sentence.
    pub title: String,
    /// What the page is about, in a few words.
    pub about: String,
    /// What was found besides, a sentence each.
    pub answer: Vec<String>,
    /// The tokens of a text and a number of each, which is their shade.
    pub tokens: Vec<ShadedToken>,
    pub sections: Vec<Section>,
    /// How the page was made, as names and values.
    pub facts: Vec<(&'static str, String)>,
}

/// A token of a text that a page shows, and how strongly.
#[derive(Clone, Debug, PartialEq)]
pub struct ShadedToken {
    pub text: String,
    /// From 0 to 1; `None` for a token without a number.
    pub share: Option<f64>,
    /// What the number is, with its name.
    pub says: String,
}

/// Makes a page called `name`, and a file of each of its pictures.
pub fn gallery(name: &str, gallery: &Gallery) -> Vec<File> {
    let page = html::gallery(gallery);
    let figures = gallery.sections.iter().flat_map(|s| &s.figures);
    std::iter::once(File::new(name, page))
        .chain(figures.flat_map(Figure::files))
        .collect()
}

/// Says what was found in `study`: the title of its page, a sentence without its full stop.
pub fn headline(study: &Study) -> String {
    contents::title(study)
}

/// Writes a report into `folder`, which is created if it does not exist.
///
/// # Errors
/// Returns an error if [`OutputFolder::of`] refuses the folder, in which case nothing is written,
/// or if a file cannot be written, in which case the files before it are.
pub fn write(folder: &Path, files: &[File]) -> Result<(), FileError> {
    OutputFolder::of(folder, &[Signature::page(PAGE)])?.write(files)
}

#[cfg(test)]
mod tests;
