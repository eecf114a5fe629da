//! Finds the value at a path in JSON.

use serde_json::Value;

use crate::{
    expression::{Expression, Path},
    format::Format,
    words::listed,
};

/// The keys by which an element of an array is found, in this order.
const NAMES: [&str; 2] = ["name", "variant"];

/// Returns the value to which the segments of a path lead.
///
/// A segment is a key of an object; an index of an array, from 0; the `name` or `variant` of an
/// element of an array; or `KEY=VALUE`, which is true for one element.
///
/// # Errors
/// Returns a sentence that says which segment leads nowhere, and what stands there instead.
pub fn lookup<'a>(root: &'a Value, segments: &[String]) -> Result<&'a Value, String> {
    let mut value = root;
    for (i, segment) in segments.iter().enumerate() {
        let before = if i == 0 {
            "the output".to_owned()
        } else {
            format!("`{}`", segments[..i].join("."))
        };
        value = step(value, segment).map_err(|error| format!("{before} {error}"))?;
    }
    Ok(value)
}

fn step<'a>(value: &'a Value, segment: &str) -> Result<&'a Value, String> {
    match value {
        Value::Object(map) => map.get(segment).ok_or_else(|| {
            let keys = listed(map.keys().map(String::as_str));
            format!("has no key `{segment}`; it has {keys}")
        }),
        Value::Array(elements) => element(elements, segment),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err(format!("is {value}, which has no `{segment}`"))
        }
    }
}

fn element<'a>(elements: &'a [Value], segment: &str) -> Result<&'a Value, String> {
    let mut found = elements.iter().filter(|element| is_named(element, segment));
    match (found.next(), found.next()) {
        (Some(element), None) => return Ok(element),
        (Some(_), Some(_)) => {
            return Err(format!(
                "has several elements that are `{segment}`; use an index from 0, or another KEY=VALUE"
            ));
        }
        (None, _) => {}
    }
    let index: Option<usize> = segment.parse().ok();
    index.and_then(|i| elements.get(i)).ok_or_else(|| {
        let names = elements.iter().filter_map(name);
        format!(
            "has no element `{segment}`; it has {} elements, with the names {}",
            elements.len(),
            listed(names)
        )
    })
}

fn is_named(element: &Value, segment: &str) -> bool {
    if name(element) == Some(segment) {
        return true;
    }
    let Some((key, wanted)) = segment.split_once('=') else {
        return false;
    };
    // A text is compared without the quotation marks of JSON.
    element.get(key).is_some_and(|value| {
        let text = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        text == wanted
    })
}

fn name(element: &Value) -> Option<&str> {
    NAMES.iter().find_map(|key| element.get(key)?.as_str())
}

/// Returns the text of an expression, whose paths lead into the values that `values` returns for
/// the name of an output.
///
/// # Errors
/// Returns a sentence if a value is missing, or cannot be shown in this format.
pub fn evaluated<'a>(
    expression: &Expression,
    format: Format,
    values: impl Fn(&str) -> Result<&'a Value, String>,
) -> Result<String, String> {
    let find = |path: &Path| lookup(values(&path.output)?, &path.segments);
    let first = find(&expression.first)?;
    if expression.rest.is_empty() {
        return shown(first, format, &expression.first);
    }
    let mut result = number(first, &expression.first)?;
    for (operator, path) in &expression.rest {
        let (a, b) = (result, number(find(path)?, path)?);
        result = operator.of(a, b);
        if !result.is_finite() {
            return Err(format!("the result of {a} and {b} is not a finite number"));
        }
    }
    rounded(result, format)
}

/// Returns one value as text.
fn shown(value: &Value, format: Format, path: &Path) -> Result<String, String> {
    let is_plain = format == Format::default();
    match value {
        Value::String(text) if is_plain => Ok(text.clone()),
        Value::Bool(truth) if is_plain => Ok(truth.to_string()),
        Value::Number(number) if is_plain && !number.is_f64() => Ok(number.to_string()),
        Value::Number(number) if !number.is_f64() && !format.percent => {
            Ok(format.show(number.as_f64().unwrap_or(f64::NAN)))
        }
        Value::Number(_) => rounded(number(value, path)?, format),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(not_a_number(value, path))
        }
    }
}

