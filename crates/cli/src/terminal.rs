//! The width of the terminal.

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
