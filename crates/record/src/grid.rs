//! Grids of runs: the plan and the results of runs that are compared with each other.
//!
//! A grid's folder holds `grid.json`, which is written before the first run; a folder for each run
//! under `runs/`, with an `outcome.json` when the run has ended; and `results.json`, as soon as
//! there is a result. No file holds a time, so that repeating a grid produces the same bytes.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Conclusion, DataRecord, ExpectedDifference, Experiment, FileError, PublishedClaim,
    PublishedComparison, SkillBaselines, Store, Verdict, atomic,
    json::{self, maybe_number},
};

const GRID: &str = "grid.json";
const RESULTS: &str = "results.json";
const OUTCOME: &str = "outcome.json";
/// The most bytes of a grid's files. Listings take most of them.
const MOST_GRID: u64 = 1 << 28;

/// Returns whether `folder` holds a grid.
pub(crate) fn exists(folder: &Path) -> bool {
    folder.join(GRID).exists()
}

/// Returns the grid that the run in `run` belongs to, with the grid's folder; `None` when it
/// belongs to none. The grid's folder is two levels up and its plan names this very run. Anything
/// else two levels up has nothing to do with the run and is ignored.
pub fn grid_of(run: &Path) -> Option<(PathBuf, Grid)> {
    // A relative path may be too short to have a grandparent.
    let whole = run.canonicalize().unwrap_or_else(|_| run.to_owned());
    let folder = whole.parent()?.parent()?.to_owned();
    let grid = read_grid(&folder).ok()??;
    let mut cells = grid.cells.iter();
    cells.find(|cell| folder.join(&cell.folder) == whole)?;
    Some((folder, grid))
}

/// Reads the grid in `folder`; `None` when it holds none.
///
/// # Errors
/// Returns an error if there is a grid that cannot be read.
pub fn read_grid(folder: &Path) -> Result<Option<Grid>, FileError> {
    let path = folder.join(GRID);
    let grid: Option<Grid> = read(&path, "a grid of gptlab")?;
    let format = grid.as_ref().map_or(Grid::FORMAT, |grid| grid.format);
    check_format(&path, "a grid", Grid::FORMAT, format)?;
    Ok(grid)
}

/// Reads the results of the grid in `folder`; `None` when there are none yet.
///
/// # Errors
/// Returns an error if there are results that cannot be read.
pub fn read_results(folder: &Path) -> Result<Option<Results>, FileError> {
    let path = folder.join(RESULTS);
    let results: Option<Results> = read(&path, "results of a grid of gptlab")?;
    let format = results
        .as_ref()
        .map_or(Results::FORMAT, |found| found.format);
    check_format(&path, "results", Results::FORMAT, format)?;
    Ok(results)
}

/// Refuses a format that this version does not know, even if the file happens to parse.
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

/// Writes the plan `grid` to `folder`, which must exist.
///
/// # Errors
/// Returns an error if the folder holds a run, or the plan cannot be written.
pub fn write_grid(folder: &Path, grid: &Grid) -> Result<(), FileError> {
    if Store::exists(folder) {
        let found = "the folder of a run; choose another folder";
        return Err(FileError::wrong(folder, "a folder for a grid", found));
    }
    write(&folder.join(GRID), grid)
}

/// Writes `results` to `folder` and replaces earlier results.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub fn write_results(folder: &Path, results: &Results) -> Result<(), FileError> {
    write(&folder.join(RESULTS), results)
}

/// Reads how the run in `folder` ended; `None` when it has not ended.
///
/// # Errors
/// Returns an error if there is an outcome that cannot be read.
pub fn read_outcome(folder: &Path) -> Result<Option<CellOutcome>, FileError> {
    read(&folder.join(OUTCOME), "the outcome of a run of gptlab")
}

/// Writes how the run in `folder` ended.
///
/// # Errors
/// Returns an error if the file cannot be written.
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

/// The plan of a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// The file's format: [`Grid::FORMAT`], or an older one that can still be read.
    pub format: u32,
    /// The name and version of the program.
    pub program: String,
    /// The command line's words as the user typed them.
    pub command: Vec<String>,
    pub kind: GridKind,
    pub data: DataRecord,
    /// The number of steps of each run, or of the longest ones where recipes differ.
    pub steps: u64,
    /// The seeds that each variant is run with.
    pub seeds: Vec<u64>,
    /// The variants. The first is the baseline that the others are compared with.
    pub variants: Vec<Variant>,
    /// The runs.
    pub cells: Vec<Cell>,
    /// The setting whose best value each variant is given; absent before format 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuned: Option<TunedSetting>,
}

/// The name of the variant with nothing broken.
pub const BASELINE_NAME: &str = "baseline";

