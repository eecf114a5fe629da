//! Reads the contents of a folder: one run, or a grid of them.

mod run;

use std::path::{Component, Path};

use gptlab_model::{Counts, ModelSpec, lower};
use gptlab_record::{
    Cell, CellOutcome, Conclusion, DataRecord, Evidence, FileError, Floors, Grid, GridKind,
    PublishedComparison, Results, Row, SkillBaselines, Store, TunedRow, TunedSetting, Variant,
    VariantVerdict, read_grid, read_outcome, read_results,
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
    /// Of a diagnostic text, on the tokens that need its skill.
    pub skill: Option<SkillBaselines>,
    /// What an ablation concludes.
    pub conclusion: Option<Conclusion>,
    /// The setting whose best value each variant was given.
    pub tuned_setting: Option<TunedSetting>,
    /// Each variant at its best value of that setting.
    pub tuned: Vec<TunedRow>,
    /// Each variant beside its published result, in a grid that compares them.
    pub published: Vec<PublishedComparison>,
    /// The variants. The first is the one that the others are compared with.
    pub arms: Vec<Arm>,
}

/// The kind of a study, which selects its tables and charts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StudyKind {
    Run,
    Ablation,
    Sweep,
    /// Recipes whose results others have published.
    Published,
}

/// A variant and its runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    pub variant: Variant,
    /// The runs that have started, in the order of the seeds.
    pub runs: Vec<RecordedRun>,
    /// The row of the results; `None` until one of the runs has finished.
    pub row: Option<Row>,
    /// Whether pages keep to themselves what the model is: its settings, its listing and its number
    /// of parameters.
    pub concealed: bool,
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

    /// Returns the guides of `run`, which are over the same predictions in the same windows as its
    /// last loss. Those of a grid are over all of the validation split in windows of one length,
    /// and say nothing of a loss over a part of it or in other windows.
    pub fn floors_of<'a>(&'a self, run: &'a RecordedRun) -> Option<&'a Floors> {
        let same = match self.kind {
            StudyKind::Run => true,
            StudyKind::Ablation | StudyKind::Sweep | StudyKind::Published => {
                run.ends_whole() || run.diverged_at().is_some()
            }
        };
        let context = run.experiment.spec.block_size;
        let shared = self
            .floors
            .as_ref()
            .filter(|floors| same && floors.block_size.is_none_or(|windows| windows == context));
        run.floors.as_ref().or(shared)
    }

    /// Returns the variant that the others are compared with.
    pub fn baseline(&self) -> Option<&Arm> {
        match self.kind {
            StudyKind::Run | StudyKind::Ablation => self.arms.first(),
            StudyKind::Sweep | StudyKind::Published => None,
        }
    }

    /// Returns what is concluded of a variant.
    pub fn verdict(&self, arm: &Arm) -> Option<&VariantVerdict> {
        self.conclusion.as_ref()?.verdict(&arm.variant.name)
    }

    /// Returns whether anything is concluded from differences.
    pub fn concludes(&self) -> bool {
        self.conclusion.as_ref().is_none_or(Conclusion::stands)
    }

    /// Returns whether a variant is at the value that all variants share of the setting that was
    /// tuned; true if none was.
    pub fn is_shared(&self, arm: &Arm) -> bool {
        self.is_shared_name(&arm.variant.name)
    }

    /// Does what [`Study::is_shared`] does, for the variant of this name.
    pub(crate) fn is_shared_name(&self, name: &str) -> bool {
        let tuned = self.tuned_setting.as_ref();
        tuned.is_none_or(|tuned| name.ends_with(&format!(" {}", tuned.shared)))
    }

    /// Returns the name of a variant, without the value that all variants share.
    pub fn shared_name<'a>(&self, name: &'a str) -> &'a str {
        let shared = self.tuned_setting.as_ref().map(|tuned| &tuned.shared);
        let short = shared.and_then(|shared| name.strip_suffix(shared.as_str()));
        short.map_or(name, str::trim_end)
    }

    /// Calls every variant by what `current` makes of its name; a name of which it makes nothing
    /// stays.
    pub fn rename(&mut self, current: impl Fn(&str) -> Option<String>) {
        let rename = |name: &mut String| *name = current(name).unwrap_or_else(|| name.clone());
        for arm in &mut self.arms {
            rename(&mut arm.variant.name);
            if let Some(row) = &mut arm.row {
                rename(&mut row.variant);
            }
        }
        if let Some(conclusion) = &mut self.conclusion {
            let variants = conclusion.variants.iter_mut().map(|v| &mut v.variant);
            let baselines = conclusion.baselines.iter_mut().map(|b| &mut b.variant);
            variants.chain(baselines).for_each(rename);
        }
        for row in &mut self.tuned {
            rename(&mut row.variant);
            rename(&mut row.best);
        }
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
    let results = read_results(folder)?;
    let mut arms = Vec::new();
    for variant in &grid.variants {
        let cells = grid
            .cells
            .iter()
            .filter(|cell| cell.variant == variant.name);
        let runs: Result<Vec<Option<RecordedRun>>, FileError> =
            cells.map(|cell| run_of(folder, cell)).collect();
        let mut rows = results.iter().flat_map(|results| &results.rows);
        arms.push(Arm {
            variant: variant.clone(),
            runs: runs?.into_iter().flatten().collect(),
            row: rows
                .find(|row| row.variant == variant.name)
                .cloned()
                .map(|row| Row {
                    // Older versions compared the points of a sweep with the first.
                    difference: row.difference.filter(|_| grid.kind == GridKind::Ablation),
                    ..row
                }),
            concealed: false,
        });
    }
    let conclusion = results
        .as_ref()
        .and_then(|results| conclusion(&grid, results, &arms));
    Ok(Study {
        kind: match grid.kind {
            GridKind::Ablation => StudyKind::Ablation,
            GridKind::Sweep => StudyKind::Sweep,
            GridKind::Published => StudyKind::Published,
        },
        name: name_of(folder),
        program: grid.program,
        command: grid.command,
        data: grid.data,
        steps: grid.steps,
        seeds: grid.seeds,
        tuned_setting: grid.tuned,
        skill: results.as_ref().and_then(|r| r.skill),
        tuned: results.as_ref().map_or_else(Vec::new, |r| r.tuned.clone()),
        published: results
            .as_ref()
            .map_or_else(Vec::new, |r| r.published.clone()),
        floors: results.map(|r| r.floors),
        conclusion,
        arms,
    })
}

