//! Runs the missing cells of a grid, several of them concurrently.
//!
//! The results do not depend on the number of concurrent runs. When fewer runs remain than may run
//! concurrently, each of them gets more threads.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, ScopedJoinHandle},
};

use gptlab_data::{CorpusCache, CorpusSource, Text};
use gptlab_engine::{Backend, BackendOptions, Device};
use gptlab_record::{
    Cell, CellOutcome, Event, Experiment, FileError, Floors, Grid, GridKind, PublishedQuantity,
    Results, Store, disk, read_events, read_grid, write_grid, write_results,
};
use gptlab_train::{Error, Resolved, Settings};

use super::{
    Planned, cell,
    observer::{CellReporter, GridObserver},
    results::{GridFacts, results},
    same_plan::check_same_plan,
};
use crate::{baselines, ngram, statistics};

/// The resources that a grid may use.
#[derive(Clone, Debug)]
pub struct Machine {
    /// The number of threads that all runs share.
    pub threads: usize,
    /// The number of concurrent runs. At least one runs.
    pub jobs: usize,
    pub backend: Arc<dyn Backend>,
}

/// The way in which a call of [`run`] ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Finished(Box<Results>),
    /// The observer stopped the grid after `finished` of its runs had ended.
    Stopped {
        finished: usize,
    },
}

/// The order of the longest n-grams among the baselines.
const ORDERS: usize = 6;
/// The number of batches whose tokens are counted.
const COUNTED_BATCHES: u32 = 8;

/// Runs every cell of `planned` that has not ended in `folder`, and writes the results there. A
/// grid in `folder` that differs only in having fewer seeds is given those that it lacks.
///
/// ```
/// use std::sync::Arc;
///
/// use gptlab_data::Text;
/// use gptlab_engine::cpu::CpuBackend;
/// use gptlab_lab::grid::{self, Ending, GridObserver, Machine, Point};
/// use gptlab_lab::switches::Switch;
/// use gptlab_model::Preset;
/// use gptlab_recipe::TextOrigin;
/// use gptlab_train::Settings;
///
/// struct Silent;
/// impl GridObserver for Silent {}
///
/// let names = "emma\nolivia\nava\nisabella\nsophia\nmia\n".repeat(9);
/// let text = Text::from_bytes(names.into_bytes(), TextOrigin::Other("six names".into()))?;
/// let mut settings = Settings::of(Preset::Microgpt, Some(2));
/// settings.val_fraction = 0.2;
/// let point = Point { name: String::new(), settings, values: Vec::new() };
/// let switches = [Switch::find("no residual")?];
/// let (planned, _) = grid::ablation(&[point], &switches, &[0, 1], &text, &[])?;
///
/// let folder = tempfile::tempdir()?;
/// let backend = Arc::new(CpuBackend::default());
/// let machine = Machine { threads: 1, jobs: 1, backend };
/// let ending = grid::run(folder.path(), &planned, &text, machine, &Silent)?;
/// let Ending::Finished(results) = ending else { return Err("it was stopped".into()) };
/// assert_eq!(results.rows.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Returns an error if `folder` holds another grid, or if something cannot be read, trained or
/// written. The runs in progress are saved first.
pub fn run(
    folder: &Path,
    planned: &Planned,
    text: &Text,
    machine: Machine,
    observer: &dyn GridObserver,
) -> Result<Ending, Error> {
    begin(folder, &planned.grid, observer)?;
    let jobs = machine.jobs.clamp(1, planned.cells.len().max(1));
    let corpora = CorpusCache::new(text);
    let queue = Queue {
        folder,
        planned,
        corpora: &corpora,
        machine,
        observer,
        next: Mutex::new(0),
        failed: AtomicBool::new(false),
        workers: AtomicUsize::new(jobs),
    };
    queue.run()?;
    let outcomes = queue.outcomes()?;
    let finished = outcomes.iter().flatten().count();
    let found = results(&planned.grid, &outcomes, facts(folder, planned, &corpora)?);
    write_results(folder, &found)?;
    Ok(if finished == planned.cells.len() {
        Ending::Finished(Box::new(found))
    } else {
        Ending::Stopped { finished }
    })
}

