//! Many runs that belong together: what was planned, and what came out.
//!
//! A grid's folder holds `grid.json`, written before the first run; a folder for each run under
//! `runs/`, with `outcome.json` in it when it has ended; and, as soon as something came out,
//! `results.json`. Neither file holds a time: a grid made twice is the same bytes.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    DataRecord, Experiment, FileError, Store, atomic,
    json::{self, maybe_number},
};

const GRID: &str = "grid.json";
const RESULTS: &str = "results.json";
const OUTCOME: &str = "outcome.json";
/// No grid is larger; listings are most of it.
const MOST_GRID: u64 = 1 << 28;

/// Whether `folder` holds a grid.
pub(crate) fn exists(folder: &Path) -> bool {
    folder.join(GRID).exists()
}

/// The folder of the grid that the run in `folder` belongs to, and the grid: two folders up, where
/// a grid names this very folder. What else lies there is nothing to this run, and may be whatever
/// it is.
pub fn grid_of(run: &Path) -> Option<(PathBuf, Grid)> {
    // Where the path is too short to say, the file system knows.
    let whole = run.canonicalize().unwrap_or_else(|_| run.to_owned());
    let folder = whole.parent()?.parent()?.to_owned();
    let grid = read_grid(&folder).ok()??;
    let mut cells = grid.cells.iter();
    cells.find(|cell| folder.join(&cell.folder) == whole)?;
    Some((folder, grid))
}

/// The grid in `folder`; `None` where it holds none.
///
/// # Errors
/// When there is one that cannot be read.
pub fn read_grid(folder: &Path) -> Result<Option<Grid>, FileError> {
    let path = folder.join(GRID);
    let grid: Option<Grid> = read(&path, "a grid of gptlab")?;
    let format = grid.as_ref().map_or(Grid::FORMAT, |grid| grid.format);
    check_format(&path, "a grid", Grid::FORMAT, format)?;
    Ok(grid)
}

/// The results in `folder`; `None` where nothing has come out yet.
///
/// # Errors
/// When there are some that cannot be read.
pub fn read_results(folder: &Path) -> Result<Option<Results>, FileError> {
    let path = folder.join(RESULTS);
    let results: Option<Results> = read(&path, "results of a grid of gptlab")?;
    let format = results
        .as_ref()
        .map_or(Results::FORMAT, |found| found.format);
    check_format(&path, "results", Results::FORMAT, format)?;
    Ok(results)
}

/// Refuses a format that this version does not know, however well it reads.
fn check_format(path: &Path, what: &str, newest: u32, found: u32) -> Result<(), FileError> {
    if (1..=newest).contains(&found) {
        return Ok(());
    }
    Err(FileError::wrong(
        path,
        format!("{what} in format 1 to {newest}"),
        format!("format {found}; a newer gptlab wrote it"),
    ))
}

/// Writes the plan down. The folder has to be there.
///
/// # Errors
/// When the folder holds a run, or the plan cannot be written.
pub fn write_grid(folder: &Path, grid: &Grid) -> Result<(), FileError> {
    if Store::exists(folder) {
        let found = "the folder of a run; choose another folder";
        return Err(FileError::wrong(folder, "a folder for a grid", found));
    }
    write(&folder.join(GRID), grid)
}

/// Writes what came out, over what came out before.
///
/// # Errors
/// When it cannot be written.
pub fn write_results(folder: &Path, results: &Results) -> Result<(), FileError> {
    write(&folder.join(RESULTS), results)
}

/// How the run in `folder` ended; `None` where it has not.
///
/// # Errors
/// When it says so in a file that cannot be read.
pub fn read_outcome(folder: &Path) -> Result<Option<CellOutcome>, FileError> {
    read(&folder.join(OUTCOME), "the outcome of a run of gptlab")
}

/// Writes how the run in `folder` ended.
///
/// # Errors
/// When it cannot be written.
pub fn write_outcome(folder: &Path, outcome: &CellOutcome) -> Result<(), FileError> {
    write(&folder.join(OUTCOME), outcome)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path, what: &str) -> Result<Option<T>, FileError> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) => json::read(path, MOST_GRID, what).map(Some),
        Err(e) => Err(FileError::io("read", path)(e)),
    }
}

fn write(path: &Path, value: &impl Serialize) -> Result<(), FileError> {
    atomic::sweep_of(path)?;
    let text =
        json::pretty(value).map_err(|e| FileError::io("write", path)(io::Error::other(e)))?;
    atomic::write_bytes(path, text.as_bytes())
}

