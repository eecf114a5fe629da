//! What `ablate` and `sweep` share: flags to a grid, a grid under way, its table.

mod follow;

use std::{env, num::NonZeroU64, path::PathBuf, time::Instant};

use gptlab_data::Text;
use gptlab_engine::cpu::{Isa, Kind};
use gptlab_lab::grid::{self, Ending, Machine, Planned, Point};
use gptlab_model::Preset;
use gptlab_recipe::{ObserveLevel, WarmupStart};
use gptlab_record::{Results, Row, read_grid};
use gptlab_report::words::duration_in_two_units;
use gptlab_report::{
    Study,
    page::{self, Signature},
};
use gptlab_train::Settings;

use self::follow::Follow;
use super::train::folder;
use crate::{
    args::{self, BaseArgs, Command, MachineArgs, ModelArgs, Refusal, RunArgs, TrainArgs},
    engines,
    exit::{ExitCode, Outcome, Stop},
    interrupt::Interrupt,
    memory,
    printer::Printer,
    settings,
};

/// Characters of a sample that a line has room for.
const SAMPLE: usize = 72;
/// At most about so many tokens are evaluated at a log.
const VAL_TOKENS: u64 = 1 << 15;
/// How many times a run logs.
const LOGS: u64 = 20;
/// How many times a run is saved on its way: what a kill costs at most.
const SAVES: u64 = 4;
const MOST_SEEDS: u64 = 1000;

/// Where a grid's runs begin, before flags.
#[derive(Clone, Copy)]
pub(super) enum Recipe {
    /// The preset's own, for so many steps.
    Own { steps: u64 },
    /// What learns most in a quarter of a minute: short contexts, many of them, at a high rate
    /// (LOG.md, "a grid's recipe").
    Quick,
}

impl Recipe {
    fn steps(self) -> u64 {
        match self {
            Self::Own { steps } => steps,
            Self::Quick => 400,
        }
    }

    fn over(self, settings: &mut Settings) {
        match self {
            Self::Own { .. } => {}
            Self::Quick => {
                settings.spec.block_size = 64;
                settings.hyper.batch_size = 32;
                settings.hyper.lr = 3e-3;
                settings.hyper.warmup_start = WarmupStart::FirstStep;
            }
        }
    }
}

impl BaseArgs {
    /// The baseline: a preset, `recipe`, and what was typed.
    pub(super) fn settings(&self, preset: Preset, recipe: Recipe) -> Outcome<Settings> {
        let steps = self.run.steps.unwrap_or(recipe.steps());
        let preset = self.model.preset.unwrap_or(preset);
        let mut base = settings::begun(preset, Some(steps), &self.data)?;
        recipe.over(&mut base);
        base.intervals.val_tokens = VAL_TOKENS;
        base.intervals.log = NonZeroU64::new(steps / LOGS).unwrap_or(NonZeroU64::MIN);
        base.intervals.sample = NonZeroU64::new(steps / 2);
        base.intervals.checkpoint = NonZeroU64::new(steps / SAVES);
        base.observe = ObserveLevel::Full;
        self.over(base)
    }

    /// `base` with what was typed.
    pub(super) fn over(&self, base: Settings) -> Outcome<Settings> {
        settings::over(base, &self.train_args())
    }

    /// The same as flags of `train`.
    fn train_args(&self) -> TrainArgs {
        TrainArgs {
            data: self.data.clone(),
            run: RunArgs {
                steps: self.run.steps,
                batch_size: self.run.batch_size,
                seed: self.run.seed,
                log_interval: self.run.log_interval,
                val_tokens: self.run.val_tokens,
                precision: self.run.precision,
                observe: self.run.observe,
                ..RunArgs::default()
            },
            optim: self.optim.clone(),
            // The preset is where `settings` began; typed again it would undo the recipe.
            model: ModelArgs {
                preset: None,
                ..self.model.clone()
            },
            machine: self.machine_args(),
            ..TrainArgs::default()
        }
    }

    /// The machine's flags. A grid that is gone on with keeps its instructions where nobody types
    /// others.
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

    pub(super) fn seeds(&self) -> Outcome<Vec<u64>> {
        let (first, count) = (self.run.seed.unwrap_or(0), self.run.seeds.unwrap_or(1));
        if !(1..=MOST_SEEDS).contains(&count) {
            return Err(Stop::usage(format_args!(
                "--seeds must be from 1 to {MOST_SEEDS}, found {count}"
            )));
        }
        match first.checked_add(count - 1) {
            Some(last) => Ok((first..=last).collect()),
            None => Err(Stop::usage(format_args!(
                "--seed must be at most {} with {count} seeds, found {first}",
                u64::MAX - (count - 1)
            ))),
        }
    }

    fn machine(&self) -> Outcome<Machine> {
        let threads = engines::threads(&self.machine)?;
        let jobs = match self.run.jobs {
            Some(0) => return Err(Stop::usage("--jobs must be at least 1, found 0")),
            Some(jobs) => jobs.min(threads),
            None => threads,
        };
        Ok(Machine {
            threads,
            jobs,
            isa: engines::isa(&self.machine_args())?,
        })
    }
}

/// `base` at every combination of the settings of `grid`, each a flag of `train` and its values.
pub(super) fn points(base: &Settings, grid: &[String]) -> Outcome<Vec<Point>> {
    let mut points = vec![Point {
        name: String::new(),
        settings: base.clone(),
        values: Vec::new(),
    }];
    for axis in grid {
        let (flag, values) = axis_of(axis)?;
        let mut crossed = Vec::new();
        for point in &points {
            for value in &values {
                crossed.push(at(point, flag, value)?);
            }
        }
        differ(axis, &crossed)?;
        points = crossed;
    }
    Ok(points)
}

