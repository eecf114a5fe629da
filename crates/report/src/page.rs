//! The files of a report: an HTML page, the same report in Markdown, tables as CSV, charts as SVG.
//!
//! The page needs no network and no script. Every byte of every file is a function of the record
//! and of [`Extras`]. Times appear only in the last section of the page.

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

/// The contents of a report that are not in the record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extras {
    /// The date, as the caller formats it.
    pub date: Option<String>,
    /// A scaling law fitted to the losses of a sweep.
    pub scaling_law: Option<ScalingFit>,
    /// Charts of the internals of finished models, by variant.
    pub inside: Vec<(String, Vec<Chart>)>,
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
    let tuned = ablation::tuned_table(study).map(|table| table.csv());
    files.extend(tuned.map(|csv| File::new("tuned.csv", csv)));
    files.extend(pictures.all().map(|p| File::new(&p.file, p.chart.svg())));
    files
}

/// Makes a page of charts and tables, with `facts` at its top, and a file of each chart.
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
/// Returns an error if [`OutputFolder::of`] refuses the folder, in which case nothing is written,
/// or if a file cannot be written, in which case the files before it are.
pub fn write(folder: &Path, files: &[File]) -> Result<(), FileError> {
    OutputFolder::of(folder, &[Signature::page(PAGE)])?.write(files)
}

#[cfg(test)]
mod tests;