/// Returns the conclusion of an ablation: the recorded one, or one drawn now if the grid's version
/// drew none.
fn conclusion(grid: &Grid, results: &Results, arms: &[Arm]) -> Option<Conclusion> {
    match grid.kind {
        GridKind::Ablation => {}
        GridKind::Sweep | GridKind::Published => return None,
    }
    if results.conclusion.is_some() {
        return results.conclusion.clone();
    }
    let curve = |variant: &Variant| {
        let arm = arms.iter().find(|arm| arm.variant.name == variant.name);
        let run = arm.and_then(|arm| arm.runs.first());
        run.map_or_else(Vec::new, RecordedRun::validation)
    };
    let curves: Vec<Vec<(u64, f64)>> = grid.baselines().map(curve).collect();
    let run = arms.first().and_then(|arm| arm.runs.first());
    Some(Conclusion::of(
        grid,
        &Evidence {
            rows: &results.rows,
            floors: &results.floors,
            skill: results.skill,
            curves: &curves,
            tokens_per_step: run.and_then(RecordedRun::tokens_per_step),
            least_difference: None,
        },
    ))
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
        skill: None,
        conclusion: None,
        tuned_setting: None,
        tuned: Vec::new(),
        published: Vec::new(),
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
        expected: None,
        published: None,
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
        concealed: false,
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
