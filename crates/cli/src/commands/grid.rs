//! Code that `ablate` and `sweep` share: from flags to a grid, its progress, and its table.

mod progress;

use std::{
    env,
    path::{Path, PathBuf},
    time::Instant,
};

use gptlab_data::Text;
use gptlab_engine::cpu::{Isa, Kind};
use gptlab_lab::grid::{self, Ending, GridAxis, GridRecipe, Machine, Planned};
use gptlab_recipe::{Precision, Settings};
use gptlab_record::{Results, read_grid};
use gptlab_report::words::{display_width, duration_in_two_units, padded, plural};
use gptlab_report::{
    Arm, Study,
    page::{self, Signature},
};

pub(super) use self::progress::GridProgress;
use super::train::folder;
use crate::{
    args::{BaseArgs, MachineArgs},
    engines::{self, Recorded},
    exit::{CommandResult, ExitCode, Stop},
    interrupt::Interrupt,
    memory,
    printer::Printer,
};

/// The number of characters of a line that hold a variant's name.
const NAME: usize = 22;

impl BaseArgs {
    /// Returns the baseline on `text`: a preset, `recipe`, and the typed settings.
    pub(super) fn settings(&self, recipe: GridRecipe, text: &Text) -> CommandResult<Settings> {
        self.on_machine(recipe.base(&self.settings.overrides, text)?)
    }

    /// Returns `base` with the engine and the instructions of this machine.
    pub(super) fn on_machine(&self, base: Settings) -> CommandResult<Settings> {
        let machine = self.machine_args();
        let Recorded { engine, isa } = Recorded::typed(&machine, engines::isa(&machine)?);
        Ok(Settings {
            engine,
            isa,
            ..base
        })
    }

    /// Returns the machine's flags. A resumed grid keeps its instructions unless others are typed.
    fn machine_args(&self) -> MachineArgs {
        let isa = self.machine.isa.or_else(|| {
            let grid = read_grid(self.run.out.as_deref()?).ok()??;
            let recorded = grid.variants.first()?.experiment.as_ref()?.isa.clone()?;
            let same = Kind::from_name(&recorded)?;
            Isa::try_new(same).map(Isa::kind)
        });
        MachineArgs {
            isa,
            ..self.machine.clone()
        }
    }

    /// The seeds that were typed, or else `usual` ones.
    pub(super) fn seeds(&self, usual: u64) -> CommandResult<Vec<u64>> {
        let first = self.settings.overrides.seed.unwrap_or(0);
        Ok(grid::seeds(first, self.run.seeds.unwrap_or(usual))?)
    }

    pub(super) fn machine(&self, printer: Printer) -> CommandResult<Machine> {
        let machine = self.machine_args();
        let threads = engines::threads(&machine)?;
        // Runs of a grid use the precision of their own settings; the backend is all they share.
        let device =
            engines::device_of(&machine, engines::isa(&machine)?, Precision::F32, printer)?;
        let most_jobs = if device.backend.name() == engines::NAME {
            threads
        } else {
            // A device that is shared makes no run faster.
            1
        };
        let jobs = match self.run.jobs {
            Some(0) => return Err(Stop::usage("--jobs must be at least 1, found 0")),
            Some(jobs) => jobs.min(threads),
            None => most_jobs,
        };
        Ok(Machine {
            threads,
            jobs,
            backend: device.backend,
        })
    }
}

/// Returns the axes that were typed with `--grid`.
pub(super) fn axes(typed: &[String]) -> CommandResult<Vec<GridAxis>> {
    let axes = typed.iter().map(|axis| GridAxis::parse(axis));
    Ok(axes.collect::<Result<_, _>>()?)
}

/// Returns the typed words, without the program's path.
pub(super) fn command_line() -> Vec<String> {
    let words = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    std::iter::once("gptlab".to_owned()).chain(words).collect()
}

/// Checks, before anything is said or trained, that `planned` has losses to compare, and that the
/// folder that was typed does not hold another grid.
pub(super) fn check(planned: &Planned, base: &BaseArgs) -> CommandResult<()> {
    planned.check_validation()?;
    if let Some(out) = &base.run.out {
        planned.check_folder(out)?;
    }
    Ok(())
}

