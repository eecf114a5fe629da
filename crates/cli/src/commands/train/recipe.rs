//! The recipe of a new run: a preset's or one for its text, and its number of steps.

use std::{
    cmp::Ordering,
    time::{Duration, Instant},
};

use gptlab_data::CorpusCache;
use gptlab_engine::{BackendOptions, Device};
use gptlab_model::{Counts, Preset};
use gptlab_recipe::{DEFAULT_TIME, Precision, Reason, RecipeInput, Settings, TextRecipe};
use gptlab_report::words::{duration_in_two_units, plural};
use gptlab_train::{Experiment, Resolved, RunOptions, Speed};

use crate::{
    args::TrainArgs,
    engines,
    exit::{CommandResult, Stop},
    memory,
    printer::Printer,
    settings,
};

use super::{
    begin::micro_batch,
    device::{Measured, device_flag, fastest},
};

/// An experiment, and the reasons of choices that were made for it.
pub(super) struct Chosen {
    pub(super) resolved: Resolved,
    pub(super) reasons: Vec<Reason>,
    /// The device that was the fastest, if their speed was measured.
    pub(super) device: Option<Device>,
}

/// The fraction of the time that is spent on measuring the speed of one size.
const MEASURING: f64 = 0.015;

/// The longest time that is spent on measuring the speed of one size, unless a single step takes
/// longer.
const MOST_MEASURING: Duration = Duration::from_secs(30);

/// A measurement that takes this long is announced.
const ANNOUNCED: Duration = Duration::from_secs(5);

/// Returns the recipe of `preset`. With `--for`, it has the number of steps that fit into that
/// time.
pub(super) fn of_preset(
    args: &TrainArgs,
    preset: Preset,
    text: &CorpusCache<'_>,
    printer: Printer,
) -> CommandResult<Chosen> {
    let typed = args.settings.overrides.steps;
    if args.run.size_for.is_some() {
        return Err(Stop::usage(
            "--size-for sizes the recipe for a text, and a preset has its own size; give one of them",
        ));
    }
    let resolve = |steps| -> CommandResult<Resolved> {
        Ok(Resolved::fresh(
            &settings::fresh(args, preset, steps)?,
            text,
        )?)
    };
    let Some(time) = args.run.time else {
        return Ok(Chosen {
            resolved: resolve(typed)?,
            reasons: Vec::new(),
            device: None,
        });
    };
    if typed.is_some() {
        return Err(Stop::usage(
            "--steps and --for both say how long a preset is trained; give one of them",
        ));
    }
    let (trial, devices) = (resolve(None)?, devices(args, printer)?);
    let log = trial.experiment.intervals.log.get();
    let deadline = Deadline::after(time);
    let found = steps_until(deadline, &trial, |_| log, &devices, args, printer)?;
    let again = format!("--steps {}{}", found.steps, device_flag(&found.device));
    Ok(Chosen {
        resolved: resolve(Some(found.steps))?,
        reasons: vec![found.reason(), same_again(again)],
        device: Some(found.device),
    })
}

/// Returns the recipe for `text`. It has the typed number of steps, or the number that fits into
/// `--for`. That time and the speed of this machine also determine the model's size, unless
/// `--size-for` does.
pub(super) fn for_text(
    args: &TrainArgs,
    text: &CorpusCache<'_>,
    printer: Printer,
) -> CommandResult<Chosen> {
    let recipes = Recipes::new(args, text)?;
    let time = args.run.time.unwrap_or(DEFAULT_TIME);
    let size_for = args.run.size_for.unwrap_or(time);
    if let Some(steps) = args.settings.overrides.steps {
        if args.run.time.is_some() && args.run.size_for.is_some() {
            return Err(Stop::usage(
                "--size-for and --steps say what --for would find; leave --for out",
            ));
        }
        return recipes.chosen(&recipes.input(size_for)?, steps);
    }
    let (input, found) = recipes.found(time, size_for, printer)?;
    let most = TextRecipe::most_steps(&input);
    let steps = found.steps.min(most);
    let mut chosen = recipes.chosen(&input, steps)?;
    chosen.device = Some(found.device.clone());
    chosen.reasons.push(if steps < most {
        found.reason()
    } else {
        Reason {
            choice: plural(most as usize, "step"),
            why: "a recipe reads a text no more often".to_owned(),
        }
    });
    chosen.reasons.push(same_again(format!(
        "--size-for {}s --steps {steps}{}",
        input.size_for.as_secs(),
        device_flag(&found.device)
    )));
    Ok(chosen)
}

