//! Fault points without the feature `faults`: they do nothing and compile to nothing.

use std::{fs::File, io, path::Path};

/// Does nothing. With the feature `faults`, the operation `what` on `path` may fail here.
#[inline(always)]
#[expect(clippy::unnecessary_wraps, reason = "the signature of its twin")]
#[expect(
    clippy::inline_always,
    reason = "it is nothing, wherever it is called from"
)]
pub(crate) fn point(_: &'static str, _: &Path) -> io::Result<()> {
    Ok(())
}

/// Returns `file` unchanged.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is the file")]
pub(crate) fn writer<'a>(_: &'static str, _: &'a Path, file: &'a mut File) -> &'a mut File {
    file
}
