//! The lines that `gptlab interactive` reads: prompts, and commands that begin with a slash.

use gptlab_recipe::{KEYS, SettingGroup, SettingKey};
use gptlab_report::words::indented;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Nothing,
    /// Continue this text.
    Prompt(&'a str),
    Help,
    Leave,
    /// Go back to the settings and the seed of the start.
    Reset,
    /// Set the seed to the value, or show it if there is none.
    Seed(&'a str),
    /// Set a setting to the value, or show it if there is none.
    Setting(&'static str, &'a str),
    /// The name of a command that does not exist.
    Unknown(&'a str),
}

/// Returns what `line` asks for. A prompt that begins with a slash is typed with two.
pub(super) fn read(line: &str) -> Line<'_> {
    match line.trim() {
        "" => return Line::Nothing,
        "quit" | "exit" | "q" => return Line::Leave,
        _ => {}
    }
    let Some(command) = line.strip_prefix('/') else {
        return Line::Prompt(line);
    };
    if command.starts_with('/') {
        return Line::Prompt(command);
    }
    let command = command.trim();
    let is_end = |c: char| c.is_whitespace() || c == '=';
    let (name, value) = command.split_once(is_end).unwrap_or((command, ""));
    let value = value.trim_start();
    match name {
        "help" | "?" => Line::Help,
        "quit" | "exit" | "q" => Line::Leave,
        "reset" => Line::Reset,
        "seed" => Line::Seed(value),
        name => match settings()
            .find(|key| SettingKey::find(name).is_ok_and(|k| k.field == key.field))
        {
            Some(key) => Line::Setting(key.field, value),
            None => Line::Unknown(name),
        },
    }
}

/// Returns the settings that a command changes.
pub(super) fn settings() -> impl Iterator<Item = &'static SettingKey> {
    KEYS.iter()
        .filter(|key| key.group == SettingGroup::Writing && key.field != "prompt")
}

/// Returns the help, with a line or two for each command.
pub(super) fn help() -> String {
    let setting = |key: &'static SettingKey| {
        let command = format!("/{} {}", key.name(), key.value_name);
        (command, key.help.to_owned())
    };
    let fixed = |(command, help): (&str, &str)| (command.to_owned(), help.to_owned());
    let all = settings().map(setting).chain(
        [
            ("/seed N", "Start the random choices again from this seed"),
            (
                "/reset",
                "Go back to the settings and the seed of the start",
            ),
            ("/help", "Show this list"),
            ("/quit", "Leave; so do `quit` and the end of the input"),
            ("//TEXT", "Continue /TEXT, a text that begins with a slash"),
        ]
        .map(fixed),
    );
    let lines: String = all.map(|(command, help)| row(&command, &help)).collect();
    lines
        + "Any other line is a beginning, which the model continues. A command without its\n\
             value shows the value."
}

/// Formats a command and its help, which goes on below itself.
fn row(command: &str, help: &str) -> String {
    const HELP: usize = 18;
    let help = indented(help, HELP, 80);
    format!("{command:<HELP$}{}", help.get(HELP..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_prompt_unless_it_begins_with_one_slash() {
        for (line, expected) in [
            ("the cat ", Line::Prompt("the cat ")),
            (" /seed", Line::Prompt(" /seed")),
            ("//usr", Line::Prompt("/usr")),
            ("///", Line::Prompt("//")),
            ("", Line::Nothing),
            (" quit ", Line::Leave),
            ("/quit", Line::Leave),
            ("/help", Line::Help),
            ("/seed 5", Line::Seed("5")),
            ("/seed", Line::Seed("")),
            ("/top-k  3 ", Line::Setting("top_k", "3")),
            ("/top_k=3", Line::Setting("top_k", "3")),
            ("/stop a b", Line::Setting("stop", "a b")),
            ("/prompt x", Line::Unknown("prompt")),
            ("/lr 1", Line::Unknown("lr")),
            ("/", Line::Unknown("")),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }

    #[test]
    fn the_help_fits_a_terminal() {
        let help = help();
        assert!(
            help.lines().all(|line| line.chars().count() <= 80),
            "{help}"
        );
        for command in [
            "/temperature X",
            "/top-k K",
            "/top-p P",
            "/seed N",
            "/reset",
        ] {
            assert!(help.lines().any(|l| l.starts_with(command)), "{help}");
        }
    }
}
