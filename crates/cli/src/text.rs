//! Texts by the name that was typed.

use std::path::Path;

use gptlab_data::{Builtin, Fingerprint, Origin, Text};
use gptlab_record::DataRecord;

use crate::exit::{Outcome, Stop};

/// The text called `typed`: a built-in one by its name, else a file. Nothing typed is `default`.
pub(crate) fn source(typed: Option<&str>, default: Builtin) -> Outcome<Text> {
    let Some(typed) = typed else {
        return Ok(Text::builtin(default));
    };
    match builtin(typed)? {
        Some(builtin) => Ok(Text::builtin(builtin)),
        None => Ok(Text::read(Path::new(typed))?),
    }
}

/// The built-in text that was typed, with its recipe if it has one (`copy:seed=3,size=200000`).
pub(crate) fn builtin(typed: &str) -> Outcome<Option<Builtin>> {
    // A file of that name is what somebody meant who has one.
    if Path::new(typed).is_file() {
        return Ok(None);
    }
    Builtin::parse(typed).map_err(Stop::usage)
}

/// The built-in text of this name, where its bytes have this fingerprint.
pub(crate) fn recorded(name: &str, fingerprint: Fingerprint) -> Option<Text> {
    let builtin = Builtin::parse(name).ok().flatten()?;
    Some(Text::builtin(builtin)).filter(|text| text.fingerprint() == fingerprint)
}

/// The built-in text whose bytes have this fingerprint.
pub(crate) fn by_fingerprint(fingerprint: Fingerprint) -> Option<Text> {
    Builtin::ALL
        .into_iter()
        .map(Text::builtin)
        .find(|text| text.fingerprint() == fingerprint)
}

/// The text that a run's record tells of, where it is still to be had and still the same.
pub(crate) fn of_record(data: &DataRecord) -> Option<Text> {
    let fingerprint: Fingerprint = data.fingerprint.parse().ok()?;
    let text = match serde_json::from_value(data.origin.clone()).ok()? {
        Origin::File(path) => Text::read(Path::new(&path)).ok()?,
        Origin::Builtin(name) => recorded(&name, fingerprint)?,
        Origin::Other(_) => by_fingerprint(fingerprint)?,
    };
    Some(text).filter(|text| text.fingerprint() == fingerprint)
}
