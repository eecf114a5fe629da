//! Texts by the name that was typed.

use std::path::Path;

use gptlab_data::{Builtin, Fingerprint, Text};
use gptlab_recipe::TextOrigin;
use gptlab_record::DataRecord;

use crate::{
    exit::{CommandResult, Stop},
    memory,
};

/// The text called `typed`: a built-in one by its name, else a file. Nothing typed is `default`.
pub(crate) fn source(typed: Option<&str>, default: Builtin) -> CommandResult<Text> {
    let Some(typed) = typed else {
        return Ok(Text::builtin(default));
    };
    match builtin(typed)? {
        Some(builtin) => Ok(Text::builtin(builtin)),
        None => read(Path::new(typed)),
    }
}

/// The text in the file at `path`, where there is memory for it.
pub(crate) fn read(path: &Path) -> CommandResult<Text> {
    read_recorded(path, None)
}

/// [`read`] of a file that a record names, which has so many `bytes` where the record tells them.
pub(crate) fn read_recorded(path: &Path, bytes: Option<u64>) -> CommandResult<Text> {
    // One that is missing is refused by who reads it, in better words.
    if let Ok(about) = path.metadata() {
        memory::check_text(path, about.len())?;
    }
    Ok(Text::read_recorded(path, bytes)?)
}

/// The built-in text that was typed, with its recipe if it has one (`copy:seed=3,size=200000`).
pub(crate) fn builtin(typed: &str) -> CommandResult<Option<Builtin>> {
    // A file of that name is what somebody meant who has one.
    if Path::new(typed).is_file() {
        return Ok(None);
    }
    Builtin::parse(typed).map_err(Stop::usage)
}

/// The built-in text of this name, where its bytes have this fingerprint. A recipe that cannot make
/// so many `bytes` is not followed.
pub(crate) fn recorded(name: &str, fingerprint: Fingerprint, bytes: Option<u64>) -> Option<Text> {
    let builtin = Builtin::parse(name).ok().flatten()?;
    if bytes.is_some_and(|bytes| !builtin.may_have(bytes)) {
        return None;
    }
    Some(Text::builtin(builtin)).filter(|text| text.fingerprint() == fingerprint)
}

/// The built-in text whose bytes have this fingerprint.
pub(crate) fn by_fingerprint(fingerprint: Fingerprint) -> Option<Text> {
    Builtin::all()
        .map(Text::builtin)
        .find(|text| text.fingerprint() == fingerprint)
}

/// The text that a run's record tells of, where it is still to be had, still the same, and not too
/// large ([`left_out`]): for guides and pictures, which do without.
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

/// A sentence where [`of_record`] leaves a text out for its size.
pub(crate) fn left_out(data: &DataRecord) -> Option<String> {
    (size(data)? > MOST).then(|| {
        format!(
            "{} is larger than {} MiB, and is not read for n-gram tables and pictures",
            data.source,
            MOST >> 20
        )
    })
}

/// In bytes: what is read or made for guides and pictures alone is no larger. A record may be
/// somebody else's, and name a text that takes minutes.
const MOST: u64 = 64 << 20;

/// The size of the text that `data` tells of, in bytes; `None` where it is not to be had. Nothing
/// is read or made.
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
