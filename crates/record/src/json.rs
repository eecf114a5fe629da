//! Canonical JSON, and numbers that may be infinite.

use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{FileError, regular};

/// Writes `value` as JSON without spaces and with sorted keys, so that equal values have equal
/// bytes.
///
/// Each number, `f32` or `f64`, takes the shortest form that parses to the same value.
///
/// # Errors
/// Returns an error if `value` cannot be written as JSON, such as a map whose keys are not strings.
pub fn canonical(value: &impl Serialize) -> Result<String, serde_json::Error> {
    sorted(value).and_then(|v| serde_json::to_string(&v))
}

/// Writes `value` as [`canonical`] does, but indented and with a line break at the end.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = sorted(value).and_then(|v| serde_json::to_string_pretty(&v))?;
    Ok(text + "\n")
}

/// Converts `value` through text. A direct conversion to [`Value`] would turn the `f32` 0.1 into
/// 0.10000000149011612.
fn sorted(value: &impl Serialize) -> Result<Value, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    Ok(sort(serde_json::from_str(&text)?))
}

/// Sorts the keys, even if another crate has enabled `serde_json`'s `preserve_order`.
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

/// Reads a JSON file of at most `limit` bytes. `what` names its kind in errors.
///
/// # Errors
/// Returns an error if the file cannot be read, is larger than `limit`, or does not parse.
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

/// The JSON form of a number. JSON cannot express NaN and infinity, which the losses of a diverged
/// model are.
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

/// The module for `#[serde(with)]` on an `f64` that may be NaN or infinite. JSON cannot express
/// such a number, so it becomes the string `"NaN"`, `"inf"` or `"-inf"`.
pub mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes `x` as a number, or as a string if it is not finite.
    ///
    /// # Errors
    /// Returns the serializer's errors.
    pub fn serialize<S: Serializer>(x: &f64, s: S) -> Result<S::Ok, S::Error> {
        super::Number::from(*x).serialize(s)
    }

    /// Reads a number, or one of the strings `"NaN"`, `"inf"` and `"-inf"`.
    ///
    /// # Errors
    /// Returns an error if the value is neither a number nor one of the three strings.
    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        super::Number::deserialize(d).map(Into::into)
    }
}

/// The same module as [`number`] for an `Option<f64>`.
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

/// The same module as [`number`] for a list of numbers.
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
