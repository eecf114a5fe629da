//! Runs what is missing of a grid, several runs side by side.
//!
//! Numbers do not depend on how many. Where fewer runs are left than may run side by side, each takes more threads.

use std::{
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use gptlab_data::Text;
use gptlab_engine::cpu::{Isa, Options, Precision};
use gptlab_record::{
    Cell, CellOutcome, Experiment, FileError, Floors, Grid, Results, read_grid, write_grid,
    write_results,
};
use gptlab_train::{Error, Progress, Resolved, Settings, same_settings};

use super::{Planned, cell, results};
use crate::ngram;

/// What a grid may use.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    pub threads: usize,
    /// How many runs side by side, which share the threads; at least one.
    pub jobs: usize,
    pub isa: Isa,
}

/// Who follows a grid, from several threads.
pub trait Watcher: Sync {
    /// A run begins, or goes on.
    fn begun(&self, _cell: &Cell) {}

    /// A run has made a step.
    fn progress(&self, _cell: &Cell, _progress: &Progress) {}

    /// A run has come to its end, now or before.
    fn finished(&self, _cell: &Cell, _outcome: &CellOutcome) {}

    /// Whether to save and stop.
    fn should_stop(&self) -> bool {
        false
    }
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    Finished(Results),
    /// The watcher asked for it, with so many runs at their ends.
    Stopped {
        finished: usize,
    },
}

/// The longest n-grams of the floors.
const ORDERS: usize = 6;

/// Runs every cell of `planned` that has not come to its end in `folder`, and writes the results.
///
/// # Errors
/// When `folder` holds another grid, or something cannot be read, trained or written; runs that were under way
/// are saved.
pub fn run(
    folder: &Path,
    planned: &Planned,
    text: &Text,
    machine: Machine,
    watcher: &dyn Watcher,
) -> Result<Ending, Error> {
    begin(folder, &planned.grid)?;
    let queue = Queue {
        folder,
        planned,
        text,
        machine,
        watcher,
        next: Mutex::new(0),
        broken: AtomicBool::new(false),
    };
    let workers = machine.jobs.clamp(1, planned.cells.len().max(1));
    let ended: Result<Vec<()>, Error> = thread::scope(|scope| {
        let hands: Vec<_> = (0..workers)
            .map(|_| scope.spawn(|| queue.work(workers)))
            .collect();
        let join = |hand: thread::ScopedJoinHandle<'_, _>| {
            hand.join().unwrap_or_else(|e| std::panic::resume_unwind(e))
        };
        hands.into_iter().map(join).collect()
    });
    ended?;
    let outcomes = queue.outcomes()?;
    let finished = outcomes.iter().flatten().count();
    let found = results(&planned.grid, &outcomes, floors(planned, text)?);
    write_results(folder, &found)?;
    Ok(if finished == planned.cells.len() {
        Ending::Finished(found)
    } else {
        Ending::Stopped { finished }
    })
}

/// Writes the plan down, or finds it again.
fn begin(folder: &Path, grid: &Grid) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(FileError::io("make", folder))?;
    let Some(found) = read_grid(folder)? else {
        return Ok(write_grid(folder, grid)?);
    };
    same_plan(folder, &found, grid)?;
    Ok(())
}

/// Refuses the grid `found` in `folder` where it is not `asked`, however that was typed.
fn same_plan(folder: &Path, found: &Grid, asked: &Grid) -> Result<(), FileError> {
    let variants = |grid: &Grid| -> Vec<_> {
        let variants = grid.variants.iter();
        variants
            .map(|v| (v.name.clone(), v.settings.clone()))
            .collect()
    };
    let shape = |grid: &Grid| (grid.kind, grid.seeds.clone(), grid.cells.clone());
    if shape(found) != shape(asked) || variants(found) != variants(asked) {
        let expected = "the same grid, to go on with";
        let words = "another one; give a folder of its own with --out";
        return Err(FileError::wrong(folder, expected, words));
    }
    for (found, asked) in found.variants.iter().zip(&asked.variants) {
        if let (Some(found), Some(asked)) = (&found.experiment, &asked.experiment) {
            same_settings(folder, found, asked)?;
        }
    }
    Ok(())
}

/// Over all predictions of the validation split, as the outcomes are.
fn floors(planned: &Planned, text: &Text) -> Result<Floors, Error> {
    let batches = Resolved::fresh(&planned.cells[0], text)?.batches;
    // A text that is too short has no validation split, and no floors on it.
    Ok(
        ngram::floors(text, &batches, u64::MAX, ORDERS).unwrap_or_else(|_| Floors {
            uniform: ngram::uniform(batches.corpus().tokenizer().vocab_size()),
            ..Floors::default()
        }),
    )
}

struct Queue<'a> {
    folder: &'a Path,
    planned: &'a Planned,
    text: &'a Text,
    machine: Machine,
    watcher: &'a dyn Watcher,
    next: Mutex<usize>,
    /// Something went wrong: the others save and stop.
    broken: AtomicBool,
}

impl Queue<'_> {
    /// One worker of `workers`.
    fn work(&self, workers: usize) -> Result<(), Error> {
        while let Some((at, left)) = self.take() {
            let threads = self.machine.threads / workers.min(left).max(1);
            let (cell, settings) = (&self.planned.grid.cells[at], &self.planned.cells[at]);
            match self.cell(cell, settings, threads.max(1)) {
                Ok(Some(outcome)) => self.watcher.finished(cell, &outcome),
                Ok(None) => return Ok(()),
                Err(error) => {
                    self.broken.store(true, Ordering::Relaxed);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// The next cell, and how many are left with it.
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
        let options = Options {
            threads,
            isa: self.machine.isa,
            precision: match settings.hyper.precision {
                gptlab_record::Precision::F32 => Precision::F32,
                gptlab_record::Precision::Bf16 => Precision::Bf16,
            },
        };
        let keep = cell.seed == self.planned.grid.seeds[0];
        let place = cell::Place {
            folder: self.folder.join(&cell.folder),
            keep,
            experiment: self.experiment(cell),
        };
        cell::run(
            &place,
            settings,
            self.text,
            options,
            &Follower { queue: self, cell },
        )
    }

    /// What the run of `cell` has to be.
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
        self.broken.load(Ordering::Relaxed) || self.watcher.should_stop()
    }
}

/// The watcher of one cell.
pub(super) struct Follower<'a> {
    queue: &'a Queue<'a>,
    cell: &'a Cell,
}

impl Follower<'_> {
    pub(super) fn begun(&self) {
        self.queue.watcher.begun(self.cell);
    }

    pub(super) fn progress(&self, progress: &Progress) {
        self.queue.watcher.progress(self.cell, progress);
    }

    pub(super) fn should_stop(&self) -> bool {
        self.queue.should_stop()
    }
}
