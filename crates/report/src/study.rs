//! Reads the contents of a folder: one run, or a grid of them.

mod run;

use std::path::{Component, Path};

use gptlab_model::{Counts, ModelSpec, lower};
use gptlab_record::{
    Cell, CellOutcome, DataRecord, FileError, Floors, Grid, GridKind, Row, Store, Variant,
    read_grid, read_outcome, read_results,
};

pub use run::{MeasureHistory, RecordedRun};

/// Runs that belong together, and what their record contains.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    pub kind: StudyKind,
    /// The folder's own name.
    pub name: String,
    /// The program and its version.
    pub program: String,
    /// The command as it was typed; empty if the record does not contain it.
    pub command: Vec<String>,
    pub data: DataRecord,
    pub steps: u64,
    pub seeds: Vec<u64>,
    pub floors: Option<Floors>,
    /// The variants. The first is the one that the others are compared with.
    pub arms: Vec<Arm>,
}

/// The kind of a study, which selects its tables and charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyKind {
    Run,
    Ablation,
    Sweep,
}

/// A variant and its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    pub variant: Variant,
    /// The runs that have started, in the order of the seeds.
    pub runs: Vec<RecordedRun>,
    /// The row of the results; `None` until one of the runs has finished.
    pub row: Option<Row>,
}

impl Study {
    /// Reads the grid that `folder` contains, or else the run.
    ///
    /// # Errors
    /// Returns an error if it contains neither, or if one of its files is invalid.
    pub fn read(folder: &Path) -> Result<Self, FileError> {
        match read_grid(folder)? {
            Some(grid) => of_grid(folder, grid),
            None if Store::exists(folder) => of_run(folder),
            None => Err(FileError::wrong(
                folder,
                "a folder of a run (experiment.json) or of a grid (grid.json)",
                "neither file",
            )),
        }
    }

    /// Returns the floors to compare `run` with. They must be measured on the same predictions as
    /// its last loss. Those of a grid are measured on the whole validation split, and are not
    /// comparable with a loss on a part of it.
    pub fn floors_of(&self, run: &RecordedRun) -> Option<&Floors> {
        let same = match self.kind {
            StudyKind::Run => true,
            StudyKind::Ablation | StudyKind::Sweep => {
                run.ends_whole() || run.diverged_at().is_some()
            }
        };
        self.floors.as_ref().filter(|_| same)
    }

    /// Returns the variant that the others are compared with.
    pub fn baseline(&self) -> Option<&Arm> {
        self.arms.first()
    }
}

impl Arm {
    /// Returns the mean of the validation losses, in nats per token.
    pub fn loss(&self) -> Option<f64> {
        self.row.as_ref()?.mean
    }

    /// Returns the number of runs that diverged, and the first step at which one did.
    pub fn diverged(&self) -> Option<(usize, u64)> {
        let steps = || {
            self.row
                .iter()
                .flat_map(|row| &row.outcomes)
                .filter_map(|o| o.diverged_at)
        };
        steps().min().map(|first| (steps().count(), first))
    }

    /// Returns the mean of a number over the runs that have it and did not diverge.
    pub fn mean_of(&self, number: impl Fn(&CellOutcome) -> Option<f64>) -> Option<f64> {
        let row = self.row.as_ref()?;
        let fine = row.outcomes.iter().filter(|o| o.diverged_at.is_none());
        let numbers: Vec<f64> = fine.filter_map(number).collect();
        mean(&numbers)
    }
}

pub(crate) fn mean(numbers: &[f64]) -> Option<f64> {
    let n = numbers.len() as f64;
    let sum: f64 = numbers.iter().sum();
    let mean = if sum.is_infinite() {
        // The division precedes the sum because finite numbers may have an infinite sum.
        numbers.iter().map(|x| x / n).sum()
    } else {
        sum / n
    };
    (!numbers.is_empty()).then_some(mean)
}

