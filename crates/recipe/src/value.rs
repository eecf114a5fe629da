//! The values of settings, as users type them and as files hold them.

use std::{
    fmt,
    num::{IntErrorKind, ParseIntError},
};

use gptlab_model::{Choice, Words};
use serde::{Deserialize, Serialize};

use crate::{Documents, DocumentsError};

/// The value of a setting, in the form that flags, TOML and JSON have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SettingValue {
    Switch(bool),
    Count(u64),
    Number(f64),
    Text(String),
}

/// Writes the value as a flag takes it: a switch is 1 or 0.
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(on) => u8::from(*on).fmt(f),
            Self::Count(n) => n.fmt(f),
            Self::Number(x) => x.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// The values that a setting takes.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// 1 or 0; the flag alone means 1.
    Switch,
    /// A whole number of at least 0.
    Count,
    Number,
    Text,
    /// One of these names.
    Choice(Vec<Words>),
}

/// A type of settings.
pub(crate) trait SettingType: Sized {
    fn kind() -> ValueKind;

    /// Parses a value that a user typed.
    ///
    /// # Errors
    /// Returns what was expected, as a sentence or as the part of one after a colon.
    fn read(typed: &str) -> Result<Self, String>;

    fn value(&self) -> SettingValue;
}

/// A limit or an interval that can be absent: 0 stands for "none".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroIsNone<T>(pub Option<T>);

impl<T: SettingType + Default + PartialEq> SettingType for ZeroIsNone<T> {
    fn kind() -> ValueKind {
        T::kind()
    }

    fn read(typed: &str) -> Result<Self, String> {
        let value = T::read(typed)?;
        let is_zero = value == T::default();
        if is_zero && typed.parse() != Ok(0.0) {
            return Err("it is 0 in the 32 bits that are kept of it; for none, give 0".into());
        }
        Ok(Self(Some(value).filter(|_| !is_zero)))
    }

    fn value(&self) -> SettingValue {
        self.0
            .as_ref()
            .map_or(SettingValue::Count(0), SettingType::value)
    }
}

/// Parses a switch that a user typed.
///
/// # Errors
/// Returns what was expected.
pub fn read_switch(typed: &str) -> Result<bool, String> {
    match typed {
        "1" | "true" | "on" | "yes" => Ok(true),
        "0" | "false" | "off" | "no" => Ok(false),
        _ => Err("a switch is 0 or 1".to_owned()),
    }
}

impl SettingType for bool {
    fn kind() -> ValueKind {
        ValueKind::Switch
    }

    fn read(typed: &str) -> Result<Self, String> {
        read_switch(typed)
    }

    fn value(&self) -> SettingValue {
        SettingValue::Switch(*self)
    }
}