/// `lr=1e-4,3e-4` as a flag and its values.
fn axis_of(typed: &str) -> Outcome<(&str, Vec<&str>)> {
    let bad = || {
        Stop::usage(format_args!(
            "--grid takes a flag of `train` and its values, as in lr=1e-4,3e-4; found {typed:?}"
        ))
    };
    let (flag, values) = typed.split_once('=').ok_or_else(bad)?;
    let values: Vec<&str> = values.split(',').map(str::trim).collect();
    let flag = flag.trim().trim_start_matches('-');
    if flag.is_empty() || values.iter().any(|value| value.is_empty()) {
        return Err(bad());
    }
    Ok((flag, values))
}

/// Two points that are one would be two runs of the same numbers.
fn differ(axis: &str, points: &[Point]) -> Outcome<()> {
    for (i, point) in points.iter().enumerate() {
        if let Some(twin) = points[..i].iter().find(|p| p.settings == point.settings) {
            return Err(Stop::usage(format_args!(
                "--grid {axis}: {} and {} are the same run",
                twin.name, point.name
            )));
        }
    }
    Ok(())
}

/// `point` with `--flag value`, as `train` would take it.
fn at(point: &Point, flag: &str, value: &str) -> Outcome<Point> {
    let words = ["gptlab", "train", &format!("--{flag}"), value].map(Into::into);
    let typed = match args::parse(words) {
        Ok(Command::Train(typed)) => typed,
        Ok(_) | Err(Refusal::Clap(_)) => {
            return Err(Stop::usage(format_args!(
                "--grid {flag}={value}: `gptlab train --{flag} {value}` is refused; \
                 `gptlab train --help` lists the flags and what they take"
            )));
        }
        Err(Refusal::Stop(stop)) => return Err(stop),
    };
    if !is_setting(&typed) {
        return Err(Stop::usage(format_args!(
            "--grid {flag}={value}: {flag} is no setting of a run, and all runs of a grid share it"
        )));
    }
    let settings = settings::over(point.settings.clone(), &typed)?;
    let name = format!("{} {flag}={value}", point.name)
        .trim_start()
        .to_owned();
    let mut values = point.values.clone();
    values.extend(value.parse().ok().map(|x: f64| (flag.to_owned(), x)));
    Ok(Point {
        name,
        settings,
        values,
    })
}

/// Whether the one flag that is typed is a setting that runs of a grid may differ in.
fn is_setting(typed: &TrainArgs) -> bool {
    let run = &typed.run;
    let paths = [&run.load, &run.save, &run.resume, &run.out];
    let switches = [run.generate, run.interactive];
    paths.iter().all(|path| path.is_none())
        && switches.iter().all(Option::is_none)
        && run.keep_checkpoints.is_none()
        && run.micro_batch.is_none()
        && typed.data.data.is_none()
}

/// The words that were typed, without the program's path.
pub(super) fn command_line() -> Vec<String> {
    let words = env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned());
    std::iter::once("gptlab".to_owned()).chain(words).collect()
}

/// Runs what is missing of `planned`, and shows what came out.
pub(super) fn go(planned: &Planned, text: &Text, base: &BaseArgs, printer: Printer) -> Outcome {
    let printer = printer.for_work();
    let machine = base.machine()?;
    let machine = Machine {
        jobs: memory::jobs_that_fit(planned, text, machine, printer)?,
        ..machine
    };
    let out: PathBuf = match &base.run.out {
        Some(out) => out.clone(),
        None => folder::make(text.origin())?,
    };
    // Refused now, and not when all runs are made.
    let report = out.join("report");
    let report = super::report::place(&report, &[Signature::page(page::PAGE)], "--out DIR")?;
    printer.say(format_args!(
        "{} runs of {} steps: {} variants, {} seeds; in {}",
        planned.cells.len(),
        planned.grid.steps,
        planned.grid.variants.len(),
        planned.grid.seeds.len(),
        out.display()
    ));
    let saying = "stopping after these steps, then saving; Ctrl-C again ends at once";
    let follow = Follow::new(planned, Interrupt::of_work(printer, saying), printer);
    let begun = Instant::now();
    let ending = grid::run(&out, planned, text, machine, &follow)?;
    follow.close();
    let took = duration_in_two_units(begun.elapsed().as_secs_f64());
    match ending {
        Ending::Stopped { finished } => {
            let all = planned.cells.len();
            printer.say(format_args!(
                "stopped with {finished} of {all} runs at their ends"
            ));
            printer.hint(format_args!(
                "the same command with --out {} goes on",
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
                printer.text(super::report::told(&study));
                printer.line("");
                for (name, sample) in samples(&results) {
                    printer.line(format_args!("{name:<20} {sample}"));
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

/// The beginning of what each variant's first seed wrote, on one line.
fn samples(results: &Results) -> Vec<(&str, String)> {
    let of = |row: &'_ Row| {
        let sample = row.outcomes.first()?.sample.as_ref()?;
        Some(sample.chars().take(SAMPLE).collect::<String>())
    };
    let rows = results.rows.iter();
    rows.filter_map(|row| Some((row.variant.as_str(), format!("{:?}", of(row)?))))
        .collect()
}
