//! The first place in which two records differ. All code that compares settings as JSON uses it.

use serde::Serialize;
use serde_json::{Map, Value};

/// A place where two values differ, with both values.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The keys from the outermost to the innermost, separated by dots: `hyper.lr`.
    pub place: String,
    /// The first value at this place; null when the first record has none.
    pub first: Value,
    /// The second value at this place; null when the second record has none.
    pub second: Value,
}

impl Difference {
    /// Returns both values short enough for a sentence.
    pub fn brief(&self) -> [String; 2] {
        [brief(&self.first), brief(&self.second)]
    }
}

/// The order in which places are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceOrder {
    /// Keys are compared in alphabetical order. A key that only one object has is compared with
    /// null.
    Keys,
    /// The numbers, strings and booleans of an object are compared before its nested values,
    /// because a size explains the lists that follow from it. Objects with different keys differ as
    /// a whole.
    PlainFirst,
}

/// Returns the first place, in the given order, where `a` and `b` differ as JSON; `None` when they
/// are equal.
///
/// # Errors
/// Returns an error if one of them cannot be written as JSON.
pub fn first_difference(
    a: &impl Serialize,
    b: &impl Serialize,
    order: DifferenceOrder,
) -> Result<Option<Difference>, serde_json::Error> {
    Ok(difference("", &plain(a)?, &plain(b)?, order))
}

/// Converts `value` through text, so that an `f32` keeps the digits that the user typed.
fn plain(value: &impl Serialize) -> Result<Value, serde_json::Error> {
    serde_json::from_str(&serde_json::to_string(value)?)
}

fn difference(place: &str, a: &Value, b: &Value, order: DifferenceOrder) -> Option<Difference> {
    match (a, b, order) {
        (Value::Object(x), Value::Object(y), DifferenceOrder::Keys) => by_keys(place, x, y),
        (Value::Object(x), Value::Object(y), DifferenceOrder::PlainFirst)
            if x.keys().eq(y.keys()) =>
        {
            let nests = |v: &Value| v.is_object() || v.is_array();
            let find = |nested: bool| {
                let mut pairs = x.iter().filter(|(_, a)| nests(a) == nested);
                pairs.find_map(|(key, a)| difference(&within(place, key), a, &y[key], order))
            };
            find(false).or_else(|| find(true))
        }
        (Value::Array(x), Value::Array(y), _) if x.len() == y.len() => x
            .iter()
            .zip(y)
            .enumerate()
            .find_map(|(i, (a, b))| difference(&within(place, &i.to_string()), a, b, order)),
        _ if a == b => None,
        _ => Some(Difference {
            place: place.to_owned(),
            first: a.clone(),
            second: b.clone(),
        }),
    }
}

fn by_keys(place: &str, x: &Map<String, Value>, y: &Map<String, Value>) -> Option<Difference> {
    let mut keys: Vec<&String> = x.keys().chain(y.keys()).collect();
    keys.sort();
    keys.dedup();
    let of = |map: &Map<String, Value>, key: &str| map.get(key).cloned().unwrap_or(Value::Null);
    keys.into_iter().find_map(|key| {
        let (a, b) = (of(x, key), of(y, key));
        difference(&within(place, key), &a, &b, DifferenceOrder::Keys)
    })
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
        let found = |a, b| {
            let found = first_difference(&a, &b, DifferenceOrder::Keys).unwrap();
            found.map(|d| (d.place.clone(), d.brief()))
        };
        let expected = |place: &str, first: &str, second: &str| {
            Some((place.to_owned(), [first.to_owned(), second.to_owned()]))
        };
        assert_eq!(found(json!({"a": [1, 2]}), json!({"a": [1, 2]})), None);
        assert_eq!(
            found(json!({"a": {"b": [1, 2]}}), json!({"a": {"b": [1, 3]}})),
            expected("a.b.1", "2", "3")
        );
        assert_eq!(
            found(json!({"a": 1}), json!({"a": 1, "b": [2]})),
            expected("b", "null", "a list of 1")
        );
        let (_, [first, second]) =
            found(json!({"a": "x".repeat(99)}), json!({"a": [1]})).expect("a difference");
        assert_eq!((first.chars().count(), &*second), (61, "a list of 1"));
    }

    #[test]
    fn sizes_come_before_what_follows_from_them() {
        let (a, b) = (
            json!({"list": [1], "size": 1}),
            json!({"list": [2], "size": 2}),
        );
        let place = |order| first_difference(&a, &b, order).unwrap().map(|d| d.place);
        assert_eq!(place(DifferenceOrder::Keys).as_deref(), Some("list.0"));
        assert_eq!(place(DifferenceOrder::PlainFirst).as_deref(), Some("size"));
        let kinds = [json!({"x": {"a": 1}}), json!({"x": {"b": 1}})];
        let found = first_difference(&kinds[0], &kinds[1], DifferenceOrder::PlainFirst).unwrap();
        assert_eq!(found.map(|d| d.place).as_deref(), Some("x"));
    }

    /// Two values that JSON cannot hold must not count as equal.
    #[test]
    fn what_cannot_be_json_is_an_error() {
        let odd = std::collections::BTreeMap::from([([1, 2], 3)]);
        assert!(first_difference(&odd, &odd, DifferenceOrder::Keys).is_err());
    }
}
