//! JSON with one form for every value, and numbers that may be infinite.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{FileError, regular};

/// `value` as JSON without spaces and with sorted keys: equal values are equal bytes.
///
/// Numbers take the shortest form that reads back the same, `f32` among them.
///
/// # Errors
/// When `value` cannot be JSON, such as a map whose keys are no strings.
pub fn canonical(value: &impl Serialize) -> Result<String, serde_json::Error> {
    sorted(value).and_then(|v| serde_json::to_string(&v))
}

/// [`canonical`] laid out for a person, with a line break at the end.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = sorted(value).and_then(|v| serde_json::to_string_pretty(&v))?;
    Ok(text + "\n")
}

/// By way of text: straight to a [`Value`], an `f32` of 0.1 would become the `f64` beside it.
fn sorted(value: &impl Serialize) -> Result<Value, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    Ok(sort(serde_json::from_str(&text)?))
}

/// Sorts keys even where some other crate turned on `serde_json`'s insertion order.
fn sort(value: Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(sort).collect(),
        Value::Object(map) => {
            let keys: BTreeMap<String, Value> =
                map.into_iter().map(|(k, v)| (k, sort(v))).collect();
            Value::Object(keys.into_iter().collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

/// Reads a JSON file of at most `limit` bytes; `what` says what it has to be.
///
/// # Errors
/// When it cannot be read, is larger, or is not `what`.
pub fn read<T: DeserializeOwned>(path: &Path, limit: u64, what: &str) -> Result<T, FileError> {
    let text = read_text(path, limit, what)?;
    serde_json::from_str(&text).map_err(|e| FileError::wrong(path, what, e.to_string()))
}

fn read_text(path: &Path, limit: u64, what: &str) -> Result<String, FileError> {
    let file = regular::open(path)?;
    let length = file.metadata().map_err(FileError::io("read", path))?.len();
    if length > limit {
        return Err(FileError::wrong(
            path,
            format!("{what} of at most {limit} bytes"),
            format!("{length} bytes"),
        ));
    }
    let mut text = String::new();
    match file.take(limit).read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(e) if e.kind() == io::ErrorKind::InvalidData => {
            Err(FileError::wrong(path, what, "bytes that are not UTF-8"))
        }
        Err(e) => Err(FileError::io("read", path)(e)),
    }
}

/// What a number is in JSON, which has no word for infinity: a model that diverged has such losses.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Named(NonFiniteName),
}

#[derive(serde::Serialize, serde::Deserialize)]
enum NonFiniteName {
    #[serde(rename = "NaN")]
    Nan,
    #[serde(rename = "inf")]
    Infinity,
    #[serde(rename = "-inf")]
    NegativeInfinity,
}

impl From<f64> for Number {
    fn from(x: f64) -> Self {
        if x.is_finite() {
            Self::Finite(x)
        } else if x.is_nan() {
            Self::Named(NonFiniteName::Nan)
        } else if x > 0.0 {
            Self::Named(NonFiniteName::Infinity)
        } else {
            Self::Named(NonFiniteName::NegativeInfinity)
        }
    }
}

impl From<Number> for f64 {
    fn from(number: Number) -> Self {
        match number {
            Number::Finite(x) => x,
            Number::Named(NonFiniteName::Nan) => f64::NAN,
            Number::Named(NonFiniteName::Infinity) => f64::INFINITY,
            Number::Named(NonFiniteName::NegativeInfinity) => f64::NEG_INFINITY,
        }
    }
}

/// For `#[serde(with)]` on an `f64` that need not be finite: JSON has no word for infinity, so that
/// such a number is the string `"NaN"`, `"inf"` or `"-inf"`.
pub mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(x: &f64, s: S) -> Result<S::Ok, S::Error> {
        super::Number::from(*x).serialize(s)
    }

    /// # Errors
    /// When it is neither a number nor one of the three strings.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        super::Number::deserialize(d).map(Into::into)
    }
}

/// [`number`] for an `Option<f64>`.
pub(crate) mod maybe_number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(x: &Option<f64>, s: S) -> Result<S::Ok, S::Error> {
        x.map(super::Number::from).serialize(s)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
        Ok(Option::<super::Number>::deserialize(d)?.map(Into::into))
    }
}

/// [`number`] for a list.
pub(crate) mod numbers {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(x: &[f64], s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(x.iter().map(|x| super::Number::from(*x)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f64>, D::Error> {
        let numbers = Vec::<super::Number>::deserialize(d)?;
        Ok(numbers.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_sorts_keys_and_keeps_short_floats() {
        #[derive(Serialize)]
        struct Mixed {
            b: f32,
            a: f64,
            inner: BTreeMap<&'static str, u64>,
        }
        let mixed = Mixed {
            b: 0.1,
            a: 0.1 + 0.2,
            inner: [("y", u64::MAX), ("x", 0)].into(),
        };
        assert_eq!(
            canonical(&mixed).unwrap(),
            r#"{"a":0.30000000000000004,"b":0.1,"inner":{"x":0,"y":18446744073709551615}}"#
        );
    }

    proptest::proptest! {
        #[test]
        fn every_float_comes_back_to_the_bit(bits: u64, small: u32) {
            let x = f64::from_bits(bits);
            if x.is_finite() {
                let back: f64 = serde_json::from_str(&canonical(&x).unwrap()).unwrap();
                proptest::prop_assert_eq!(back.to_bits(), bits);
            }
            let y = f32::from_bits(small);
            if y.is_finite() {
                let back: f32 = serde_json::from_str(&canonical(&y).unwrap()).unwrap();
                proptest::prop_assert_eq!(back.to_bits(), small);
            }
        }
    }
}
