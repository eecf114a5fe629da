//! Checks that a resumed run has the same text and settings as before.

use std::{io, path::Path};

use gptlab_data::Text;
use gptlab_recipe::{Hyper, TextOrigin};
use gptlab_record::{DataRecord, DifferenceOrder, Experiment, FileError, first_difference};
use serde::Serialize;

use crate::{Checkpoint, Header};

/// Refuses a text other than the one that `checkpoint` was trained on.
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

/// Refuses settings that differ from those of the run that saved `path`.
pub(super) fn same_run(path: &Path, requested: &Header, found: &Header) -> Result<(), FileError> {
    // The tokenizer is compared first: a different one has a different vocabulary and often other
    // splits.
    refuse(path, &requested.tokenizer, &found.tokenizer, "tokenizer")?;
    refuse(path, &requested.spec, &found.spec, "spec")?;
    refuse(path, &requested.hyper, &found.hyper, "hyper")?;
    refuse(path, &requested.seed, &found.seed, "seed")?;
    refuse(path, &requested.data, &found.data, "data")
}

/// Refuses the run in `folder` if a setting that changes its numbers differs from `requested`. The
/// number of steps is not compared, because a change of it is allowed and recorded.
pub(crate) fn same_experiment(
    folder: &Path,
    found: &Experiment,
    requested: &Experiment,
) -> Result<(), FileError> {
    let numbers = |e: &Experiment| {
        let hyper = Hyper {
            steps: 0,
            ..e.hyper
        };
        let fingerprint = e.data.fingerprint.clone();
        let all = (
            e.spec.clone(),
            hyper,
            e.seed,
            fingerprint,
            e.data.val_fraction,
        );
        (e.tokenizer.clone(), all)
    };
    let ((requested_tokenizer, requested), (found_tokenizer, found)) =
        (numbers(requested), numbers(found));
    refuse(folder, &requested_tokenizer, &found_tokenizer, "tokenizer")?;
    refuse(folder, &requested.0, &found.0, "spec")?;
    refuse(folder, &requested.1, &found.1, "hyper")?;
    refuse(folder, &requested.2, &found.2, "seed")?;
    refuse(folder, &requested.3, &found.3, "fingerprint")?;
    refuse(folder, &requested.4, &found.4, "val_fraction")
}

/// Refuses the run in `folder` if any setting differs from `requested`, whether or not it changes a
/// number. The program, the engine and the place of the text are not settings. A setting that a
/// record of format 1 lacks is not compared.
///
/// # Errors
/// Returns an error that names the first setting that differs.
pub fn same_settings(
    folder: &Path,
    found: &Experiment,
    requested: &Experiment,
) -> Result<(), FileError> {
    let mut found = found.clone();
    if found.format < Experiment::FORMAT {
        found.isa.clone_from(&requested.isa);
        found.observe = requested.observe;
        found.sampling = requested.sampling.clone();
        found.intervals.checkpoint_seconds = requested.intervals.checkpoint_seconds;
        found.data.bytes = requested.data.bytes;
    }
    // The text and its split are compared before the sizes that follow from them.
    let data = |e: &Experiment| (e.data.fingerprint.clone(), e.data.val_fraction);
    let ((requested_text, requested_fraction), (found_text, found_fraction)) =
        (data(requested), data(&found));
    refuse(folder, &requested.tokenizer, &found.tokenizer, "tokenizer")?;
    refuse(folder, &requested_text, &found_text, "data.fingerprint")?;
    refuse(
        folder,
        &requested_fraction,
        &found_fraction,
        "data.val_fraction",
    )?;
    refuse(
        folder,
        &settings_alone(requested),
        &settings_alone(&found),
        "",
    )
}

/// Returns `experiment` with everything that is not a setting blanked.
fn settings_alone(experiment: &Experiment) -> Experiment {
    Experiment {
        format: Experiment::FORMAT,
        program: String::new(),
        engine: String::new(),
        data: DataRecord {
            source: String::new(),
            origin: TextOrigin::Other(String::new()),
            ..experiment.data.clone()
        },
        ..experiment.clone()
    }
}

/// Returns an error if `requested` and `found`, the values at `place`, differ.
fn refuse<T: Serialize>(
    path: &Path,
    requested: &T,
    found: &T,
    place: &str,
) -> Result<(), FileError> {
    let difference = first_difference(requested, found, DifferenceOrder::Keys)
        .map_err(|e| FileError::io("compare", path)(io::Error::other(e)))?;
    let Some(difference) = difference else {
        return Ok(());
    };
    let [first, second] = difference.brief();
    let both = [place, &difference.place]
        .into_iter()
        .filter(|part| !part.is_empty());
    let place = both.collect::<Vec<_>>().join(".");
    Err(FileError::wrong(
        path,
        format!("`{place}` to be {first}, as requested"),
        format!("{second}; a run resumes only with its own settings"),
    ))
}
