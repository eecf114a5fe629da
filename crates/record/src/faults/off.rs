//! Without the feature `faults`: nothing happens, and nothing is left of it in the program.

use std::{fs::File, io, path::Path};

/// Before `what` is done to `path`.
#[inline(always)]
#[expect(clippy::unnecessary_wraps, reason = "the signature of its twin")]
#[expect(
    clippy::inline_always,
    reason = "it is nothing, wherever it is called from"
)]
pub(crate) fn point(_: &'static str, _: &Path) -> io::Result<()> {
    Ok(())
}

/// What writes to `file`, which is `path` or will be.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is the file")]
pub(crate) fn writer<'a>(_: &'static str, _: &'a Path, file: &'a mut File) -> &'a mut File {
    file
}
