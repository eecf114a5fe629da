//! The files of a report: a page, the same page in Markdown, tables as CSV, pictures as SVG.
//!
//! The page needs no network and no script. Every byte of every file is a function of the record
//! and of [`Extras`]. Times are in the last section of the page alone.

mod contents;
mod html;
mod markdown;
mod output_folder;
mod pictures;

use std::path::Path;

use gptlab_record::FileError;
use serde::Serialize;

use crate::{Chart, Study, Table, ablation, chart::ScalingFit};
use pictures::Pictures;

pub use output_folder::{OutputFolder, Signature};

/// What a report shows in addition to the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// The day, as the caller formats it.
    pub date: Option<String>,
    /// A fit of the losses of a sweep.
    pub scaling_law: Option<ScalingFit>,
    /// Pictures of the inside of finished models, by variant.
    pub inside: Vec<(String, Vec<Chart>)>,
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub name: String,
    pub text: String,
}

/// What `report --json` prints: the files of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WrittenReport {
    /// The folder.
    pub out: String,
    /// The names of the files in the folder.
    pub files: Vec<String>,
}

impl File {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            text: text.into(),
        }
    }
}

/// The name of the page among [`files`].
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
    let tuned = ablation::tuned_table(study).map(|table| table.csv());
    files.extend(tuned.map(|csv| File::new("tuned.csv", csv)));
    files.extend(pictures.all().map(|p| File::new(&p.file, p.chart.svg())));
    files
}

/// Makes a page of pictures and tables, with `facts` at its top, and a file of each picture.
pub fn gallery(
    name: &str,
    title: &str,
    facts: &[(&str, String)],
    pictures: Vec<(String, Chart)>,
    tables: &[Table],
) -> Vec<File> {
    let page = html::gallery(title, facts, &pictures, tables);
    let svg = |(name, chart): (String, Chart)| File::new(format!("{name}.svg"), chart.svg());
    let pictures = pictures.into_iter().map(svg);
    std::iter::once(File::new(name, page))
        .chain(pictures)
        .collect()
}

/// Writes a report into `folder`, which is created if it does not exist.
///
/// # Errors
/// If [`OutputFolder::of`] refuses the folder; nothing is written then. If a file cannot be
/// written; the files before it are.
pub fn write(folder: &Path, files: &[File]) -> Result<(), FileError> {
    OutputFolder::of(folder, &[Signature::page(PAGE)])?.write(files)
}

#[cfg(test)]
mod tests;
