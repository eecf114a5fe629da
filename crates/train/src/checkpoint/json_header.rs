//! The JSON before the data: two passes, neither of which keeps more than a checkpoint of ours
//! needs, so that a header made to cost memory costs no more than its own size.

use std::{collections::HashMap, fmt};

use safetensors::Dtype;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::write::KEY;

/// Where safetensors keeps what is not a tensor.
const METADATA: &str = "__metadata__";

/// No tensor of ours has more dimensions.
const MOST_DIMENSIONS: usize = 4;

/// A tensor as the header describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) dtype: Dtype,
    pub(super) shape: Shape,
    /// The first byte of its numbers and the one after the last, from where the data begins.
    pub(super) data_offsets: (u64, u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape(pub(super) Vec<usize>);

/// The tensors of a header, as far as they are wanted.
pub(super) struct Entries {
    /// In the order of the names that were asked for; `None` where there is no such tensor.
    pub(super) found: Vec<Option<Entry>>,
    /// How many there are, wanted or not.
    pub(super) count: usize,
}

/// The value of our metadata key; `None` where there is none.
pub(super) fn metadata(head: &[u8]) -> Result<Option<String>, serde_json::Error> {
    whole(head, Metadata)
}

/// The tensors called `names`, which are distinct.
pub(super) fn entries(head: &[u8], names: &[String]) -> Result<Entries, serde_json::Error> {
    let places = (0..)
        .zip(names)
        .map(|(i, name)| (name.as_str(), i))
        .collect();
    whole(head, Wanted { places })
}

fn whole<'de, S>(head: &'de [u8], seed: S) -> Result<S::Value, serde_json::Error>
where
    S: DeserializeSeed<'de>,
{
    let mut json = serde_json::Deserializer::from_slice(head);
    let value = seed.deserialize(&mut json)?;
    json.end()?;
    Ok(value)
}

/// Looks for the metadata in the header.
struct Metadata;

impl<'de> DeserializeSeed<'de> for Metadata {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Metadata {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(value_of(METADATA, map, MetadataKey)?.flatten())
    }
}

/// Looks for our key in the metadata.
struct MetadataKey;

impl<'de> DeserializeSeed<'de> for MetadataKey {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MetadataKey {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        value_of(KEY, map, std::marker::PhantomData::<String>)
    }
}

/// The value that `map` has for `key`, which it may have once; all others are passed over.
fn value_of<'de, A: MapAccess<'de>, S: DeserializeSeed<'de>>(
    key: &str,
    mut map: A,
    seed: S,
) -> Result<Option<S::Value>, A::Error> {
    let (mut seed, mut found) = (Some(seed), None);
    while let Some(is_it) = map.next_key_seed(Is(key))? {
        if !is_it {
            map.next_value::<IgnoredAny>()?;
            continue;
        }
        let seed = seed
            .take()
            .ok_or_else(|| A::Error::custom(format!("`{key}` stands twice")))?;
        found = Some(map.next_value_seed(seed)?);
    }
    Ok(found)
}

/// Compares a key without keeping it.
struct Is<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == self.0)
    }
}

/// Looks for tensors by name.
struct Wanted<'a> {
    places: HashMap<&'a str, usize>,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Entries;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Entries, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        let (mut found, mut count) = (vec![None; self.places.len()], 0);
        while let Some(name) = map.next_key_seed(TensorName(&self.places))? {
            match name {
                Name::Metadata => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Name::Other => drop(map.next_value::<IgnoredAny>()?),
                Name::Wanted(i) => {
                    if found[i].replace(map.next_value::<Entry>()?).is_some() {
                        return Err(A::Error::custom("a tensor's name stands twice"));
                    }
                }
            }
            count += 1;
        }
        Ok(Entries { found, count })
    }
}

enum Name {
    Metadata,
    Wanted(usize),
    Other,
}

struct TensorName<'a>(&'a HashMap<&'a str, usize>);

impl<'de> DeserializeSeed<'de> for TensorName<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Name, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for TensorName<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        Ok(match self.0.get(name) {
            Some(i) => Name::Wanted(*i),
            None if name == METADATA => Name::Metadata,
            None => Name::Other,
        })
    }
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_seq(Dimensions).map(Self)
    }
}

struct Dimensions;

impl<'de> Visitor<'de> for Dimensions {
    type Value = Vec<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {MOST_DIMENSIONS} sizes")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<usize>, A::Error> {
        let mut sizes = Vec::new();
        while let Some(size) = list.next_element()? {
            if sizes.len() == MOST_DIMENSIONS {
                return Err(A::Error::invalid_length(sizes.len() + 1, &self));
            }
            sizes.push(size);
        }
        Ok(sizes)
    }
}