fn of_grid(folder: &Path, grid: Grid) -> Result<Study, FileError> {
    let mut results = read_results(folder)?;
    let mut arms = Vec::new();
    for variant in grid.variants {
        let cells = grid
            .cells
            .iter()
            .filter(|cell| cell.variant == variant.name);
        let runs: Result<Vec<Option<RecordedRun>>, FileError> =
            cells.map(|cell| run_of(folder, cell)).collect();
        let rows = results.as_mut().map(|r| &mut r.rows);
        let row = rows.and_then(|rows| {
            let at = rows.iter().position(|row| row.variant == variant.name)?;
            Some(rows.remove(at))
        });
        arms.push(Arm {
            variant,
            runs: runs?.into_iter().flatten().collect(),
            row,
        });
    }
    Ok(Study {
        kind: match grid.kind {
            GridKind::Ablation => StudyKind::Ablation,
            GridKind::Sweep => StudyKind::Sweep,
        },
        name: name_of(folder),
        program: grid.program,
        command: grid.command,
        data: grid.data,
        steps: grid.steps,
        seeds: grid.seeds,
        floors: results.map(|r| r.floors),
        arms,
    })
}

/// Reads the run of a cell; `None` if it has not started.
fn run_of(folder: &Path, cell: &Cell) -> Result<Option<RecordedRun>, FileError> {
    let inside = Path::new(&cell.folder);
    if !inside
        .components()
        .all(|c| matches!(c, Component::Normal(_)))
    {
        let found = format!("`{}`", cell.folder);
        let expected = "runs in folders inside the grid's";
        return Err(FileError::wrong(&folder.join("grid.json"), expected, found));
    }
    let path = folder.join(inside);
    Store::exists(&path)
        .then(|| RecordedRun::read(&path))
        .transpose()
}

/// Reads a single run as a study of one variant.
fn of_run(folder: &Path) -> Result<Study, FileError> {
    let run = RecordedRun::read(folder)?;
    // The outcome of a grid's run contains more than its events.
    let outcome = read_outcome(folder)?.or_else(|| run.outcome());
    let experiment = &run.experiment;
    let uniform = (experiment.vocab_size as f64).ln();
    Ok(Study {
        kind: StudyKind::Run,
        name: run.name.clone(),
        program: experiment.program.clone(),
        command: Vec::new(),
        data: experiment.data.clone(),
        steps: experiment.hyper.steps,
        seeds: vec![experiment.seed],
        floors: Some(Floors {
            uniform,
            ..Floors::default()
        }),
        arms: vec![arm_of(run, outcome)],
    })
}

fn arm_of(run: RecordedRun, outcome: Option<CellOutcome>) -> Arm {
    let (listing, parameters) = listing_of(&run.experiment.spec, run.experiment.vocab_size);
    let variant = Variant {
        name: run.name.clone(),
        title: "one run".to_owned(),
        purpose: String::new(),
        prediction: String::new(),
        source: String::new(),
        listing,
        parameters,
        settings: Vec::new(),
        experiment: Some(run.experiment.clone()),
    };
    let row = outcome.map(|outcome| Row {
        variant: run.name.clone(),
        mean: outcome.val_loss.filter(|_| outcome.diverged_at.is_none()),
        deviation: None,
        difference: None,
        outcomes: vec![outcome],
    });
    Arm {
        variant,
        runs: vec![run],
        row,
    }
}

/// Returns a model's listing and its number of parameters; an empty listing for a spec that this
/// version rejects.
pub(crate) fn listing_of(spec: &ModelSpec, vocab_size: usize) -> (String, u64) {
    match spec.check(vocab_size) {
        Ok(model) => {
            let graph = lower(&model);
            let parameters = Counts::of(&graph, spec.block_size).parameters as u64;
            (graph.to_string(), parameters)
        }
        Err(_) => (String::new(), 0),
    }
}

fn name_of(folder: &Path) -> String {
    // The paths `.` and `..` have no name of their own.
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = whole.file_name().unwrap_or(whole.as_os_str());
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
pub(crate) mod tests;