/// Writes the plan, or compares it with the plan that `folder` already holds, which may have fewer
/// seeds.
fn begin(folder: &Path, grid: &Grid, observer: &dyn GridObserver) -> Result<(), Error> {
    disk::make_folders(folder).map_err(FileError::io("make", folder))?;
    let Some(found) = read_grid(folder)? else {
        return Ok(write_grid(folder, grid)?);
    };
    check_same_plan(folder, &found, grid)?;
    let (had, has) = (found.seeds.len(), grid.seeds.len());
    if had < has {
        observer.more_seeds(had, has);
        return Ok(write_grid(folder, grid)?);
    }
    // A published value that was corrected changes no run.
    let claims = |grid: &Grid| -> Vec<_> {
        let variants = grid.variants.iter();
        variants
            .map(|v| (v.published.clone(), v.source.clone(), v.purpose.clone()))
            .collect()
    };
    match grid.kind {
        GridKind::Published if claims(&found) != claims(grid) => Ok(write_grid(folder, grid)?),
        GridKind::Published | GridKind::Ablation | GridKind::Sweep => Ok(()),
    }
}

/// Measures what the losses are compared with, over all predictions of the validation split, as the
/// outcomes are measured.
fn facts(folder: &Path, planned: &Planned, corpora: &CorpusCache<'_>) -> Result<GridFacts, Error> {
    let (text, grid) = (corpora.text(), &planned.grid);
    let resolved = Resolved::fresh(&planned.cells[0], corpora)?;
    let batches = &resolved.batches;
    // A text that is too short has no validation split, and thus no n-gram baselines on it.
    let floors = ngram::baselines(text, batches, u64::MAX, ORDERS).unwrap_or_else(|_| Floors {
        uniform: ngram::uniform(batches.corpus().tokenizer().vocab_size()),
        ..Floors::default()
    });
    let curves = grid.baselines().map(|base| curve(folder, grid, &base.name));
    Ok(GridFacts {
        floors,
        skill: baselines::skill_baselines(text, batches, ORDERS),
        curves: curves.collect::<Result<_, _>>()?,
        tokens_per_step: tokens_per_step(&resolved)?,
        published_baselines: published_baselines(planned, corpora)?,
    })
}

/// Measures the n-gram baselines of published results, on the predictions of their own models.
fn published_baselines(
    planned: &Planned,
    corpora: &CorpusCache<'_>,
) -> Result<Vec<(String, f64)>, Error> {
    let mut found = Vec::new();
    for variant in &planned.grid.variants {
        let Some(PublishedQuantity::NgramBaseline(order)) =
            variant.published.as_ref().map(|claim| claim.quantity)
        else {
            continue;
        };
        let cells = planned.grid.cells.iter().zip(&planned.cells);
        let mut own = cells.filter(|(cell, _)| cell.variant == variant.name);
        if let Some((_, settings)) = own.next() {
            let resolved = Resolved::fresh(settings, corpora)?;
            // A text that is too short has no validation split, and thus no n-gram baseline on it.
            let ladder = ngram::ladder(&resolved.batches, u64::MAX, order).unwrap_or_default();
            found.extend(ladder.last().map(|loss| (variant.name.clone(), *loss)));
        }
    }
    Ok(found)
}

/// Returns the mean length of the first batches, in tokens, since documents differ in length.
fn tokens_per_step(resolved: &Resolved) -> Result<Option<f64>, Error> {
    let mut tokens = 0;
    for step in 0..COUNTED_BATCHES {
        tokens += resolved.batches.train(&resolved.model, step)?.tokens();
    }
    Ok(Some(tokens as f64 / f64::from(COUNTED_BATCHES)))
}

/// Returns the mean validation loss of a variant's seeds at each logged step.
fn curve(folder: &Path, grid: &Grid, variant: &str) -> Result<Vec<(u64, f64)>, FileError> {
    let mut by_step: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for cell in grid.cells.iter().filter(|cell| cell.variant == variant) {
        let folder = folder.join(&cell.folder);
        if !Store::exists(&folder) {
            continue;
        }
        let events = read_events(&folder)?;
        for record in events.iter().filter_map(Event::as_step) {
            let losses = by_step.entry(record.step).or_default();
            losses.extend(record.val_loss.filter(|loss| loss.is_finite()));
        }
    }
    let mean = |(step, losses): (u64, Vec<f64>)| Some((step, statistics::mean(&losses)?));
    Ok(by_step.into_iter().filter_map(mean).collect())
}

