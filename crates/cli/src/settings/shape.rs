//! A comparison of a checkpoint's model with the typed one.

use std::path::Path;

use gptlab_model::ModelSpec;
use gptlab_recipe::Overrides;
use gptlab_record::{DifferenceOrder, SettingDifference, first_difference};

use crate::exit::{CommandResult, Stop};

/// Refuses model flags that describe another model than the one of the checkpoint at `path`.
pub(crate) fn same_shape(path: &Path, found: &ModelSpec, typed: &Overrides) -> CommandResult<()> {
    let requested = typed.spec(found.clone()).map_err(Stop::usage)?;
    let difference =
        first_difference(found, &requested, DifferenceOrder::PlainFirst).map_err(|error| {
            Stop::failure(format_args!(
                "cannot compare the model of {} with the flags: {error}",
                path.display()
            ))
        })?;
    let Some(difference) = difference else {
        return Ok(());
    };
    let (place, found, requested) = described(difference);
    Err(Stop::data(format_args!(
        "{} holds a model of another shape: its {place} is {found}, and the flags ask for {requested}",
        path.display()
    ))
    .hint("leave out the model's flags: a checkpoint knows its own model"))
}

/// Returns the place of a difference and both values, as the sentence contains them.
fn described(difference: SettingDifference) -> (String, String, String) {
    let SettingDifference {
        place,
        first,
        second,
    } = difference;
    match (first.as_array(), second.as_array()) {
        (Some(x), Some(y)) => (
            format!("number of {place}"),
            x.len().to_string(),
            y.len().to_string(),
        ),
        _ => (place, first.to_string(), second.to_string()),
    }
}
