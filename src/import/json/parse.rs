//! JSON to a tree of values, bounded in depth and memory. Keys keep their order; a repeated key is
//! refused, because readers disagree about which one counts.

use super::{Error, Limits};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// A JSON value.
pub(super) enum Json {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Box<str>),
    List(Vec<Json>),
    Map(Vec<(Box<str>, Json)>),
}

impl Json {
    /// The value as a whole number of at least 0.
    pub(super) fn natural(&self) -> Option<u64> {
        match self {
            Self::Int(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The value as a number; JSON lacks infinities, so texts stand for them.
    pub(super) fn number(&self) -> Option<f64> {
        match self {
            Self::Int(value) => Some(*value as f64),
            Self::Float(value) => Some(*value),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            Self::Text(text) => match &**text {
                "inf" => Some(f64::INFINITY),
                "-inf" => Some(f64::NEG_INFINITY),
                "nan" => Some(f64::NAN),
                _ => None,
            },
            Self::Null | Self::List(_) | Self::Map(_) => None,
        }
    }
}

pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Json, Error> {
    let mut memory_left = limits.memory_bytes;
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Seed {
        depth_left: limits.depth,
        memory_left: &mut memory_left,
    };
    seed.deserialize(&mut deserializer)
        .and_then(|json| deserializer.end().map(|()| json))
        .map_err(|error| Error::Syntax(error.to_string()))
}

struct Seed<'a> {
    depth_left: usize,
    memory_left: &'a mut usize,
}

impl Seed<'_> {
    /// The tree and the raw graph made from it may live at once, hence twice.
    fn spend<E: serde::de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        match self.memory_left.checked_sub(2 * bytes) {
            Some(left) => *self.memory_left = left,
            None => return Err(E::custom("it needs more memory than `limits.memory_bytes`")),
        }
        Ok(())
    }

    fn inside<E: serde::de::Error>(&mut self) -> Result<Seed<'_>, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Seed {
                depth_left,
                memory_left: self.memory_left,
            }),
            None => Err(E::custom("it is nested deeper than `limits.depth`")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(match i64::try_from(value) {
            Ok(value) => Json::Int(value),
            Err(_) => Json::Float(value as f64),
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Float(value))
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<Json, E> {
        self.spend(text.len())?;
        Ok(Json::Text(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.inside()?)? {
            self.spend(size_of::<Json>())?;
            list.push(item);
        }
        list.shrink_to_fit();
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Json, A::Error> {
        let mut seen = HashSet::new();
        let mut fields: Vec<(Box<str>, Json)> = Vec::new();
        while let Some(key) = entries.next_key::<Box<str>>()? {
            self.spend(size_of::<(Box<str>, Json)>() + 2 * key.len())?;
            if !seen.insert(key.clone()) {
                return Err(serde::de::Error::custom(format_args!(
                    "the key `{}` is repeated in one object",
                    super::shortened(&key)
                )));
            }
            let value = entries.next_value_seed(self.inside()?)?;
            fields.push((key, value));
        }
        fields.shrink_to_fit();
        Ok(Json::Map(fields))
    }
}
