//! From the words of a command line to a [`Command`]: the ancestor's spellings of flags, and values
//! of `--config`, which flags override.

use std::{
    any::TypeId,
    ffi::OsString,
    io::{self, IsTerminal},
    path::PathBuf,
};

use clap::{Arg, ArgAction, ArgMatches, CommandFactory, FromArgMatches};
use gptlab_recipe::{read_count, read_number};

use super::{Cli, Command, defaults, slips};
use crate::{config, exit::Stop, terminal};

/// The value name that marks a flag as a switch: the flag alone means 1.
pub(super) const SWITCH: &str = "0|1";

/// The reason why there is no command.
pub(crate) enum Refusal {
    /// A request for help or the version, or a command line that clap refuses.
    Clap(clap::Error),
    /// A settings file was refused.
    Stop(Stop),
}

/// Returns the definition of the whole command line: that of [`Cli`], where the last value of a
/// repeated flag counts, underscores are equivalent to hyphens, and a switch needs no value.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
        .args_override_self(true)
        .mut_subcommand("train", defaults::with_defaults)
        .mut_subcommands(|sub| {
            let nested = |sub: clap::Command| sub.mut_args(seed_spelling);
            sub.args_override_self(true)
                .mut_args(seed_spelling)
                .mut_subcommands(nested)
        })
}

fn seed_spelling(arg: Arg) -> Arg {
    let is_switch = arg
        .get_value_names()
        .is_some_and(|names| names.iter().any(|n| n == SWITCH));
    let arg = if is_switch {
        arg.num_args(0..=1).default_missing_value("1")
    } else {
        // This lets negative numbers reach the parser, which refuses them with their own sentence.
        let takes_value = arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_value)
    };
    let names = names(&arg).filter(|name| name.contains('-'));
    let underscored: Vec<String> = names.map(|name| name.replace('-', "_")).collect();
    numbers(arg.aliases(underscored))
}

/// Returns the names of a flag and of its aliases, without the hyphens that begin them.
pub(crate) fn names(arg: &Arg) -> impl Iterator<Item = &str> {
    let aliases = arg.get_all_aliases().unwrap_or_default();
    arg.get_long().into_iter().chain(aliases)
}

/// Replaces the parser of a flag that takes a number: it words what it refuses as settings do.
fn numbers(arg: Arg) -> Arg {
    let kind = arg.get_value_parser().type_id();
    if kind == TypeId::of::<usize>() {
        arg.value_parser(read_count::<usize>)
    } else if kind == TypeId::of::<u64>() {
        arg.value_parser(read_count::<u64>)
    } else if kind == TypeId::of::<u32>() {
        arg.value_parser(read_count::<u32>)
    } else if kind == TypeId::of::<f64>() {
        arg.value_parser(read_number)
    } else {
        arg
    }
}

/// Parses a command line that starts with the program's name.
///
/// # Errors
/// Returns what clap or the reader of the settings file refuses.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let words: Vec<OsString> = words.into_iter().collect();
    refuse_unreadable_names(&words)?;
    let matches = matches(&words)?;
    refuse_several_texts(&words)?;
    let matches = match config_of(&matches) {
        None => matches,
        Some((sub, path)) => {
            let program = config::beneath(&path, &sub, definition()).map_err(Refusal::Stop)?;
            program
                .try_get_matches_from(&words)
                .map_err(Refusal::Clap)?
        }
    };
    let cli = Cli::from_arg_matches(&matches).map_err(Refusal::Clap)?;
    Ok(cli.command)
}

fn matches(words: &[OsString]) -> Result<ArgMatches, Refusal> {
    let width = terminal::width(io::stdout().is_terminal());
    let width = width.unwrap_or(terminal::USUAL).min(WIDEST_HELP);
    let definition = definition().term_width(width);
    let matches = definition.clone().try_get_matches_from(words);
    matches.map_err(|error| match slips::answer(&error, words, &definition) {
        Some(stop) => Refusal::Stop(stop),
        None => Refusal::Clap(error),
    })
}

/// The largest width of a line of help, in characters: longer lines are hard to read.
const WIDEST_HELP: usize = 100;

/// The flags that name a text.
const TEXTS: [&str; 2] = ["data", "train-text"];

/// Refuses a second `--data`: a second text is more likely a mistake than a changed setting, and
/// several texts are not read together. Values from a settings file are not among `words`.
fn refuse_several_texts(words: &[OsString]) -> Result<(), Refusal> {
    let every = |arg: Arg| match arg.get_long() {
        Some(long) if TEXTS.contains(&long) => arg.action(ArgAction::Append),
        Some(_) | None => arg,
    };
    let definition = definition().mut_subcommands(|sub| sub.mut_args(every));
    let matches = definition.try_get_matches_from(words);
    let matches = matches.map_err(Refusal::Clap)?;
    let Some((_, flags)) = matches.subcommand() else {
        return Ok(());
    };
    for long in TEXTS {
        let id = long.replace('-', "_");
        let typed = flags.try_get_many::<String>(&id).ok().flatten();
        let typed: Vec<&str> = typed.into_iter().flatten().map(String::as_str).collect();
        if typed.len() > 1 {
            return Err(Refusal::Stop(several(long, &typed)));
        }
    }
    Ok(())
}

fn several(long: &str, typed: &[&str]) -> Stop {
    let count = match typed.len() {
        2 => "two".to_owned(),
        more => more.to_string(),
    };
    Stop::usage(format_args!(
        "--{long} was given {count} texts, {}, and takes one",
        typed.join(" and ")
    ))
    .hint(format!(
        "`cat {} > all.txt` makes one of several files",
        typed.join(" ")
    ))
}

/// Refuses a text whose name is not UTF-8, because records could not hold the name.
fn refuse_unreadable_names(words: &[OsString]) -> Result<(), Refusal> {
    for long in TEXTS {
        let flag = format!("--{long}");
        let begins = format!("{flag}=");
        let before = std::iter::once(None).chain(words.iter().map(Some));
        let mut values = words.iter().zip(before).filter(|(word, before)| {
            let after = before.is_some_and(|before| *before == *flag);
            after || word.as_encoded_bytes().starts_with(begins.as_bytes())
        });
        if let Some((word, _)) = values.find(|(word, _)| word.to_str().is_none()) {
            let shown = word.to_string_lossy();
            let name = shown.strip_prefix(&begins).unwrap_or(&shown);
            return Err(Refusal::Stop(
                Stop::usage(format_args!(
                    "the name of the text {name} is not UTF-8, and a record could not hold it"
                ))
                .hint("give the file another name, or a link to it"),
            ));
        }
    }
    Ok(())
}

fn config_of(matches: &ArgMatches) -> Option<(String, PathBuf)> {
    let (sub, flags) = matches.subcommand()?;
    let path = flags.try_get_one::<PathBuf>("config").ok()??;
    Some((sub.to_owned(), path.clone()))
}
