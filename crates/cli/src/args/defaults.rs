//! The defaults, in the help, of those flags of `train` that are not settings.

use clap::{Arg, Command};

use super::command_line::SWITCH;

/// Adds each flag's default to the end of its help.
pub(super) fn with_defaults(train: Command) -> Command {
    train.mut_args(with_default)
}

fn with_default(arg: Arg) -> Arg {
    let help = arg.get_help().map(ToString::to_string);
    match help.filter(|help| !help.contains(" [default: ")) {
        Some(help) => {
            let with_default = format!("{help} [default: {}]", absent(&arg));
            arg.help(with_default)
        }
        None => arg,
    }
}

/// Returns the default of a flag whose help does not mention it.
fn absent(arg: &Arg) -> &'static str {
    let mut names = arg.get_value_names().unwrap_or_default().iter();
    if names.any(|name| name == SWITCH) {
        "0"
    } else if arg.get_action().takes_values() {
        "none"
    } else {
        "off"
    }
}