/// Runs the missing runs of `planned`, and prints the results.
pub(super) fn go(
    planned: &Planned,
    text: &Text,
    base: &BaseArgs,
    printer: Printer,
) -> CommandResult {
    let printer = printer.for_work();
    let machine = base.machine(printer)?;
    let machine = Machine {
        jobs: memory::jobs_that_fit(planned, text, &machine, printer)?,
        ..machine
    };
    let out: PathBuf = match &base.run.out {
        Some(out) => out.clone(),
        None => folder::make(text.origin(), &base.settings.overrides)?,
    };
    // This is refused before the runs start, not after they end.
    let report = out.join("report");
    let report = super::report::place(&report, &[Signature::page(page::PAGE)], "--out DIR")?;
    let grid = &planned.grid;
    let mut cells = planned.cells.iter();
    let alike = cells.all(|cell| cell.hyper.steps == grid.steps);
    printer.say(format_args!(
        "{} of {}{}: {}, {}; in {}",
        plural(planned.cells.len(), "run"),
        if alike { "" } else { "at most " },
        plural(grid.steps as usize, "step"),
        plural(grid.variants.len(), "variant"),
        plural(grid.seeds.len(), "seed"),
        out.display()
    ));
    let saying = "stopping after these steps, then saving; Ctrl-C again ends at once";
    let interrupt = Interrupt::of_work(printer, saying);
    say_estimate(&out, planned, text, &machine, printer)?;
    let progress = GridProgress::new(planned, interrupt, printer);
    let begun = Instant::now();
    let ending = grid::run(&out, planned, text, machine, &progress)?;
    progress.close();
    let took = duration_in_two_units(begun.elapsed().as_secs_f64());
    match ending {
        Ending::Stopped { finished } => {
            let all = planned.cells.len();
            printer.say(format_args!(
                "stopped with {finished} of {} at their ends",
                plural(all, "run")
            ));
            printer.hint(format_args!(
                "the same command with --out {} continues it",
                out.display()
            ));
            Ok(ExitCode::Interrupted)
        }
        Ending::Finished(results) => {
            let study = Study::read(&out)?;
            let extras = super::report::extras(&study, &out, None)?;
            report.write(&page::files(&study, &extras))?;
            if base.json.json {
                printer.json(&results);
            } else {
                printer.text(super::report::terminal_text(&study, printer.columns()));
                printer.line("");
                for (name, sample) in samples(&study, &results, printer.columns()) {
                    printer.exact_line(format_args!("{} {sample}", padded(name, NAME)));
                }
            }
            printer.say(format_args!("done in {took}"));
            printer.hint(format_args!(
                "open {}",
                out.join("report").join(page::PAGE).display()
            ));
            Ok(ExitCode::Success)
        }
    }
}

/// Reports how long the missing runs will take at the speed of the first steps.
fn say_estimate(
    out: &Path,
    planned: &Planned,
    text: &Text,
    machine: &Machine,
    printer: Printer,
) -> CommandResult<()> {
    if let Some(estimate) = grid::estimate(out, planned, text, machine)? {
        printer.say(format_args!(
            "about {} for {}, by the speed of the first steps",
            duration_in_two_units(estimate.seconds),
            plural(estimate.runs, "run"),
        ));
    }
    Ok(())
}

/// Returns the beginning of what each variant's first seed wrote, at the shared value of a setting
/// that is tuned, on lines of `width` characters.
fn samples<'a>(study: &'a Study, results: &'a Results, width: usize) -> Vec<(&'a str, String)> {
    let shared = study.arms.iter().filter(|arm| study.is_shared(arm));
    let of = |arm: &'a Arm| {
        let mut rows = results.rows.iter();
        let row = rows.find(|row| row.variant == arm.variant.name)?;
        let name = study.shared_name(&row.variant);
        let sample = row.outcomes.first()?.sample.as_ref()?;
        // A name, a space and two quotes share the line.
        let taken = display_width(name).max(NAME) + 3;
        Some((name, quoted(sample, width.saturating_sub(taken))))
    };
    shared.filter_map(of).collect()
}

/// Returns the beginning of `text`, in quotes between which `most` characters fit.
fn quoted(text: &str, most: usize) -> String {
    let mut kept = String::new();
    for c in text.chars() {
        let shown = match c {
            '\'' | '"' => c.to_string(),
            _ => c.escape_debug().to_string(),
        };
        if display_width(&kept) + display_width(&shown) > most {
            break;
        }
        kept += &shown;
    }
    format!("\"{kept}\"")
}
