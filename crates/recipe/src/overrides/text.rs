//! The serde form of overrides: a map from names to values.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
};

use super::{Overrides, SettingKey};
use crate::SettingValue;

impl Serialize for Overrides {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values().map(|(key, value)| (key.name(), value)))
    }
}

impl<'de> Deserialize<'de> for Overrides {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(SettingsVisitor)
    }
}

/// Deserializes a map of settings.
struct SettingsVisitor;

impl<'de> Visitor<'de> for SettingsVisitor {
    type Value = Overrides;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map from names of settings to values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Overrides, A::Error> {
        let mut overrides = Overrides::default();
        while let Some(name) = map.next_key::<String>()? {
            let key = SettingKey::find(&name).map_err(A::Error::custom)?;
            let value: SettingValue = map.next_value().map_err(|_| {
                A::Error::custom(format_args!(
                    "`{name}` must be a number, a string, true or false"
                ))
            })?;
            overrides
                .set(key.field, &value.to_string())
                .map_err(A::Error::custom)?;
        }
        Ok(overrides)
    }
}
