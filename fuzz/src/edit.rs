//! JSON that is nearly right: a file the program made, with a few values changed.
//!
//! Bytes that are changed at random are refused by the JSON reader nearly always; these come
//! further.

use arbitrary::{Result, Unstructured};
use serde_json::{Map, Number, Value};

/// No input changes more values.
const MOST_EDITS: usize = 8;

/// `value` with up to [`MOST_EDITS`] values changed, removed, copied or added as `u` says.
pub(crate) fn edited(value: &Value, u: &mut Unstructured) -> Result<Value> {
    let mut value = value.clone();
    for _ in 0..u.int_in_range(0..=MOST_EDITS)? {
        let count = count(&value);
        let mut at = u.int_in_range(0..=count - 1)?;
        let other = node(&value, &mut u.int_in_range(0..=count - 1)?).cloned();
        if let Some(place) = node_mut(&mut value, &mut at) {
            edit(place, other.unwrap_or_default(), u)?;
        }
    }
    Ok(value)
}

/// How many values there are, `value` itself among them.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// The value of number `at`, counted from the beginning of the text.
fn node<'a>(value: &'a Value, at: &mut usize) -> Option<&'a Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter().find_map(|item| node(item, at)),
        Value::Object(map) => map.values().find_map(|item| node(item, at)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn node_mut<'a>(value: &'a mut Value, at: &mut usize) -> Option<&'a mut Value> {
    if *at == 0 {
        return Some(value);
    }
    *at -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| node_mut(item, at)),
        Value::Object(map) => map.values_mut().find_map(|item| node_mut(item, at)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn edit(place: &mut Value, other: Value, u: &mut Unstructured) -> Result<()> {
    match (u.int_in_range(0..=3u8)?, place) {
        (0, Value::Array(items)) => edit_items(items, other, u)?,
        (0, Value::Object(map)) => edit_map(map, other, u)?,
        (1, place) => *place = other,
        (_, place) => *place = leaf(u)?,
    }
    Ok(())
}

fn edit_items(items: &mut Vec<Value>, other: Value, u: &mut Unstructured) -> Result<()> {
    let at = u.int_in_range(0..=items.len())?;
    match (u.int_in_range(0..=3u8)?, items.get(at).cloned()) {
        (0, Some(_)) => drop(items.remove(at)),
        (1, Some(item)) => items.insert(at, item),
        (2, Some(item)) => items.extend(vec![item; u.int_in_range(1..=40)?]),
        (_, _) => items.insert(at, other),
    }
    Ok(())
}

fn edit_map(map: &mut Map<String, Value>, other: Value, u: &mut Unstructured) -> Result<()> {
    let at = u.int_in_range(0..=map.len())?;
    match map.keys().nth(at).cloned() {
        Some(key) => drop(map.remove(&key)),
        None => drop(map.insert(short(u)?, other)),
    }
    Ok(())
}

/// A number, a word or nothing.
fn leaf(u: &mut Unstructured) -> Result<Value> {
    Ok(match u.int_in_range(0..=9u8)? {
        0 => Value::Null,
        1 => Value::Bool(u.arbitrary()?),
        2 => Value::from(*u.choose(&[0, 1, 2, 1 << 24, 1 << 32, 1 << 53, u64::MAX])?),
        3 => Value::from(u.arbitrary::<i64>()?),
        4 => Value::from(u.int_in_range(0..=64u64)?),
        5 => float(*u.choose(&[-0.0, 0.5, 5e-324, 2e-308, 1e-40, 1e38, 1.7e308, -1e300])?),
        6 => float(u.arbitrary()?),
        7 => Value::from(*u.choose(&[
            "NaN",
            "inf",
            "-inf",
            "",
            "..",
            "/dev/zero",
            "a\u{1b}]52;\0",
        ])?),
        8 => Value::from(short(u)?),
        _ => Value::Array(Vec::new()),
    })
}

fn float(x: f64) -> Value {
    Number::from_f64(x).map_or(Value::Null, Value::Number)
}

/// A string of at most 40 bytes.
fn short(u: &mut Unstructured) -> Result<String> {
    let n = u.int_in_range(0..=40usize)?.min(u.len());
    Ok(String::from_utf8_lossy(u.bytes(n)?).into_owned())
}
