//! The recipe of a new run: a preset's or one for its text, and its number of steps.

use std::time::{Duration, Instant};

use gptlab_data::CorpusCache;
use gptlab_model::Preset;
use gptlab_recipe::{DEFAULT_TIME, Reason, RecipeInput, Settings, TextRecipe};
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
    device::{Measured, fastest},
};

/// An experiment, and the reasons of choices that were made for it.
pub(super) struct Chosen {
    pub(super) resolved: Resolved,
    pub(super) reasons: Vec<Reason>,
}

/// The fraction of the time that is spent on measuring the speed.
const MEASURING: f64 = 0.02;

/// The longest time that is spent on measuring the speed, unless a single step takes longer.
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
    let resolve = |steps| -> CommandResult<Resolved> {
        Ok(Resolved::fresh(
            &settings::fresh(args, preset, steps)?,
            text,
        )?)
    };
    let Some(time) = args.run.time else {
        let reasons = Vec::new();
        return Ok(Chosen {
            resolved: resolve(typed)?,
            reasons,
        });
    };
    if typed.is_some() {
        return Err(Stop::usage(
            "--steps and --for both say how long a preset is trained; give one of them",
        ));
    }
    let found = steps_in(time, &resolve(None)?, args, printer)?;
    Ok(Chosen {
        resolved: resolve(Some(found.steps))?,
        reasons: vec![found.reason()],
    })
}

/// Returns the recipe for `text`. It has the typed number of steps, or the number that fits into
/// `--for`, which also determines the model's size.
pub(super) fn for_text(
    args: &TrainArgs,
    text: &CorpusCache<'_>,
    printer: Printer,
) -> CommandResult<Chosen> {
    let time = args.run.time.unwrap_or(DEFAULT_TIME);
    let resolve = |recipe: Settings| -> CommandResult<Resolved> {
        Ok(Resolved::fresh(&settings::by_recipe(args, recipe)?, text)?)
    };
    let unknown = RecipeInput {
        train_tokens: 1,
        documents: None,
        time,
        fast_bf16: TextRecipe::may_use_bf16(time) && engines::fast_bf16(&args.machine)?,
    };
    let first = resolve(TextRecipe::new(&unknown, 1).settings)?;
    let train = first.batches.corpus().train();
    let input = RecipeInput {
        train_tokens: train.tokens().len() as u64,
        documents: train.documents().map(|n| n as u64),
        ..unknown
    };
    drop(first);
    let chosen = |steps, why: Option<Reason>| -> CommandResult<Chosen> {
        let recipe = TextRecipe::new(&input, steps);
        let resolved = resolve(recipe.settings.clone())?;
        let Experiment { spec, hyper, .. } = &resolved.experiment;
        let mut reasons = recipe.reasons(spec, hyper);
        reasons.extend(why);
        Ok(Chosen { resolved, reasons })
    };
    if let Some(steps) = args.settings.overrides.steps {
        return chosen(steps, None);
    }
    let most = TextRecipe::most_steps(&input);
    let trial = resolve(TextRecipe::new(&input, most).settings)?;
    let found = steps_in(time, &trial, args, printer)?;
    if found.steps <= most {
        return chosen(found.steps, Some(found.reason()));
    }
    let enough = Reason {
        choice: plural(most as usize, "step"),
        why: "a recipe reads a text no more often".to_owned(),
    };
    chosen(most, Some(enough))
}

/// The number of steps that fit into a time.
struct FoundSteps {
    steps: u64,
    time: Duration,
    speed: Speed,
}

impl FoundSteps {
    fn reason(&self) -> Reason {
        let milliseconds = self.speed.step.as_secs_f64() * 1e3;
        Reason {
            choice: plural(self.steps as usize, "step"),
            why: format!(
                "for {}, at {milliseconds:.1} ms a step",
                duration_in_two_units(self.time.as_secs_f64())
            ),
        }
    }
}

/// Returns the number of steps of `trial` that fit into `time`, found by running its first ones.
fn steps_in(
    time: Duration,
    trial: &Resolved,
    args: &TrainArgs,
    printer: Printer,
) -> CommandResult<FoundSteps> {
    let begun = Instant::now();
    let precision = trial.experiment.hyper.precision;
    let isa = engines::isa(&args.machine)?;
    let (devices, _) = engines::candidates(&args.machine, isa, precision)?;
    for device in &devices {
        memory::check_training(trial, args, device)?;
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
    let Measured { speed, .. } = fastest(devices, trial, &run_options, budget, printer)?;
    let left = time.saturating_sub(begun.elapsed());
    let log = trial.experiment.intervals.log.get();
    let steps = speed.steps_in(left, 1);
    // A recipe for a text validates 11 to 21 times; a preset's interval may be longer.
    let validations = (steps / log).clamp(11, 21);
    Ok(FoundSteps {
        steps: speed.steps_in(left, validations),
        time,
        speed,
    })
}