struct Queue<'a> {
    folder: &'a Path,
    planned: &'a Planned,
    /// The tokenised text, which all runs share.
    corpora: &'a CorpusCache<'a>,
    machine: Machine,
    observer: &'a dyn GridObserver,
    next: Mutex<usize>,
    /// Whether a run has failed, in which case the others save and stop.
    failed: AtomicBool,
    /// The number of concurrent workers.
    workers: AtomicUsize,
}

/// A worker with its own thread.
type QueueWorker<'scope> = ScopedJoinHandle<'scope, Result<(), Error>>;

impl Queue<'_> {
    /// Works on this thread, and on one more for each further worker. If the system starts fewer
    /// threads, the observer is notified, and each of them gets a larger share of the machine's
    /// threads.
    fn run(&self) -> Result<(), Error> {
        let requested = self.workers.load(Ordering::Relaxed);
        thread::scope(|scope| {
            let start = |_| {
                let thread = thread::Builder::new().spawn_scoped(scope, || self.work());
                thread.ok()
            };
            let others: Vec<QueueWorker<'_>> = (1..requested).map_while(start).collect();
            let found = 1 + others.len();
            if found < requested {
                self.workers.store(found, Ordering::Relaxed);
                self.observer.fewer_at_once(found, requested);
            }
            let mine = self.work();
            let join = |worker: QueueWorker<'_>| {
                let ended = worker.join();
                ended.unwrap_or_else(|e| std::panic::resume_unwind(e))
            };
            let theirs: Vec<_> = others.into_iter().map(join).collect();
            std::iter::once(mine).chain(theirs).collect()
        })
    }

    /// Runs cells until none is left or the grid should stop.
    fn work(&self) -> Result<(), Error> {
        while let Some((at, left)) = self.take() {
            let workers = self.workers.load(Ordering::Relaxed);
            let threads = self.machine.threads / workers.min(left).max(1);
            let (cell, settings) = (&self.planned.grid.cells[at], &self.planned.cells[at]);
            match self.cell(cell, settings, threads.max(1)) {
                Ok(Some(outcome)) => self.observer.finished(cell, &outcome),
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.failed.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Takes the next cell, and returns its index and the number of cells left, including itself.
    fn take(&self) -> Option<(usize, usize)> {
        if self.should_stop() {
            return None;
        }
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = *next;
        let all = self.planned.cells.len();
        *next = (at + 1).min(all);
        (at < all).then_some((at, all - at))
    }

    fn cell(
        &self,
        cell: &Cell,
        settings: &Settings,
        threads: usize,
    ) -> Result<Option<CellOutcome>, Error> {
        let device = Device {
            backend: Arc::clone(&self.machine.backend),
            options: BackendOptions {
                threads,
                precision: settings.hyper.precision,
            },
        };
        let keep = cell.seed == self.planned.grid.seeds[0];
        let place = cell::RunLocation {
            folder: self.folder.join(&cell.folder),
            keep,
            experiment: self.experiment(cell),
        };
        cell::run(
            &place,
            settings,
            self.corpora,
            &device,
            CellReporter {
                observer: self.observer,
                cell,
                failed: &self.failed,
            },
        )
    }

    /// Returns the experiment that the run of `cell` must have.
    fn experiment(&self, cell: &Cell) -> Option<Experiment> {
        let mut variants = self.planned.grid.variants.iter();
        let variant = variants.find(|variant| variant.name == cell.variant)?;
        let experiment = variant.experiment.clone()?;
        Some(Experiment {
            seed: cell.seed,
            ..experiment
        })
    }

    fn outcomes(&self) -> Result<Vec<Option<CellOutcome>>, Error> {
        let of = |cell: &Cell| {
            Ok(gptlab_record::read_outcome(
                &self.folder.join(&cell.folder),
            )?)
        };
        self.planned.grid.cells.iter().map(of).collect()
    }

    fn should_stop(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.observer.should_stop()
    }
}
