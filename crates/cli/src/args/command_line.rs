//! From the words of a command line to [`Command`]: the seed's spellings, and `--config` beneath flags.

use std::{ffi::OsString, path::PathBuf};

use clap::{Arg, ArgMatches, CommandFactory, FromArgMatches};

use super::{Cli, Command};
use crate::{config, exit::Stop};

/// The value name by which a flag is known to be a switch: alone it means 1.
pub(super) const SWITCH: &str = "0|1";

/// Why there is no command.
pub(crate) enum Refusal {
    /// Help, version, or a command line that clap refuses.
    Clap(clap::Error),
    /// A settings file that is refused.
    Stop(Stop),
}

/// The value of a switch.
pub(super) fn switch(typed: &str) -> Result<bool, String> {
    match typed {
        "1" | "true" | "on" | "yes" => Ok(true),
        "0" | "false" | "off" | "no" => Ok(false),
        _ => Err("a switch is 0 or 1".to_owned()),
    }
}

/// The whole command line's definition: that of [`Cli`], where a flag given twice means its last value,
/// underscores are as good as hyphens, and a switch needs no value.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
        .args_override_self(true)
        .mut_subcommands(|sub| sub.args_override_self(true).mut_args(seed_spelling))
}

fn seed_spelling(arg: Arg) -> Arg {
    let is_switch = arg
        .get_value_names()
        .is_some_and(|names| names.iter().any(|n| n == SWITCH));
    let arg = if is_switch {
        arg.num_args(0..=1).default_missing_value("1")
    } else {
        // So that a number below 0 is refused for what it is.
        let takes_value = arg.get_action().takes_values();
        arg.allow_negative_numbers(takes_value)
    };
    match arg.get_long().filter(|long| long.contains('-')) {
        Some(long) => {
            let underscored = long.replace('-', "_");
            arg.alias(underscored)
        }
        None => arg,
    }
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// What clap or the settings file's reader refuses.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, Refusal> {
    let words: Vec<OsString> = words.into_iter().collect();
    let matches = matches(&words)?;
    let matches = match config_of(&matches) {
        None => matches,
        Some((sub, path)) => {
            let settings = config::words(&path, &sub, &definition()).map_err(Refusal::Stop)?;
            matches_with(&words, &sub, settings)?
        }
    };
    let cli = Cli::from_arg_matches(&matches).map_err(Refusal::Clap)?;
    Ok(cli.command)
}

fn matches(words: &[OsString]) -> Result<ArgMatches, Refusal> {
    definition()
        .try_get_matches_from(words)
        .map_err(Refusal::Clap)
}

/// The command line with the settings right after the subcommand, so that what was typed comes last.
fn matches_with(
    words: &[OsString],
    sub: &str,
    settings: Vec<OsString>,
) -> Result<ArgMatches, Refusal> {
    let at = words
        .iter()
        .position(|w| w == sub)
        .map_or(words.len(), |i| i + 1);
    let mut all = words[..at].to_vec();
    all.extend(settings);
    all.extend_from_slice(&words[at..]);
    matches(&all)
}

fn config_of(matches: &ArgMatches) -> Option<(String, PathBuf)> {
    let (sub, flags) = matches.subcommand()?;
    let path = flags.try_get_one::<PathBuf>("config").ok()??;
    Some((sub.to_owned(), path.clone()))
}
