//! Texts by the name that was typed.

use std::path::Path;

use gptlab_data::{Builtin, Fingerprint, Text};
use gptlab_recipe::TextOrigin;
use gptlab_record::DataRecord;

use crate::{
    exit::{CommandResult, Stop},
    memory,
};

/// Returns the text called `typed`: a built-in one by name, or else a file; `default` if nothing is
/// typed.
pub(crate) fn source(typed: Option<&str>, default: Builtin) -> CommandResult<Text> {
    let Some(typed) = typed else {
        return Ok(Text::builtin(default));
    };
    match builtin(typed)? {
        Some(builtin) => Ok(Text::builtin(builtin)),
        None => read(Path::new(typed)),
    }
}

/// Reads the text in the file at `path`, if there is memory for it.
pub(crate) fn read(path: &Path) -> CommandResult<Text> {
    read_recorded(path, None)
}

/// Returns the text of a run, which its `record` names if it has one, or else the built-in text
/// with this fingerprint; `None` if there is no such built-in text. A file is returned whatever its
/// fingerprint is.
pub(crate) fn of_run(
    record: Option<&DataRecord>,
    fingerprint: Fingerprint,
) -> CommandResult<Option<Text>> {
    let bytes = record.and_then(|data| data.bytes);
    match record.map(|data| &data.origin) {
        Some(TextOrigin::File(path)) => read_recorded(Path::new(path), bytes)
            .map(Some)
            .map_err(|stop| stop.hint("give the run's text with --data")),
        Some(TextOrigin::Builtin(name)) => Ok(recorded(name, fingerprint, bytes)),
        Some(TextOrigin::Other(_)) | None => Ok(by_fingerprint(fingerprint)),
    }
}

/// Reads a file that a record names, whose size is `bytes` if the record holds it.
fn read_recorded(path: &Path, bytes: Option<u64>) -> CommandResult<Text> {
    // A missing file is refused by the reader, with a better message.
    if let Ok(about) = path.metadata() {
        memory::check_text(path, about.len())?;
    }
    Ok(Text::read_recorded(path, bytes)?)
}

/// Returns the typed built-in text, with its recipe if it has one (`copy:seed=3,size=200000`).
pub(crate) fn builtin(typed: &str) -> CommandResult<Option<Builtin>> {
    // If a file has this name, it is preferred.
    if Path::new(typed).is_file() {
        return Ok(None);
    }
    Builtin::parse(typed).map_err(Stop::usage)
}

/// Returns the built-in text of this name, if its bytes have this fingerprint. A recipe that cannot
/// make `bytes` bytes is not run.
fn recorded(name: &str, fingerprint: Fingerprint, bytes: Option<u64>) -> Option<Text> {
    let builtin = Builtin::parse(name).ok().flatten()?;
    if bytes.is_some_and(|bytes| !builtin.may_have(bytes)) {
        return None;
    }
    Some(Text::builtin(builtin)).filter(|text| text.fingerprint() == fingerprint)
}

/// Returns the built-in text whose bytes have this fingerprint.
pub(crate) fn by_fingerprint(fingerprint: Fingerprint) -> Option<Text> {
    Builtin::all()
        .map(Text::builtin)
        .find(|text| text.fingerprint() == fingerprint)
}

/// Returns the text that a run's record names, if it is available, unchanged, and not too large
/// ([`left_out`]). N-gram baselines and pictures use it, and can do without it.
pub(crate) fn of_record(data: &DataRecord) -> Option<Text> {
    if size(data)? > MOST {
        return None;
    }
    let fingerprint: Fingerprint = data.fingerprint.parse().ok()?;
    let text = match &data.origin {
        TextOrigin::File(path) => Text::read_recorded(Path::new(path), data.bytes).ok()?,
        TextOrigin::Builtin(name) => recorded(name, fingerprint, data.bytes)?,
        TextOrigin::Other(_) => by_fingerprint(fingerprint)?,
    };
    Some(text).filter(|text| text.fingerprint() == fingerprint)
}

/// Returns a sentence if [`of_record`] leaves out a text because of its size.
pub(crate) fn left_out(data: &DataRecord) -> Option<String> {
    (size(data)? > MOST).then(|| {
        format!(
            "{} is larger than {} MiB, and is not read for n-gram baselines and pictures",
            data.source,
            MOST >> 20
        )
    })
}

/// The largest text, in bytes, that is read or generated for n-gram baselines and pictures alone. A
/// record can come from somebody else, and name a text that takes minutes.
const MOST: u64 = 64 << 20;

/// Returns the size, in bytes, of the text that `data` names; `None` if it is not available.
/// Nothing is read or generated.
fn size(data: &DataRecord) -> Option<u64> {
    let found = match &data.origin {
        TextOrigin::File(path) => Path::new(path).metadata().ok()?.len(),
        TextOrigin::Builtin(name) => match Builtin::parse(name).ok()?? {
            Builtin::Diagnostic(_, recipe) => recipe.size as u64,
            Builtin::Stories | Builtin::Names => 0,
        },
        TextOrigin::Other(_) => 0,
    };
    Some(found.max(data.bytes.unwrap_or(0)))
}
