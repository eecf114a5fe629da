//! The first setting in which two records differ.

use serde::Serialize;
use serde_json::{Map, Value};

/// A place where two values differ, and what stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Keys from the outermost in, with dots between: `hyper.lr`.
    pub place: String,
    /// What stands there in the first value and in the second, short enough for a sentence.
    pub first: String,
    pub second: String,
}

/// The first place where `a` and `b` differ as JSON; `None` where they are equal.
///
/// # Errors
/// When one of them cannot be JSON.
pub fn first_difference(
    a: &impl Serialize,
    b: &impl Serialize,
) -> Result<Option<Difference>, serde_json::Error> {
    Ok(difference("", &plain(a)?, &plain(b)?))
}

/// Through text, so that an `f32` reads as it was typed.
fn plain(value: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&serde_json::to_string(value)?)
}

fn difference(place: &str, a: &Value, b: &Value) -> Option<Difference> {
    match (a, b) {
        (Value::Object(x), Value::Object(y)) => {
            // What one of them leaves out is nothing there.
            let of = |map: &'_ Map<String, Value>, key: &str| map.get(key).cloned();
            let mut keys: Vec<&String> = x.keys().chain(y.keys()).collect();
            keys.sort();
            keys.dedup();
            keys.into_iter().find_map(|key| {
                let (a, b) = (of(x, key), of(y, key));
                let (a, b) = (a.unwrap_or_default(), b.unwrap_or_default());
                difference(&within(place, key), &a, &b)
            })
        }
        (Value::Array(x), Value::Array(y)) if x.len() == y.len() => x
            .iter()
            .zip(y)
            .enumerate()
            .find_map(|(i, (a, b))| difference(&within(place, &i.to_string()), a, b)),
        _ if a == b => None,
        _ => Some(Difference {
            place: place.to_owned(),
            first: brief(a),
            second: brief(b),
        }),
    }
}

fn within(place: &str, key: &str) -> String {
    match place {
        "" => key.to_owned(),
        _ => format!("{place}.{key}"),
    }
}

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_place() {
        let found = |a, b| first_difference(&a, &b).unwrap();
        assert_eq!(found(json!({"a": [1, 2]}), json!({"a": [1, 2]})), None);
        let deep = found(json!({"a": {"b": [1, 2]}}), json!({"a": {"b": [1, 3]}})).unwrap();
        assert_eq!(
            (&*deep.place, &*deep.first, &*deep.second),
            ("a.b.1", "2", "3")
        );
        let absent = found(json!({"a": 1}), json!({"a": 1, "b": [2]})).unwrap();
        assert_eq!(
            (&*absent.place, &*absent.first, &*absent.second),
            ("b", "null", "a list of 1")
        );
        let long = found(json!({"a": "x".repeat(99)}), json!({"a": [1]})).unwrap();
        assert_eq!(
            (long.first.chars().count(), &*long.second),
            (61, "a list of 1")
        );
    }
}
