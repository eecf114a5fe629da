//! Flags to the settings of a run.

use std::num::NonZeroU64;

use gptlab_data::Builtin;
use gptlab_engine::{cpu::Isa, sample::Sampling};
use gptlab_model::Preset;
use gptlab_recipe::{Documents, Intervals, ObserveLevel, SampleSettings, TokenizerKind};
use gptlab_train::{Header, ResumeOptions, Settings};

use crate::{
    args::{DataArgs, RunArgs, SampleArgs, TrainArgs},
    engines,
    exit::{Outcome, Stop},
    settings::{hyper, model},
    text,
};

/// The settings of a new run: the preset's, and what was typed.
pub(crate) fn fresh(args: &TrainArgs) -> Outcome<Settings> {
    let preset = args.model.preset.unwrap_or_else(|| usual_preset(args));
    over(begun(preset, args.run.steps, &args.data)?, args)
}

/// What `preset` is known by, with the text that was typed cut as it usually is.
pub(crate) fn begun(preset: Preset, steps: Option<u64>, data: &DataArgs) -> Outcome<Settings> {
    let mut base = Settings::of(preset, steps);
    let typed = data.data.as_deref().map(text::builtin).transpose()?;
    if let Some(kind) = typed.flatten().and_then(Builtin::usual_tokenizer) {
        base.tokenizer = kind.into();
    }
    Ok(base)
}

/// The preset where none is typed: the built-in stories have a recipe of their own.
fn usual_preset(args: &TrainArgs) -> Preset {
    let stories = args.data.data.as_deref().is_none_or(|d| d == "stories");
    let cut = args.data.tokenization(TokenizerKind::Chars.into());
    match cut.documents {
        Documents::Text if stories => Preset::Stories,
        Documents::Text | Documents::Lines | Documents::Separator(_) => model::DEFAULT_PRESET,
    }
}

/// The settings of a new run with the model of a checkpoint: its recipe, and what was typed.
pub(crate) fn loaded(header: &Header, args: &TrainArgs) -> Outcome<Settings> {
    let preset = args.model.preset.unwrap_or(model::DEFAULT_PRESET);
    let mut recipe = Settings::of(preset, args.run.steps);
    if args.model.preset.is_none() {
        recipe = Settings::of_header(header, &ResumeOptions::of(&recipe));
        if let Some(steps) = args.run.steps {
            recipe.hyper.warmup = recipe.hyper.warmup.min(steps / 10);
        }
    }
    over(recipe, args)
}

/// How a run is gone on with: as `base` says, and what was typed; on `isa`.
pub(crate) fn resume_options(
    base: ResumeOptions,
    args: &TrainArgs,
    isa: Isa,
) -> Outcome<ResumeOptions> {
    Ok(ResumeOptions {
        intervals: intervals(base.intervals, &args.run)?,
        observe: observe(base.observe, &args.run),
        sampling: sampling(base.sampling, &args.sample)?,
        engine: engines::NAME.to_owned(),
        isa: Some(isa.name().to_owned()),
        steps: args.run.steps,
    })
}

/// `base` with what was typed. A preset that was typed replaces the base's model.
pub(crate) fn over(base: Settings, args: &TrainArgs) -> Outcome<Settings> {
    let spec = args.model.preset.map_or(base.spec, Preset::spec);
    Ok(Settings {
        spec: model::over(spec, &args.model)?,
        tokenizer: args.data.tokenization(base.tokenizer),
        hyper: hyper::over(base.hyper, &args.run, &args.optim)?,
        seed: args.run.seed.unwrap_or(base.seed),
        val_fraction: args.data.val_fraction.unwrap_or(base.val_fraction),
        intervals: intervals(base.intervals, &args.run)?,
        observe: observe(base.observe, &args.run),
        sampling: sampling(base.sampling, &args.sample)?,
        engine: engines::NAME.to_owned(),
        isa: Some(engines::isa(&args.machine)?.name().to_owned()),
    })
}

fn observe(base: ObserveLevel, args: &RunArgs) -> ObserveLevel {
    args.observe.unwrap_or(base)
}

/// `base` with what was typed.
pub(crate) fn sampling(base: SampleSettings, args: &SampleArgs) -> Outcome<SampleSettings> {
    let typed_text = |typed: &Option<String>| typed.clone().filter(|text| !text.is_empty());
    let sampled = SampleSettings {
        prompt: args.prompt.clone().unwrap_or(base.prompt),
        max_tokens: args.max_tokens.unwrap_or(base.max_tokens),
        temperature: args.temperature.unwrap_or(base.temperature),
        top_k: args
            .top_k
            .map_or(base.top_k, |k| Some(k).filter(|k| *k > 0)),
        top_p: args.top_p.or(base.top_p),
        stop: typed_text(&args.stop).or(base.stop),
    };
    // What makes no sense is refused now and not at the first sample.
    Sampling::new(sampled.temperature, sampled.top_k, sampled.top_p).map_err(Stop::usage)?;
    Ok(sampled)
}

/// `base` with what was typed. Who says after how many steps to save means no clock.
fn intervals(base: Intervals, args: &RunArgs) -> Outcome<Intervals> {
    let or_never = |typed: Option<u64>, base| typed.map_or(base, NonZeroU64::new);
    let log = match args.log_interval {
        Some(n) => NonZeroU64::new(n)
            .ok_or_else(|| Stop::usage("--log-interval must be at least 1, found 0"))?,
        None => base.log,
    };
    Ok(Intervals {
        log,
        sample: or_never(args.sample_interval, base.sample),
        checkpoint: or_never(args.checkpoint_interval, base.checkpoint),
        checkpoint_seconds: match args.checkpoint_interval {
            Some(_) => None,
            None => base.checkpoint_seconds,
        },
        val_tokens: args.val_tokens.unwrap_or(base.val_tokens),
    })
}
