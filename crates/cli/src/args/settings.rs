//! Flags for settings: they are made from the table of settings, and parsed into [`Overrides`].

use std::{fmt::Debug, marker::PhantomData};

use clap::{
    Arg, ArgMatches, Args, Command, Error, FromArgMatches,
    builder::{PossibleValuesParser, StringValueParser, TypedValueParser, ValueParser},
    error::ErrorKind,
};
use gptlab_lab::grid::GridRecipe;
use gptlab_model::{Choice, Preset};
use gptlab_recipe::{
    DEFAULT_PRESET, KEYS, KeyDefault, Overrides, SettingGroup, SettingKey, SettingValue, Settings,
    TextRecipe, ValueKind,
};

use super::choice::possible;

/// The settings for which a command has flags, and the command's own help for them.
pub(crate) trait Flags: Clone + Debug + Default + Send + Sync + 'static {
    fn has(key: &SettingKey) -> bool;

    /// Returns the heading of a setting's flag in help.
    fn heading(key: &SettingKey) -> &'static str {
        key.group.title()
    }

    /// Returns the command's own help for a setting, if it differs from the table's.
    fn help(_key: &SettingKey) -> Option<&'static str> {
        None
    }

    /// Returns the command's own default of a setting, if it differs from that of the presets.
    fn usual(_key: &SettingKey) -> Option<String> {
        None
    }
}

/// The typed values of the settings for which `F` has flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct SettingsArgs<F> {
    pub(crate) overrides: Overrides,
    flags: PhantomData<F>,
}

/// All settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct AllFlags;

impl Flags for AllFlags {
    fn has(_key: &SettingKey) -> bool {
        true
    }

    fn usual(key: &SettingKey) -> Option<String> {
        let KeyDefault::Value(of_presets) = key.default() else {
            return None;
        };
        let of_text = for_a_text().get(key);
        let differs = key.absent.is_none() && of_text.is_some_and(|value| value != of_presets);
        differs.then(|| format!("{} by preset, another by recipe", shown(&of_presets)))
    }
}

/// Returns the settings of the recipe that `train` chooses for a long text, with a usual number of
/// steps.
fn for_a_text() -> Overrides {
    Overrides::of(&TextRecipe::for_long_text(2_000).settings)
}

/// The settings of the model.
#[derive(Clone, Debug, Default)]
pub(crate) struct ModelFlags;

impl Flags for ModelFlags {
    fn has(key: &SettingKey) -> bool {
        key.group == SettingGroup::Model
    }

    fn usual(key: &SettingKey) -> Option<String> {
        // These commands have no text that a recipe could be chosen for.
        (key.field == "preset").then(|| DEFAULT_PRESET.name().to_owned())
    }
}

/// The settings for writing text.
#[derive(Clone, Debug, Default)]
pub(crate) struct WritingFlags;

impl Flags for WritingFlags {
    fn has(key: &SettingKey) -> bool {
        key.group == SettingGroup::Writing
    }
}

/// The settings that all runs of a grid share. The grid's recipe has other defaults than the
/// presets.
#[derive(Clone, Debug, Default)]
pub(crate) struct GridFlags;

impl Flags for GridFlags {
    fn has(key: &SettingKey) -> bool {
        let of_one_run = ["sample_interval", "checkpoint_interval"].contains(&key.field);
        key.group != SettingGroup::Writing && !of_one_run
    }

    fn heading(key: &SettingKey) -> &'static str {
        match key.group {
            SettingGroup::Run => "Runs",
            SettingGroup::Data
            | SettingGroup::Optimiser
            | SettingGroup::Model
            | SettingGroup::Writing => key.group.title(),
        }
    }

    fn help(key: &SettingKey) -> Option<&'static str> {
        Some(match key.field {
            "seed" => "The first of the seeds",
            "observe" => {
                "Look into every model at every log: off, basic (gradients and updates) or full (activations too)"
            }
            "log_interval" => "Log, and validate, every N steps",
            "val_tokens" => {
                "Validate on at most about N tokens at a log; the finished model is validated on all"
            }
            _ => return None,
        })
    }

    fn usual(key: &SettingKey) -> Option<String> {
        let after_help = || "see below".to_owned();
        match key.field {
            "log_interval" => return Some("a twentieth of the steps".to_owned()),
            "preset" | "steps" | "n_layer" | "n_embd" | "n_head" => return Some(after_help()),
            _ => {}
        }
        let recipes = [
            GridRecipe::Quick,
            GridRecipe::Ablation,
            GridRecipe::ANCESTOR,
        ];
        match recipes.map(|recipe| recipe.overrides().get(key)) {
            [None, None, None] => None,
            [Some(one), Some(two), Some(three)] if one == two && two == three => Some(shown(&one)),
            [_, _, _] => Some(after_help()),
        }
    }
}

