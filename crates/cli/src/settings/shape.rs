//! Whether a checkpoint's model is the one that was typed.

use std::path::Path;

use gptlab_model::{ModelSpec, Preset};
use serde_json::Value;

use crate::{
    args::ModelArgs,
    exit::{Outcome, Stop},
    settings::model,
};

/// Refuses model flags that ask for another model than the checkpoint at `path` holds.
pub(crate) fn same_shape(path: &Path, found: &ModelSpec, args: &ModelArgs) -> Outcome<()> {
    let base = args.preset.map_or_else(|| found.clone(), Preset::spec);
    let asked = model::over(base, args)?;
    let Some((place, found, asked)) = difference("", &plain(found), &plain(&asked)) else {
        return Ok(());
    };
    Err(Stop::data(format_args!(
        "{} holds a model of another shape: its {place} is {found}, and the flags ask for {asked}",
        path.display()
    ))
    .hint("leave out the model's flags: a checkpoint knows its own model"))
}

fn plain(spec: &ModelSpec) -> Value {
    // Through text, so that an f32 reads as it was typed. A spec is numbers and names: always JSON.
    serde_json::to_string(spec)
        .and_then(|text| serde_json::from_str(&text))
        .unwrap_or_default()
}

/// The first place where two values differ, and what stands there.
fn difference(place: &str, a: &Value, b: &Value) -> Option<(String, String, String)> {
    let inside = |key: &str| match place {
        "" => key.to_owned(),
        _ => format!("{place}.{key}"),
    };
    match (a, b) {
        (Value::Object(x), Value::Object(y)) if x.keys().eq(y.keys()) => {
            // Sizes say more than what follows from them.
            let plain = |v: &Value| !(v.is_object() || v.is_array());
            let find = |wanted| {
                let mut pairs = x.iter().filter(|(_, a)| plain(a) == wanted);
                pairs.find_map(|(key, a)| difference(&inside(key), a, &y[key]))
            };
            find(true).or_else(|| find(false))
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => (0..)
            .zip(x.iter().zip(y))
            .find_map(|(i, (a, b)): (usize, _)| difference(&inside(&i.to_string()), a, b)),
        (Value::Array(x), Value::Array(y)) => Some((
            format!("number of {place}"),
            x.len().to_string(),
            y.len().to_string(),
        )),
        _ if a == b => None,
        _ => Some((place.to_owned(), a.to_string(), b.to_string())),
    }
}
