//! Flags to the settings of a run.

use gptlab_data::Builtin;
use gptlab_engine::cpu::Isa;
use gptlab_model::Preset;
use gptlab_recipe::{DEFAULT_PRESET, Documents, Overrides, TokenizerKind};
use gptlab_train::{Header, ResumeOptions, Settings};

use crate::{
    args::{MachineArgs, TrainArgs},
    engines,
    exit::{CommandResult, Stop},
    text,
};

/// Returns the settings of a new run: the preset's, with the typed ones.
pub(crate) fn fresh(args: &TrainArgs) -> CommandResult<Settings> {
    let (typed, data) = (&args.settings.overrides, args.data.data.as_deref());
    let preset = typed.preset.unwrap_or_else(|| usual_preset(typed, data));
    over(begun(preset, typed.steps, data)?, typed, &args.machine)
}

/// Returns the recipe of `preset`, with the text called `data` cut as it usually is.
fn begun(preset: Preset, steps: Option<u64>, data: Option<&str>) -> CommandResult<Settings> {
    let mut base = Settings::of(preset, steps);
    let builtin = data.map(text::builtin).transpose()?;
    if let Some(kind) = builtin.flatten().and_then(Builtin::usual_tokenizer) {
        base.tokenizer = kind.into();
    }
    Ok(base)
}

/// Returns the default preset: the built-in stories have a recipe of their own.
fn usual_preset(typed: &Overrides, data: Option<&str>) -> Preset {
    let stories = data.is_none_or(|d| d == "stories");
    match typed.tokenization(TokenizerKind::Chars.into()).documents {
        Documents::Text if stories => Preset::Stories,
        Documents::Text | Documents::Lines | Documents::Separator(_) => DEFAULT_PRESET,
    }
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

/// Returns the options for resuming a run: those of `base`, with the typed ones, on `isa`.
pub(crate) fn resume_options(
    base: ResumeOptions,
    typed: &Overrides,
    isa: Isa,
) -> CommandResult<ResumeOptions> {
    Ok(ResumeOptions {
        intervals: typed.intervals(base.intervals).map_err(Stop::usage)?,
        observe: typed.observe.unwrap_or(base.observe),
        sampling: typed.sampling(base.sampling).map_err(Stop::usage)?,
        engine: engines::NAME.to_owned(),
        isa: Some(isa.name().to_owned()),
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
    Ok(Settings {
        engine: engines::NAME.to_owned(),
        isa: Some(engines::isa(machine)?.name().to_owned()),
        ..settings
    })
}
