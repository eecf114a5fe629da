//! Texts by the name that was typed.

use std::path::Path;

use gptlab_data::{Builtin, Fingerprint, Text};

use crate::exit::Outcome;

/// The text called `typed`: a built-in one by its name, else a file. Nothing typed is `default`.
pub(crate) fn source(typed: Option<&str>, default: Builtin) -> Outcome<Text> {
    let Some(typed) = typed else {
        return Ok(Text::builtin(default));
    };
    match Builtin::from_name(typed) {
        // A file of that name is what somebody meant who has one.
        Some(builtin) if !Path::new(typed).is_file() => Ok(Text::builtin(builtin)),
        Some(_) | None => Ok(Text::read(Path::new(typed))?),
    }
}

/// The built-in text whose bytes have this fingerprint.
pub(crate) fn by_fingerprint(fingerprint: Fingerprint) -> Option<Text> {
    Builtin::ALL
        .into_iter()
        .map(Text::builtin)
        .find(|text| text.fingerprint() == fingerprint)
}
