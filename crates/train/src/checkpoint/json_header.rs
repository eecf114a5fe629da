//! The JSON header before the data. It is parsed in two passes, and neither keeps more than one of
//! our own checkpoints needs: a malicious header costs no more memory than its own size.

use std::{collections::HashMap, fmt};

use safetensors::Dtype;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::write::KEY;

/// The key of a safetensors header that is not a tensor.
const METADATA: &str = "__metadata__";

/// The most dimensions of a tensor in our checkpoints.
const MOST_DIMENSIONS: usize = 4;

/// The header's description of one tensor.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) dtype: Dtype,
    pub(super) shape: Shape,
    /// The offsets of the tensor's first byte and of the byte after its last, from the start of the
    /// data.
    pub(super) data_offsets: (u64, u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape(pub(super) Vec<usize>);

/// The requested tensors of a header.
pub(super) struct Entries {
    /// The tensors in the order of the requested names; `None` for a name that the header lacks.
    pub(super) found: Vec<Option<Entry>>,
    /// The number of all tensors in the header.
    pub(super) count: usize,
}

/// Returns the value of our metadata key; `None` when the header lacks it.
pub(super) fn metadata(head: &[u8]) -> Result<Option<String>, serde_json::Error> {
    whole(head, Metadata)
}

/// Returns the tensors with the names `names`, which must be distinct.
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

/// A visitor that looks for the metadata in the header.
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

/// A visitor that looks for our key in the metadata.
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

/// Returns the value of `key` in `map` and ignores all others. A key that occurs twice is an error.
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
            .ok_or_else(|| A::Error::custom(format!("`{key}` occurs twice")))?;
        found = Some(map.next_value_seed(seed)?);
    }
    Ok(found)
}

/// A seed that compares a key with a string without storing the key.
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

/// A visitor that looks for tensors by name.
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
                        return Err(A::Error::custom("a tensor's name occurs twice"));
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