fn number(value: &Value, path: &Path) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| not_a_number(value, path))
}

fn not_a_number(value: &Value, path: &Path) -> String {
    let found = match value {
        Value::Array(elements) => format!("an array of {} elements", elements.len()),
        Value::Object(map) => {
            let keys = listed(map.keys().map(String::as_str));
            format!("an object with the keys {keys}")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    };
    format!("expected a number at `{path}`, and found {found}")
}

fn rounded(value: f64, format: Format) -> Result<String, String> {
    if format.rounds() {
        Ok(format.show(value))
    } else {
        Err(format!(
            "{value} has a fraction: say how many decimals to show, such as `:.2`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn root() -> Value {
        json!({
            "vocab size": 58, "text": "tales", "none": null, "yes": true, "loss": 3.0718,
            "floors": [{"name": "uniform", "loss": 4.0}, {"name": "2-gram", "loss": 2.5}],
            "rows": [{"variant": "baseline", "n": 1}, {"variant": "no-mlp", "n": 2}],
            "cells": [{"variant": "a", "seed": 0}, {"variant": "a", "seed": 1, "loss": 0.5}],
            "list": [5, 6],
        })
    }

    fn text(reference: &str) -> Result<String, String> {
        let (path, format) = reference.split_once(':').unwrap_or((reference, ""));
        let format = match format {
            "" => Format::default(),
            format => Format::parse(format)?,
        };
        let root = root();
        let expression = Expression::parse(path)?;
        evaluated(&expression, format, |output| {
            if output == "o" {
                Ok(&root)
            } else {
                Err("unknown".into())
            }
        })
    }

    #[test]
    fn keys_indices_and_names_lead_to_values() {
        for (reference, expected) in [
            ("o.vocab size", "58"),
            ("o.vocab size:,", "58"),
            ("o.text", "tales"),
            ("o.yes", "true"),
            ("o.loss:.2", "3.07"),
            ("o.floors.2-gram.loss:.1", "2.5"),
            ("o.floors.0.loss:.1", "4.0"),
            ("o.rows.no-mlp.n", "2"),
            ("o.cells.seed=1.loss:%", "50%"),
            ("o.list.1", "6"),
            ("o.floors.uniform.loss - o.floors.2-gram.loss:+.2", "+1.50"),
            ("o.list.0 / o.list.1:.1%", "83.3%"),
        ] {
            assert_eq!(text(reference), Ok(expected.to_owned()), "{reference}");
        }
    }

    #[test]
    fn what_is_missing_is_named_with_what_is_there() {
        for (reference, expected) in [
            (
                "o.lost",
                "the output has no key `lost`; it has `cells`, `floors`",
            ),
            (
                "o.floors.9-gram.loss:.2",
                "`floors` has no element `9-gram`; it has 2 elements, with the names `uniform`, `2-gram`",
            ),
            ("o.list.2", "`list` has no element `2`"),
            ("o.cells.a", "several elements that are `a`"),
            ("o.text.x", "`text` is \"tales\", which has no `x`"),
            ("o.none", "expected a number at `o.none`, and found null"),
            (
                "o.text:.2",
                "expected a number at `o.text`, and found \"tales\"",
            ),
            ("o.floors", "found an array of 2 elements"),
            ("o.loss", "has a fraction: say how many decimals"),
            ("o.loss:,", "has a fraction"),
            ("o.loss - o.text:.2", "expected a number at `o.text`"),
            ("p.loss:.2", "unknown"),
        ] {
            let error = text(reference).unwrap_err();
            assert!(error.contains(expected), "{reference}: {error}");
        }
        assert!(
            text("o.loss / o.cells.0.seed:.2")
                .unwrap_err()
                .contains("not a finite")
        );
    }
}
