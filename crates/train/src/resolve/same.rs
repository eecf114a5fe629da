//! Whether what is to be resumed is what was begun.

use std::path::Path;

use gptlab_data::Text;
use gptlab_record::{Experiment, FileError};
use serde::Serialize;
use serde_json::Value;

use crate::{Checkpoint, Header};

/// Refuses a text that is not the one `checkpoint` was trained on.
pub(super) fn same_text(checkpoint: &Checkpoint, text: &Text) -> Result<(), FileError> {
    let expected = checkpoint.header().data.fingerprint;
    if text.fingerprint() == expected {
        return Ok(());
    }
    Err(FileError::wrong(
        checkpoint.path(),
        format!(
            "the text it was trained on, with fingerprint {}",
            expected.short()
        ),
        format!(
            "{} with fingerprint {}; a run resumes only with its own text",
            text.origin(),
            text.fingerprint().short()
        ),
    ))
}

/// Refuses settings that are not those of the run that saved `path`.
pub(super) fn same_run(path: &Path, asked: &Header, found: &Header) -> Result<(), FileError> {
    // The tokenizer first: another one makes another vocabulary, and may make other splits.
    let differences = [
        difference(
            "tokenizer",
            &plain(&asked.tokenizer),
            &plain(&found.tokenizer),
        ),
        difference("spec", &plain(&asked.spec), &plain(&found.spec)),
        difference("hyper", &plain(&asked.hyper), &plain(&found.hyper)),
        difference("seed", &plain(&asked.seed), &plain(&found.seed)),
        difference("data", &plain(&asked.data), &plain(&found.data)),
    ];
    refuse(path, differences.into_iter().flatten().next())
}

/// Refuses the run in `folder` where it is not `asked`, as far as numbers depend on it.
pub(crate) fn same_experiment(
    folder: &Path,
    found: &Experiment,
    asked: &Experiment,
) -> Result<(), FileError> {
    let numbers = |e: &Experiment| {
        serde_json::json!({
            "spec": plain(&e.spec),
            "tokenizer": e.tokenizer,
            "hyper": plain(&e.hyper),
            "seed": e.seed,
            "fingerprint": e.data.fingerprint,
            "val_fraction": e.data.val_fraction,
        })
    };
    refuse(folder, difference("", &numbers(asked), &numbers(found)))
}

fn refuse(path: &Path, difference: Option<Difference>) -> Result<(), FileError> {
    match difference {
        None => Ok(()),
        Some(Difference { place, a, b }) => Err(FileError::wrong(
            path,
            format!("`{place}` to be {a}, as asked for"),
            format!("{b}; a run resumes only as it was begun"),
        )),
    }
}

struct Difference {
    /// Keys from the outermost in, with dots between.
    place: String,
    a: String,
    b: String,
}

/// The first place where two JSON values differ.
fn difference(place: &str, a: &Value, b: &Value) -> Option<Difference> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) if x.keys().eq(y.keys()) => x
            .iter()
            .find_map(|(key, a)| difference(&inner(place, key), a, &y[key])),
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => x
            .iter()
            .zip(y)
            .enumerate()
            .find_map(|(i, (a, b))| difference(&inner(place, &i.to_string()), a, b)),
        _ if a == b => None,
        _ => Some(Difference {
            place: place.to_owned(),
            a: brief(a),
            b: brief(b),
        }),
    }
}

fn inner(place: &str, key: &str) -> String {
    match place {
        "" => key.to_owned(),
        _ => format!("{place}.{key}"),
    }
}

/// A value short enough for a sentence.
fn brief(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) | Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {
            let text = value.to_string();
            match text.char_indices().nth(60) {
                Some((at, _)) => format!("{}…", &text[..at]),
                None => text,
            }
        }
    }
}

fn plain(value: &impl Serialize) -> Value {
    // Through text, so that an f32 reads as it was typed.
    serde_json::to_string(value)
        .and_then(|text| serde_json::from_str(&text))
        .unwrap_or_default()
}
