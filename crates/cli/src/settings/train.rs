//! Flags to the settings of a run.

use gptlab_data::Builtin;
use gptlab_model::Preset;
use gptlab_recipe::{DEFAULT_PRESET, Overrides};
use gptlab_train::{Header, ResumeOptions, Settings};

use crate::{
    args::{MachineArgs, TrainArgs},
    engines::{self, Recorded},
    exit::{CommandResult, Stop},
    text,
};

/// Returns the settings of a new run: those of `preset` for `steps` updates, with the typed ones.
pub(crate) fn fresh(
    args: &TrainArgs,
    preset: Preset,
    steps: Option<u64>,
) -> CommandResult<Settings> {
    let (typed, data) = (&args.settings.overrides, args.data.data.as_deref());
    over(
        usually_cut(Settings::of(preset, steps), data)?,
        typed,
        &args.machine,
    )
}

/// Returns the settings of a new run: those of the `recipe` for its text, with the typed ones.
pub(crate) fn by_recipe(args: &TrainArgs, recipe: Settings) -> CommandResult<Settings> {
    let (typed, data) = (&args.settings.overrides, args.data.data.as_deref());
    over(usually_cut(recipe, data)?, typed, &args.machine)
}

/// Returns `base` with the default tokenizer of the text called `data`.
fn usually_cut(mut base: Settings, data: Option<&str>) -> CommandResult<Settings> {
    let builtin = data.map(text::builtin).transpose()?;
    if let Some(kind) = builtin.flatten().and_then(Builtin::usual_tokenizer) {
        base.tokenizer = kind.into();
    }
    Ok(base)
}

/// Returns the settings of a new run with the model of a checkpoint: its recipe, with the typed
/// ones.
pub(crate) fn loaded(header: &Header, args: &TrainArgs) -> CommandResult<Settings> {
    let typed = &args.settings.overrides;
    let mut recipe = Settings::of(typed.preset.unwrap_or(DEFAULT_PRESET), typed.steps);
    if typed.preset.is_none() {
        recipe = header.settings(&ResumeOptions::of(&recipe));
        if let Some(steps) = typed.steps {
            recipe.hyper.warmup = recipe.hyper.warmup.min(steps / 10);
        }
    }
    over(recipe, typed, &args.machine)
}

/// Returns the options for resuming a run: those of `base`, with the typed ones, on the engine
/// `on`.
pub(crate) fn resume_options(
    base: ResumeOptions,
    typed: &Overrides,
    on: Recorded,
) -> CommandResult<ResumeOptions> {
    Ok(ResumeOptions {
        intervals: typed.intervals(base.intervals).map_err(Stop::usage)?,
        observe: typed.observe.unwrap_or(base.observe),
        sampling: typed.sampling(base.sampling).map_err(Stop::usage)?,
        engine: on.engine,
        isa: on.isa,
        steps: typed.steps,
    })
}

/// Returns `base` with the typed settings. A typed preset replaces the base's model.
pub(crate) fn over(
    base: Settings,
    typed: &Overrides,
    machine: &MachineArgs,
) -> CommandResult<Settings> {
    let mut settings = base;
    typed.apply(&mut settings).map_err(Stop::usage)?;
    let Recorded { engine, isa } = Recorded::typed(machine, engines::isa(machine)?);
    Ok(Settings {
        engine,
        isa,
        ..settings
    })
}