/// Returns the line with the flags that repeat a run.
fn same_again(flags: String) -> Reason {
    Reason {
        choice: "the same run again".to_owned(),
        why: flags,
    }
}

/// The recipes for a text.
struct Recipes<'a, 'text> {
    args: &'a TrainArgs,
    text: &'a CorpusCache<'text>,
    train_tokens: u64,
    documents: Option<u64>,
}

impl<'a, 'text> Recipes<'a, 'text> {
    fn new(args: &'a TrainArgs, text: &'a CorpusCache<'text>) -> CommandResult<Self> {
        let unread = Self {
            args,
            text,
            train_tokens: 1,
            documents: None,
        };
        let any = unread.resolved(TextRecipe::for_long_text(1).settings)?;
        let train = any.batches.corpus().train();
        Ok(Self {
            train_tokens: train.tokens().len() as u64,
            documents: train.documents().map(|n| n as u64),
            ..unread
        })
    }

    /// Returns what the recipe of the size for `size_for` depends on.
    fn input(&self, size_for: Duration) -> CommandResult<RecipeInput> {
        Ok(RecipeInput {
            train_tokens: self.train_tokens,
            documents: self.documents,
            size_for,
            fast_bf16: TextRecipe::may_use_bf16(size_for)
                && engines::fast_bf16(&self.args.machine)?,
        })
    }

    /// Returns the experiment of `recipe` with the typed settings.
    fn resolved(&self, recipe: Settings) -> CommandResult<Resolved> {
        let settings = settings::by_recipe(self.args, recipe)?;
        Ok(Resolved::fresh(&settings, self.text)?)
    }

    fn chosen(&self, input: &RecipeInput, steps: u64) -> CommandResult<Chosen> {
        let recipe = TextRecipe::new(input, steps);
        let resolved = self.resolved(recipe.settings.clone())?;
        let Experiment { spec, hyper, .. } = &resolved.experiment;
        let reasons = recipe.reasons(spec, hyper);
        Ok(Chosen {
            resolved,
            reasons,
            device: None,
        })
    }

    /// Returns the recipe's input and the number of steps that fit into `time`. Unless it is typed,
    /// the size is found from the speed of the machine, beginning with the size for `size_for`: a
    /// machine that makes twice the operations of two ordinary cores gets the size for twice the
    /// time. Larger models make more operations a second, so that a size is measured before the
    /// next larger one is.
    fn found(
        &self,
        time: Duration,
        mut size_for: Duration,
        printer: Printer,
    ) -> CommandResult<(RecipeInput, FoundSteps)> {
        // The check of a GPU's kernels at its first use is no part of the time.
        let devices = devices(self.args, printer)?;
        let deadline = Deadline::after(time);
        let typed = self.args.settings.overrides.log_interval;
        let log = |steps| typed.unwrap_or_else(|| TextRecipe::log_interval(steps).get());
        let mut towards = None;
        loop {
            let input = self.input(size_for)?;
            let recipe = TextRecipe::new(&input, TextRecipe::most_steps(&input));
            let trial = self.resolved(recipe.settings)?;
            let found = steps_until(deadline, &trial, log, &devices, self.args, printer)?;
            if self.args.run.size_for.is_some() {
                return Ok((input, found));
            }
            let flops = step_flops(&trial) / found.speed.step.as_secs_f64();
            let suits = TextRecipe::on_ordinary_cores(time, size_for, flops);
            let order = TextRecipe::compare_sizes(suits, size_for);
            if order == Ordering::Equal || towards.is_some_and(|towards| towards != order) {
                return Ok((input, found));
            }
            (towards, size_for) = (Some(order), suits);
        }
    }
}

