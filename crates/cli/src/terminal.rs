//! The width of the terminal, and its language.

use std::{env, ops::RangeInclusive};

use terminal_size::{Width, terminal_size};

/// The width for output that is not read in a terminal, in characters.
pub(crate) const USUAL: usize = 80;
/// The widths that are used as they are, in characters.
const USABLE: RangeInclusive<usize> = 40..=1_000;

/// Returns the number of characters of a line of a stream: the variable `COLUMNS`, or the width of
/// the terminal if the stream is one. Returns `None` if lines need no wrapping.
pub(crate) fn width(is_terminal: bool) -> Option<usize> {
    let typed = env::var("COLUMNS")
        .ok()
        .and_then(|typed| typed.parse().ok());
    let found = || terminal_size().map(|(Width(width), _)| width.into());
    let width: Option<usize> = typed.or_else(|| is_terminal.then(found).flatten());
    width.map(|width| width.clamp(*USABLE.start(), *USABLE.end()))
}

/// Returns the two letters of the language that the environment asks for, as POSIX says which
/// variable counts (Base Definitions, 8.2); `None` if it asks for none.
pub(crate) fn language() -> Option<String> {
    let mut set = ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(|name| env::var(name).ok())
        .filter(|value| !value.is_empty());
    set.next()?.get(..2).map(str::to_ascii_lowercase)
}