/// Parses a count that a user typed.
///
/// # Errors
/// Returns what was expected.
pub fn read_count<N: TryFrom<u64> + Bounded>(typed: &str) -> Result<N, String> {
    let most = || format!("expected a number of at most {}", N::MOST);
    let count: Result<u64, ParseIntError> = typed.parse();
    match count {
        Ok(count) => N::try_from(count).map_err(|_| most()),
        Err(e) if *e.kind() == IntErrorKind::PosOverflow => Err(most()),
        Err(_) if typed.starts_with('-') => {
            Err("expected a whole number that is not negative".to_owned())
        }
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// Parses a number that a user typed.
///
/// # Errors
/// Returns what was expected.
pub fn read_number(typed: &str) -> Result<f64, String> {
    typed.parse().map_err(|_| "expected a number".to_owned())
}

/// A type of whole numbers that has a largest one.
pub trait Bounded {
    const MOST: u64;
}

impl Bounded for u32 {
    const MOST: u64 = Self::MAX as u64;
}

impl Bounded for u64 {
    const MOST: u64 = Self::MAX;
}

impl Bounded for usize {
    const MOST: u64 = Self::MAX as u64;
}

impl SettingType for u64 {
    fn kind() -> ValueKind {
        ValueKind::Count
    }

    fn read(typed: &str) -> Result<Self, String> {
        read_count(typed)
    }

    fn value(&self) -> SettingValue {
        SettingValue::Count(*self)
    }
}

impl SettingType for usize {
    fn kind() -> ValueKind {
        ValueKind::Count
    }

    fn read(typed: &str) -> Result<Self, String> {
        read_count(typed)
    }

    fn value(&self) -> SettingValue {
        SettingValue::Count(*self as u64)
    }
}

impl SettingType for f64 {
    fn kind() -> ValueKind {
        ValueKind::Number
    }

    fn read(typed: &str) -> Result<Self, String> {
        read_number(typed)
    }

    fn value(&self) -> SettingValue {
        SettingValue::Number(*self)
    }
}

impl SettingType for f32 {
    fn kind() -> ValueKind {
        ValueKind::Number
    }

    fn read(typed: &str) -> Result<Self, String> {
        typed.parse().map_err(|_| "expected a number".to_owned())
    }

    /// Returns the shortest decimal number that parses as this one.
    fn value(&self) -> SettingValue {
        let shortest = self.to_string().parse();
        SettingValue::Number(shortest.unwrap_or_else(|_| f64::from(*self)))
    }
}

impl SettingType for String {
    fn kind() -> ValueKind {
        ValueKind::Text
    }

    fn read(typed: &str) -> Result<Self, String> {
        Ok(typed.to_owned())
    }

    fn value(&self) -> SettingValue {
        SettingValue::Text(self.clone())
    }
}

impl SettingType for Documents {
    fn kind() -> ValueKind {
        ValueKind::Text
    }

    fn read(typed: &str) -> Result<Self, String> {
        typed.parse().map_err(|e: DocumentsError| e.to_string())
    }

    fn value(&self) -> SettingValue {
        SettingValue::Text(self.to_string())
    }
}

/// Implements [`SettingType`] for types with named choices.
macro_rules! choice_settings {
    ($($type:ty),+ $(,)?) => {
        $(impl SettingType for $type {
            fn kind() -> ValueKind {
                ValueKind::Choice(Self::ALL.iter().map(|value| value.words()).collect())
            }

            fn read(typed: &str) -> Result<Self, String> {
                Choice::parse(typed).map_err(|e| e.to_string())
            }

            fn value(&self) -> SettingValue {
                SettingValue::Text(self.name().to_owned())
            }
        })+
    };
}

choice_settings! {
    crate::Decay,
    crate::LrShape,
    crate::MlpShape,
    crate::ObserveLevel,
    crate::Optimizer,
    crate::Precision,
    crate::TokenizerKind,
    crate::WarmupStart,
    gptlab_model::Activation,
    gptlab_model::Mask,
    gptlab_model::Norm,
    gptlab_model::NormPlace,
    gptlab_model::SublayerOrder,
    gptlab_model::Position,
    gptlab_model::Preset,
    gptlab_model::ResidualInit,
    gptlab_model::Scale,
}

#[cfg(test)]
mod tests {
    use gptlab_model::Position;

    use super::*;

    #[test]
    fn a_value_is_written_as_it_was_typed() {
        assert_eq!(bool::read("on"), Ok(true));
        assert_eq!(u64::read("18446744073709551615"), Ok(u64::MAX));
        assert_eq!(f32::read("0.1").unwrap().value().to_string(), "0.1");
        assert_eq!(Position::read("rotary"), Ok(Position::Rotary));
        assert_eq!(ZeroIsNone::<f64>::read("0"), Ok(ZeroIsNone(None)));
        assert_eq!(ZeroIsNone::<f64>::read("-0.0"), Ok(ZeroIsNone(None)));
        assert_eq!(ZeroIsNone::<u64>::read("5"), Ok(ZeroIsNone(Some(5))));
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_was_expected() {
        let said = |found: Result<u64, String>| found.unwrap_err();
        assert_eq!(
            said(u64::read("-1")),
            "expected a whole number that is not negative"
        );
        assert_eq!(said(u64::read("1.5")), "expected a whole number");
        assert_eq!(
            said(u64::read("18446744073709551616")),
            "expected a number of at most 18446744073709551615"
        );
        assert_eq!(f64::read("fast").unwrap_err(), "expected a number");
        assert_eq!(bool::read("2").unwrap_err(), "a switch is 0 or 1");
        let tiny = ZeroIsNone::<f32>::read("1e-320").unwrap_err();
        assert!(tiny.starts_with("it is 0 in the 32 bits"), "{tiny}");
        let wrong = Position::read("rotery").unwrap_err();
        assert!(
            wrong.starts_with("there is no position called \"rotery\""),
            "{wrong}"
        );
    }
}
