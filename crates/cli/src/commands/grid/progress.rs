//! Shows the progress of a grid: a line for each run that ends, and a bar of steps.

use std::sync::{Mutex, PoisonError};

use gptlab_lab::grid::{GridObserver, Planned};
use gptlab_record::{Cell, CellOutcome};
use gptlab_report::words::plural;
use gptlab_train::Progress;

use crate::{interrupt::Interrupt, printer::Printer, progress::Bar};

pub(in crate::commands) struct GridProgress {
    interrupt: Interrupt,
    printer: Printer,
    bar: Bar,
    /// The number of steps of each cell.
    steps: Vec<u64>,
    cells: Vec<Cell>,
    under_way: Mutex<UnderWay>,
}

struct UnderWay {
    /// The number of steps that each cell has made.
    done: Vec<u64>,
    ended: usize,
}

impl GridProgress {
    pub(in crate::commands) fn new(
        planned: &Planned,
        interrupt: Interrupt,
        printer: Printer,
    ) -> Self {
        let cells = planned.grid.cells.clone();
        let steps = planned.cells.iter().map(|cell| cell.hyper.steps);
        let steps: Vec<u64> = steps.collect();
        Self {
            bar: Bar::new(printer, 0, steps.iter().sum()),
            under_way: Mutex::new(UnderWay {
                done: vec![0; cells.len()],
                ended: 0,
            }),
            interrupt,
            printer,
            steps,
            cells,
        }
    }

    pub(in crate::commands) fn close(&self) {
        self.bar.close();
    }

    /// Records that `cell` has made `done` steps, or all of them if it has ended; returns the sum
    /// over all runs.
    fn made(&self, cell: &Cell, done: u64, ended: bool) -> (u64, usize) {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = self.cells.iter().position(|c| c == cell) {
            under_way.done[at] = if ended { self.steps[at] } else { done };
        }
        under_way.ended += usize::from(ended);
        (under_way.done.iter().sum(), under_way.ended)
    }
}

impl GridObserver for GridProgress {
    fn progress(&self, cell: &Cell, progress: &Progress) {
        let (made, _) = self.made(cell, progress.done, false);
        let rate = progress.tokens as f64 / progress.step_seconds.max(1e-9);
        self.bar.set(made, progress.loss, rate);
    }

    fn finished(&self, cell: &Cell, outcome: &CellOutcome) {
        let (_, ended) = self.made(cell, 0, true);
        let all = self.cells.len();
        let how = match (outcome.diverged_at, outcome.val_loss) {
            (Some(step), _) => format!("diverged at step {step}"),
            (None, Some(loss)) => format!("validation loss {loss:.4}"),
            (None, None) => "done".to_owned(),
        };
        self.bar.aside(|| {
            self.printer.say(format_args!(
                "{ended:>4} of {all}  {}, seed {}: {how}",
                cell.variant, cell.seed
            ));
        });
    }

    fn fewer_at_once(&self, found: usize, requested: usize) {
        self.bar.aside(|| {
            self.printer.warn(format_args!(
                "the system gives threads for {found} of {requested} runs side by side; this takes longer and changes no \
                 number"
            ));
        });
    }

    fn more_seeds(&self, had: usize, has: usize) {
        self.bar.aside(|| {
            self.printer.say(format_args!(
                "this grid had {} and now has {has}; its intervals assume that the number of seeds does not depend on \
                 results",
                plural(had, "seed")
            ));
        });
    }

    fn should_stop(&self) -> bool {
        self.interrupt.is_set()
    }
}