/// Returns the floating-point operations of a step: those of matrix products, forward and backward.
fn step_flops(resolved: &Resolved) -> f64 {
    let Experiment { spec, hyper, .. } = &resolved.experiment;
    let train = resolved.batches.corpus().train();
    let document = train
        .documents()
        .map_or(spec.block_size, |n| train.tokens().len() / n.max(1));
    let sequence = Counts::of(&resolved.graph, document.clamp(1, spec.block_size));
    sequence.training_flops() as f64 * hyper.batch_size as f64
}

/// The number of steps that fit into a time.
struct FoundSteps {
    steps: u64,
    time: Duration,
    speed: Speed,
    device: Device,
}

impl FoundSteps {
    fn reason(&self) -> Reason {
        let (step, time) = (self.speed.step.as_secs_f64(), self.time.as_secs_f64());
        // Where validations take much of the time, the number of steps would seem too small for it.
        let validation = if (self.steps as f64) * step < 0.7 * time {
            format!(" and {:.1} s a val", self.speed.validation.as_secs_f64())
        } else {
            String::new()
        };
        let why = format!(
            "for {}, at {:.1} ms a step{validation}",
            duration_in_two_units(time),
            step * 1e3
        );
        Reason {
            choice: plural(self.steps as usize, "step"),
            why,
        }
    }
}

/// The end of the time that a run may take, its measurements included.
#[derive(Clone, Copy)]
struct Deadline {
    begun: Instant,
    time: Duration,
}

impl Deadline {
    fn after(time: Duration) -> Self {
        let begun = Instant::now();
        Self { begun, time }
    }
}

/// Returns the devices among which to find the fastest, in any precision.
fn devices(args: &TrainArgs, printer: Printer) -> CommandResult<Vec<Device>> {
    let isa = engines::isa(&args.machine)?;
    let (devices, none) = engines::candidates(&args.machine, isa, Precision::F32, printer)?;
    if let Some(none) = none {
        printer.say(format_args!("the CPU trains: {}", none.message));
    }
    Ok(devices)
}

/// Returns the number of steps of `trial` that fit into the time that is left, found by running its
/// first ones. With so many steps, its logs are as far apart as `log_interval` says. A device that
/// has no memory for it is left out, unless it is the first.
fn steps_until(
    Deadline { begun, time }: Deadline,
    trial: &Resolved,
    log_interval: impl Fn(u64) -> u64,
    devices: &[Device],
    args: &TrainArgs,
    printer: Printer,
) -> CommandResult<FoundSteps> {
    let precision = trial.experiment.hyper.precision;
    let with_precision = |device: &Device| {
        device.with_options(BackendOptions {
            precision,
            ..device.options
        })
    };
    let devices: Vec<Device> = devices.iter().map(with_precision).collect();
    let mut fitting: Vec<Device> = Vec::new();
    for device in devices {
        match memory::check_training(trial, args, &device) {
            Ok(()) => fitting.push(device),
            Err(refusal) if fitting.is_empty() => return Err(refusal),
            Err(refusal) => printer.say(format_args!("the CPU trains: {}", refusal.message)),
        }
    }
    let run_options = RunOptions {
        micro_batch: micro_batch(args)?,
        ..RunOptions::default()
    };
    let budget = time.mul_f64(MEASURING).min(MOST_MEASURING);
    if budget >= ANNOUNCED && !args.json.json {
        printer.say(format_args!(
            "measuring the speed of the first steps for about {}",
            duration_in_two_units(budget.as_secs_f64())
        ));
    }
    let Measured { speed, device } = fastest(fitting, trial, &run_options, budget, printer)?;
    let left = time.saturating_sub(begun.elapsed());
    Ok(FoundSteps {
        steps: speed.steps_in(left, log_interval),
        time,
        speed,
        device,
    })
}
