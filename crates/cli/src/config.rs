//! `--config FILE`: a TOML file whose keys are the flags' names, and whose values are the flags'
//! defaults.

use std::{ffi::OsString, fs::File, io::Read, path::Path, path::PathBuf};

use clap::{Arg, ArgAction};
use gptlab_recipe::nearest;
use toml::{Table, Value};

use crate::{args::names, exit::Stop};

/// Returns `program` with the values of the file at `path` as defaults of the flags of its
/// subcommand `sub`.
///
/// Keys that only other subcommands have are ignored, so that one file can serve a whole
/// project.
///
/// # Errors
/// Returns an error when the file cannot be read, is not TOML, or has a key that no command has as
/// a flag, or a value that the flag does not take.
pub(crate) fn beneath(
    path: &Path,
    sub: &str,
    program: clap::Command,
) -> Result<clap::Command, Stop> {
    let text = read(path, "file of settings")?;
    let table: Table = text.parse().map_err(|e: toml::de::Error| {
        Stop::usage(format_args!(
            "{} is not TOML: {}",
            path.display(),
            place(&text, &e)
        ))
    })?;
    let program = with_defaults(&table, sub, program).map_err(|stop| Stop {
        message: format!("{}: {}", path.display(), stop.message),
        ..stop
    })?;
    refuse_bad_values(path, sub, &program)?;
    Ok(program)
}

/// The largest size of a file of settings or of results, in bytes.
const MOST: u64 = 1 << 20;

/// Reads a `what` at `path`, which people write: "file of settings".
///
/// # Errors
/// Returns an error when the file cannot be read, or is too large.
pub(crate) fn read(path: &Path, what: &str) -> Result<String, Stop> {
    let mut text = String::new();
    let file = File::open(path).map_err(|e| Stop::file("read", path, &e))?;
    file.take(MOST + 1)
        .read_to_string(&mut text)
        .map_err(|e| Stop::file("read", path, &e))?;
    if text.len() as u64 > MOST {
        return Err(Stop::usage(format_args!(
            "{} is larger than {} MiB, and no {what} is",
            path.display(),
            MOST >> 20
        )));
    }
    Ok(text)
}

fn place(text: &str, error: &toml::de::Error) -> String {
    let line = error
        .span()
        .map(|span| text[..span.start].matches('\n').count() + 1);
    match line {
        Some(line) => format!("line {line}: {}", error.message()),
        None => error.message().to_owned(),
    }
}

fn with_defaults(table: &Table, sub: &str, program: clap::Command) -> Result<clap::Command, Stop> {
    let all: Vec<String> = program.get_subcommands().flat_map(keys).collect();
    let mine: Vec<String> = program
        .find_subcommand(sub)
        .into_iter()
        .flat_map(keys)
        .collect();
    let mut defaults: Vec<(String, &Value)> = Vec::new();
    for (typed, value) in table {
        let key = canonical(&typed.replace('_', "-"), &program);
        if mine.contains(&key) {
            check_kind(typed, value)?;
            defaults.push((key, value));
        } else if !all.contains(&key) {
            return Err(unknown(typed, &key, all));
        }
    }
    let default_of = |arg: &Arg| {
        let long = arg.get_long()?;
        let mut found = defaults.iter().filter(|(key, _)| key == long);
        found.next_back().and_then(|(_, value)| default(arg, value))
    };
    let of_file = |arg: Arg| match default_of(&arg) {
        Some(value) => arg.default_value(value),
        None => arg,
    };
    Ok(program.mut_subcommand(sub, |sub| sub.mut_args(of_file)))
}

/// Returns the names of flags that can be keys, without flags that only make sense on a command
/// line.
fn keys(command: &clap::Command) -> impl Iterator<Item = String> {
    command
        .get_arguments()
        .filter_map(Arg::get_long)
        .filter(|long| !["config", "help", "version"].contains(long))
        .map(str::to_owned)
}

/// Returns the flag of which `key` is the name or an alias; `key` itself if there is none.
fn canonical(key: &str, program: &clap::Command) -> String {
    let mut flags = program
        .get_subcommands()
        .flat_map(clap::Command::get_arguments);
    let flag = flags.find(|arg| names(arg).any(|name| name == key));
    flag.and_then(Arg::get_long).unwrap_or(key).to_owned()
}

fn unknown(typed: &str, key: &str, all: Vec<String>) -> Stop {
    let stop = Stop::usage(format_args!("unknown key `{typed}`"));
    match nearest(key, all) {
        Some(near) => stop.hint(format!("did you mean `{near}`?")),
        None => stop.hint("the keys are the flags of `gptlab train --help`, without their hyphens"),
    }
}

fn check_kind(key: &str, value: &Value) -> Result<(), Stop> {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Ok(()),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => Err(Stop::usage(format_args!(
            "`{key}` must be a number, a string, true or false"
        ))),
    }
}

/// Formats `value` as `arg` takes it; returns `None` for a flag that is off.
fn default(arg: &Arg, value: &Value) -> Option<OsString> {
    let is_plain = matches!(arg.get_action(), ArgAction::SetTrue);
    let text = match value {
        Value::Boolean(on) if takes_path_or_nothing(arg) => return on.then(OsString::new),
        Value::Boolean(on) if is_plain => on.to_string(),
        Value::Boolean(on) => u8::from(*on).to_string(),
        Value::String(text) => text.clone(),
        Value::Integer(n) => n.to_string(),
        Value::Float(x) => x.to_string(),
        Value::Array(_) | Value::Table(_) | Value::Datetime(_) => return None,
    };
    Some(text.into())
}

/// Returns true if a flag takes an optional path: `true` and `false` are not paths.
fn takes_path_or_nothing(arg: &Arg) -> bool {
    arg.get_num_args().is_some_and(|n| n.min_values() == 0)
        && arg.get_value_parser().type_id() == std::any::TypeId::of::<PathBuf>()
}

/// Lets clap check the values of the file alone, so that error messages can name the file.
fn refuse_bad_values(path: &Path, sub: &str, program: &clap::Command) -> Result<(), Stop> {
    match program.clone().try_get_matches_from(["gptlab", sub]) {
        Err(e) => {
            let rendered = e.render().to_string();
            let first = rendered.lines().next().unwrap_or_default();
            let message = first.strip_prefix("error: ").unwrap_or(first);
            Err(Stop::usage(format_args!("{}: {message}", path.display())))
        }
        Ok(_) => Ok(()),
    }
}