impl Grid {
    /// Format 1 knew no experiments of its variants, format 2 no expected differences, and format 3
    /// no published results.
    pub const FORMAT: u32 = 4;

    /// Returns the variants with nothing broken, one at each point of the grid's settings.
    pub fn baselines(&self) -> impl Iterator<Item = &Variant> {
        let plain = |v: &&Variant| v.name.split(' ').next() == Some(BASELINE_NAME);
        self.variants.iter().filter(plain)
    }

    /// Returns the baseline that the first lines of a report are about: the one at the shared value
    /// of a setting that is tuned, or else the first.
    pub fn main_baseline(&self) -> Option<&Variant> {
        let shared = |v: &&Variant| {
            let tuned = self.tuned.as_ref();
            tuned.is_none_or(|tuned| self.point_of(&v.name) == Some(tuned.shared.as_str()))
        };
        self.baselines().find(shared)
    }

    /// Returns what the variant of this name is compared with: the baseline at its own point of the
    /// grid's settings, or the grid's first variant. `None` for a baseline, in a sweep, whose
    /// points have nothing to be compared with, and where runs are compared with published results.
    pub fn baseline_of(&self, name: &str) -> Option<&Variant> {
        match self.kind {
            GridKind::Ablation => {}
            GridKind::Sweep | GridKind::Published => return None,
        }
        let base = self.baselines().find(|base| is_at(name, point(base)));
        base.or(self.variants.first())
            .filter(|base| base.name != name)
    }

    /// Returns the name of the point of the grid's settings where the variant of this name stands:
    /// what follows the baseline's name there. It is empty in a grid of one point.
    pub fn point_of(&self, name: &str) -> Option<&str> {
        self.baselines().map(point).find(|point| is_at(name, point))
    }
}

/// Returns what follows the baseline's name: `lr=0.1` of `baseline lr=0.1`.
fn point(baseline: &Variant) -> &str {
    let name = baseline.name.as_str();
    name.strip_prefix(BASELINE_NAME)
        .unwrap_or(name)
        .trim_start()
}

/// Returns whether the variant of this name is at `point`.
fn is_at(name: &str, point: &str) -> bool {
    let before = name.strip_suffix(point);
    point.is_empty() || before.is_some_and(|before| before.ends_with(' '))
}

/// A setting whose best value each variant is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedSetting {
    /// `lr`.
    pub setting: String,
    /// The point of the value that all variants share: `lr=0.008`.
    pub shared: String,
}

/// The reason why runs belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GridKind {
    /// The variants are a baseline and models that each lack or break one part.
    Ablation,
    /// The variants are sizes and learning rates.
    Sweep,
    /// The variants are recipes whose results others have published.
    Published,
}

/// One model, or one way of training it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// The name in a sentence: `no residual`, or `no residual lr=0.001`.
    pub name: String,
    /// The name in a few words: `no residual connections`.
    pub title: String,
    /// The purpose of the part that is changed.
    pub purpose: String,
    /// The expected result, written before the run.
    pub prediction: String,
    /// The paper that established the expectation.
    pub source: String,
    /// The model's operations, one per line.
    pub listing: String,
    /// The number of trained parameters.
    pub parameters: u64,
    /// The settings that the grid varies, with their values: `lr` and 0.001.
    pub settings: Vec<(String, f64)>,
    /// The resolved experiment of its run with the grid's first seed; absent in grids of format 1.
    #[serde(default)]
    pub experiment: Option<Experiment>,
    /// The expected difference from the baseline; absent before format 3, and where no number was
    /// expected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<ExpectedDifference>,
    /// The published result that its runs are compared with; absent before format 4, and in grids
    /// of another kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<PublishedClaim>,
}

/// One run of a grid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The variant's name.
    pub variant: String,
    pub seed: u64,
    /// The run's folder, relative to the grid's, with `/` between names.
    pub folder: String,
}

/// The results of a grid. They depend only on the plan and its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The file's format, which is [`Results::FORMAT`] or an older one that is still read.
    pub format: u32,
    /// What an ablation concludes; absent before format 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
    pub floors: Floors,
    /// The same losses on the tokens that need the skill of a diagnostic text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skill: Option<SkillBaselines>,
    /// One row per variant, in the order of the plan. Variants without a finished run are left out.
    pub rows: Vec<Row>,
    /// Each variant at its best value of the setting that is tuned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tuned: Vec<TunedRow>,
    /// Each variant beside its published result, in a grid that compares them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<PublishedComparison>,
}

impl Results {
    /// Format 1 knew no conclusions and no corrected differences, and format 2 no published
    /// results.
    pub const FORMAT: u32 = 3;
}