impl<F: Flags> Args for SettingsArgs<F> {
    fn augment_args(command: Command) -> Command {
        let keys = KEYS.iter().filter(|key| F::has(key));
        keys.fold(command, |command, key| command.arg(flag::<F>(key)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<F: Flags> FromArgMatches for SettingsArgs<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut read = Self::default();
        read.update_from_arg_matches(matches)?;
        Ok(read)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for key in KEYS.iter().filter(|key| F::has(key)) {
            let Some(typed) = matches.get_one::<String>(key.field) else {
                continue;
            };
            let read = self.overrides.set(key.field, typed);
            read.map_err(|e| Error::raw(ErrorKind::ValueValidation, format!("{e}\n")))?;
        }
        Ok(())
    }
}

fn flag<F: Flags>(key: &'static SettingKey) -> Arg {
    let kind = key.kind();
    Arg::new(key.field)
        .long(key.name())
        .aliases(key.aliases.iter().copied())
        .value_name(key.value_name)
        .allow_hyphen_values(kind == ValueKind::Text)
        .help(help::<F>(key))
        .help_heading(F::heading(key))
        .ignore_case(matches!(kind, ValueKind::Choice(_)))
        .value_parser(parser(key, kind))
}

/// Refuses values that `key` does not take; the setting itself parses the value again.
fn parser(key: &'static SettingKey, kind: ValueKind) -> ValueParser {
    match kind {
        ValueKind::Choice(words) => {
            ValueParser::new(PossibleValuesParser::new(words.into_iter().map(possible)))
        }
        ValueKind::Switch | ValueKind::Count | ValueKind::Number | ValueKind::Text => {
            let read = move |typed: String| key.check(&typed).map(|()| typed);
            ValueParser::new(StringValueParser::new().try_map(read))
        }
    }
}

fn help<F: Flags>(key: &SettingKey) -> String {
    let meaning = F::help(key).unwrap_or(key.help);
    let default = F::usual(key).unwrap_or_else(|| default(key));
    format!("{meaning} [default: {default}]")
}

/// Returns the default of `key`, by the presets.
fn default(key: &SettingKey) -> String {
    match (key.absent, key.default()) {
        (Some(absent), _) => absent.to_owned(),
        (None, KeyDefault::Value(value)) => shown(&value),
        (None, KeyDefault::ByPreset) if key.field == "val_fraction" => by_preset(key),
        (None, KeyDefault::ByPreset) => "by preset".to_owned(),
        (None, KeyDefault::Absent) => "none".to_owned(),
    }
}

/// Returns the default preset's value, and the values of the presets that have another.
fn by_preset(key: &SettingKey) -> String {
    let value = |preset: &Preset| {
        let recipe = Overrides::of(&Settings::of(*preset, None));
        recipe
            .get(key)
            .map_or_else(String::new, |value| shown(&value))
    };
    let usual = value(&DEFAULT_PRESET);
    let other = Preset::ALL.iter().filter(|preset| value(preset) != usual);
    let other = other.map(|preset| format!("; {} with {}", value(preset), preset.name()));
    std::iter::once(usual.clone()).chain(other).collect()
}

/// Formats a value as it is typed.
fn shown(value: &SettingValue) -> String {
    match value {
        SettingValue::Text(text) if text.is_empty() => "none".to_owned(),
        SettingValue::Number(x) if *x != 0.0 && x.abs() < 1e-4 => format!("{x:e}"),
        SettingValue::Number(_)
        | SettingValue::Switch(_)
        | SettingValue::Count(_)
        | SettingValue::Text(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests;
