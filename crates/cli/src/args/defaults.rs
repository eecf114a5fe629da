//! The defaults of `train`'s flags, in its help: from the recipes of all presets.

use clap::{Arg, Command};
use gptlab_model::{Choice, Preset};
use gptlab_train::Settings;
use serde_json::Value;

use super::command_line::SWITCH;
use crate::settings::{self, DEFAULT_PRESET};

const BEGINS: &str = " [default: ";

/// `train` with each flag's default at the end of its help.
pub(super) fn said(train: Command) -> Command {
    let recipes: Vec<Vec<settings::Flag>> = Preset::ALL
        .iter()
        .map(|preset| settings::flags(&Settings::of(*preset, None)))
        .map(|groups| groups.into_iter().flat_map(|(_, flags)| flags).collect())
        .collect();
    train.mut_args(|arg| said_of(arg, &recipes))
}

fn said_of(arg: Arg, recipes: &[Vec<settings::Flag>]) -> Arg {
    let (Some(long), Some(help)) = (arg.get_long(), arg.get_help()) else {
        return arg;
    };
    let help = help.to_string();
    let recipe = default_of(long, recipes);
    let (what, default) = match recipe {
        // What the recipes say is said once.
        Some(default) => (help.split(BEGINS).next().unwrap_or(&help), default),
        None if long == "preset" => (help.split(BEGINS).next().unwrap_or(&help), usual_preset()),
        None if help.contains(BEGINS) => return arg,
        None => (help.as_str(), absent(&arg)),
    };
    let said = format!("{what}{BEGINS}{default}]");
    arg.help(said)
}

/// The value that all recipes have; where they differ, that it is the preset's. `None` of a flag
/// that is in no recipe.
fn default_of(long: &str, recipes: &[Vec<settings::Flag>]) -> Option<String> {
    let value = |recipe: &Vec<settings::Flag>| {
        let mut flags = recipe.iter();
        flags
            .find(|(name, _)| *name == long)
            .map(|(_, v)| v.clone())
    };
    let values: Vec<Value> = recipes.iter().filter_map(value).collect();
    let first = values.first()?;
    let alike = values.len() == recipes.len() && values.iter().all(|v| v == first);
    Some(if alike {
        typed(first)
    } else {
        "by preset".to_owned()
    })
}

/// A value as it is typed.
fn typed(value: &Value) -> String {
    match value {
        Value::Bool(on) => u8::from(*on).to_string(),
        Value::String(text) if text.is_empty() => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn usual_preset() -> String {
    format!(
        "{}, or {} on the built-in stories",
        DEFAULT_PRESET.name(),
        Preset::Stories.name()
    )
}

/// The default of a flag that no recipe has and whose help does not say it.
fn absent(arg: &Arg) -> String {
    let mut names = arg.get_value_names().unwrap_or_default().iter();
    let absent = if names.any(|name| name == SWITCH) {
        "0"
    } else if arg.get_action().takes_values() {
        "none"
    } else {
        "off"
    };
    absent.to_owned()
}