/// A variant at its best value of the setting that is tuned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TunedRow {
    /// Without its point: `no residual`.
    pub variant: String,
    /// The row of the best value: `no residual lr=0.004`.
    pub best: String,
    /// The best value.
    pub value: f64,
    /// Whether the best value is the least or the greatest that was tried, so that a better one may
    /// lie beyond.
    pub at_edge: bool,
    /// Mean validation loss there, in nats per token.
    pub mean: f64,
    /// From the baseline at its own best value; `None` for the baseline.
    #[serde(default)]
    pub difference: Option<PairedDifference>,
    /// What that difference is called.
    pub verdict: Verdict,
}

/// The n-gram baselines, and the other losses that a model's is compared with: all on the same
/// validation split, in nats per token. Fields of records that hold them are called `floors`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Floors {
    /// The loss of uniform guessing: the natural logarithm of the vocabulary's size.
    pub uniform: f64,
    /// The losses of n-grams that were counted in the training split, for n = 1, 2, …
    pub ngrams: Vec<f64>,
    /// The entropy of the text, where the process that generates it is known.
    #[serde(default)]
    pub entropy: Option<f64>,
    /// The context that all of these see, in tokens; absent from old files, whose n-grams saw all
    /// that stands before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_size: Option<usize>,
    /// The number of predictions that these losses are means over; absent from old files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions: Option<usize>,
    /// Why the entropy is not known of a text whose making is: a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<String>,
}

/// The results of one variant over its seeds. Losses are in nats per token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub variant: String,
    /// The outcomes in the order of the grid's seeds. Seeds that have not run are left out.
    pub outcomes: Vec<CellOutcome>,
    /// The mean of the validation losses of the seeds that did not diverge.
    #[serde(with = "maybe_number", default)]
    pub mean: Option<f64>,
    /// The sample standard deviation of these losses; `None` for fewer than two.
    #[serde(with = "maybe_number", default)]
    pub deviation: Option<f64>,
    /// The difference from the baseline; `None` for the baseline itself and when nothing can be
    /// compared.
    #[serde(default)]
    pub difference: Option<PairedDifference>,
}

/// The outcome of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellOutcome {
    pub seed: u64,
    /// The first step whose loss was not finite.
    #[serde(default)]
    pub diverged_at: Option<u64>,
    /// The validation loss of the finished model, in nats per token.
    #[serde(with = "maybe_number", default)]
    pub val_loss: Option<f64>,
    /// The loss of the last logged step's batch, in nats per token.
    #[serde(with = "maybe_number", default)]
    pub train_loss: Option<f64>,
    /// The gradient norm of the last logged step, before clipping.
    #[serde(with = "maybe_number", default)]
    pub grad_norm: Option<f64>,
    /// The loss on the tokens that the text's own rule makes predictable, in nats per token.
    #[serde(with = "maybe_number", default)]
    pub skill_loss: Option<f64>,
    /// A text that the finished model generated.
    #[serde(default)]
    pub sample: Option<String>,
}

impl CellOutcome {
    /// Returns the validation loss in nats per token, if it is a finite number.
    pub fn finite_loss(&self) -> Option<f64> {
        self.val_loss.filter(|loss| loss.is_finite())
    }
}

/// The difference between a variant and the baseline, paired by seed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedDifference {
    /// The mean difference of the validation losses, in nats per token.
    pub mean: f64,
    /// Sample standard deviation of the differences; `None` with fewer than two pairs.
    #[serde(with = "maybe_number", default)]
    pub deviation: Option<f64>,
    /// The lower end of the 95 % confidence interval (Student's t); `None` for fewer than two
    /// pairs.
    #[serde(with = "maybe_number", default)]
    pub low: Option<f64>,
    /// The upper end of the 95 % confidence interval; `None` for fewer than two pairs.
    #[serde(with = "maybe_number", default)]
    pub high: Option<f64>,
    /// The two-sided p-value of the paired t-test.
    #[serde(with = "maybe_number", default)]
    pub p: Option<f64>,
    /// The number of seeds that both finished with.
    pub pairs: usize,
    /// After the correction for the number of comparisons, which decides; absent before format 2.
    #[serde(default)]
    pub corrected: Option<CorrectedDifference>,
}

impl PairedDifference {
    /// Returns the bounds of the interval that decides: the corrected one where there is one.
    pub fn interval(&self) -> Option<(f64, f64)> {
        match self.corrected {
            Some(corrected) => corrected.low.zip(corrected.high),
            None => self.low.zip(self.high),
        }
    }
}

/// A difference, corrected for the number of comparisons by Holm's procedure (1979).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorrectedDifference {
    /// Of the interval at the level at which the procedure tests this comparison.
    #[serde(with = "maybe_number", default)]
    pub low: Option<f64>,
    #[serde(with = "maybe_number", default)]
    pub high: Option<f64>,
    #[serde(with = "maybe_number", default)]
    pub p: Option<f64>,
    pub comparisons: usize,
}
