//! The defaults of those flags of `train` that are no settings, in its help.

use clap::{Arg, Command};

use super::command_line::SWITCH;

/// `train` with each flag's default at the end of its help.
pub(super) fn with_defaults(train: Command) -> Command {
    train.mut_args(with_default)
}

fn with_default(arg: Arg) -> Arg {
    let help = arg.get_help().map(ToString::to_string);
    match help.filter(|help| !help.contains(" [default: ")) {
        Some(help) => {
            let said = format!("{help} [default: {}]", absent(&arg));
            arg.help(said)
        }
        None => arg,
    }
}

/// The default of a flag whose help does not say it.
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