/// What was planned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Of this file: [`Grid::FORMAT`], or an older one that is still read.
    pub format: u32,
    /// The program and its version.
    pub program: String,
    /// The words that were typed.
    pub command: Vec<String>,
    pub kind: GridKind,
    pub data: DataRecord,
    pub steps: u64,
    pub seeds: Vec<u64>,
    /// The first is what the others are compared with.
    pub variants: Vec<Variant>,
    pub cells: Vec<Cell>,
}

impl Grid {
    /// Format 1 knew no experiments of its variants.
    pub const FORMAT: u32 = 2;
}

/// Why runs belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridKind {
    /// Variants are the baseline and models with something broken.
    Ablation,
    /// Variants are sizes and learning rates.
    Sweep,
}

/// One model, or one way to train it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// As users type it: `residual`, or `residual lr=0.001`.
    pub name: String,
    /// A few words: `no residual connections`.
    pub title: String,
    /// What the part is for.
    pub purpose: String,
    /// What is expected, said before the run.
    pub prediction: String,
    /// The paper that established it.
    pub source: String,
    /// The model's listing, one op a line.
    pub listing: String,
    /// Numbers that are trained.
    pub parameters: u64,
    /// Points of a grid of settings: `lr` and its value.
    pub settings: Vec<(String, f64)>,
    /// Its run with the grid's first seed, resolved; absent in grids of format 1.
    #[serde(default)]
    pub experiment: Option<Experiment>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The variant's name.
    pub variant: String,
    pub seed: u64,
    /// The run's folder, relative to the grid's, with `/` between names.
    pub folder: String,
}

/// What came out: a pure function of the plan and its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// Of this file; always [`Results::FORMAT`].
    pub format: u32,
    pub floors: Floors,
    /// In the order of the variants; those without a finished run are left out.
    pub rows: Vec<Row>,
}

impl Results {
    pub const FORMAT: u32 = 1;
}

/// Losses that give a loss its meaning, on the same split, in nats a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// Every token alike: ln of the vocabulary's size.
    pub uniform: f64,
    /// Of n-gram tables fitted to the training split, for n = 1, 2, …
    pub ngrams: Vec<f64>,
    /// What the ideal predictor, which knows how the text was made, loses on the same predictions
    /// in the same windows. In old files it is the text's entropy.
    #[serde(default)]
    pub entropy: Option<f64>,
    /// The context that all of these see, in tokens; absent from old files, whose n-grams saw all
    /// that stands before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<usize>,
    /// Why the entropy is not known of a text whose making is: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// One variant over its seeds. Losses are in nats a token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub variant: String,
    /// In the order of the grid's seeds; those that have not run are left out.
    pub outcomes: Vec<CellOutcome>,
    /// Validation losses of the seeds that did not diverge: mean, and sample standard deviation for
    /// two or more.
    #[serde(with = "maybe_number", default)]
    pub mean: Option<f64>,
    #[serde(with = "maybe_number", default)]
    pub deviation: Option<f64>,
    /// Against the baseline; `None` for the baseline itself and where nothing can be compared.
    #[serde(default)]
    pub difference: Option<PairedDifference>,
}

/// How one run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellOutcome {
    pub seed: u64,
    /// The first step whose loss was no finite number.
    #[serde(default)]
    pub diverged_at: Option<u64>,
    /// Of the finished model.
    #[serde(with = "maybe_number", default)]
    pub val_loss: Option<f64>,
    /// Of the last logged step's batch.
    #[serde(with = "maybe_number", default)]
    pub train_loss: Option<f64>,
    /// Of the last logged step, before clipping.
    #[serde(with = "maybe_number", default)]
    pub grad_norm: Option<f64>,
    /// On the tokens that a text with a known skill lets one know.
    #[serde(with = "maybe_number", default)]
    pub skill_loss: Option<f64>,
    /// Text of the finished model.
    #[serde(default)]
    pub sample: Option<String>,
}

/// A variant minus the baseline, paired by seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedDifference {
    /// Mean of the differences of validation losses.
    pub mean: f64,
    /// Of the 95 % confidence interval (Student's t); `None` with fewer than two pairs.
    #[serde(with = "maybe_number", default)]
    pub low: Option<f64>,
    #[serde(with = "maybe_number", default)]
    pub high: Option<f64>,
    /// Two-sided p of the paired t test.
    #[serde(with = "maybe_number", default)]
    pub p: Option<f64>,
    pub pairs: usize,
}
