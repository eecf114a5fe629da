//! Whether a checkpoint's model is the one that was typed.

use std::path::Path;

use gptlab_model::ModelSpec;
use gptlab_recipe::Overrides;
use gptlab_record::{DifferenceOrder, SettingDifference, first_difference};

use crate::exit::{CommandResult, Stop};

/// Refuses model flags that ask for another model than the checkpoint at `path` holds.
pub(crate) fn same_shape(path: &Path, found: &ModelSpec, typed: &Overrides) -> CommandResult<()> {
    let asked = typed.spec(found.clone()).map_err(Stop::usage)?;
    let difference =
        first_difference(found, &asked, DifferenceOrder::PlainFirst).map_err(|error| {
            Stop::failure(format_args!(
                "cannot compare the model of {} with the flags: {error}",
                path.display()
            ))
        })?;
    let Some(difference) = difference else {
        return Ok(());
    };
    let (place, found, asked) = said(difference);
    Err(Stop::data(format_args!(
        "{} holds a model of another shape: its {place} is {found}, and the flags ask for {asked}",
        path.display()
    ))
    .hint("leave out the model's flags: a checkpoint knows its own model"))
}

/// The place of a difference and both values, as the sentence says them.
fn said(difference: SettingDifference) -> (String, String, String) {
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
