//! Attributes of an operator: a short sorted list from a closed set of keys.
//!
//! Only what the design decides lives here. Batch size, input resolution and anything that
//! follows from them must never become an attribute, or digests would change with the input.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use std::borrow::Cow;
use std::fmt;

macro_rules! keys {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What an attribute says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Key { $($(#[$doc])* $variant,)* }

        impl Key {
            /// Every key, in sorting order.
            pub const ALL: &'static [Key] = &[$(Key::$variant),*];

            /// Its name in JSON and tables.
            pub fn name(self) -> &'static str {
                match self { $(Key::$variant => $name,)* }
            }
        }
    };
}

keys! {
    /// Window size per spatial dimension.
    Kernel = "kernel",
    /// Step per spatial dimension.
    Stride = "stride",
    /// Spacing between window elements per spatial dimension; left out when all are 1.
    Dilation = "dilation",
    /// Number of channel groups; left out when 1.
    Groups = "groups",
    /// How channels are grouped: `depthwise` or `grouped`; left out when dense.
    Grouping = "grouping",
    /// Channels or features read.
    InChannels = "in_channels",
    /// Channels or features written.
    OutChannels = "out_channels",
    /// Number of attention heads.
    Heads = "heads",
    /// State width of a recurrent layer.
    Hidden = "hidden",
    /// `both` when a recurrent layer reads its sequence in both directions.
    Direction = "direction",
    /// What is added to attention scores: `static` (a mask or learned bias) or `data`.
    Bias = "bias",
    /// `parameter` when an elementwise operand is a weight or constant tensor.
    Operand = "operand",
    /// Variant of the operator, such as the interpolation of a resize.
    Mode = "mode",
    /// Which part a slice takes: a fraction such as `1/3` with its position, or `one`, `head`, `tail`, `middle`.
    Part = "part",
    /// Exponent of a power with a constant exponent, when it is 2, 3, -1 or -2.
    Exponent = "exponent",
    /// Which axes are reduced: `channels`, `spatial` or `all`.
    Axes = "axes",
    /// `int8` when a product is one of quantised values.
    Quantised = "quantised",
}

impl Key {
    /// True for keys that only state a width; the coarse digest ignores them.
    pub fn is_width(self) -> bool {
        matches!(
            self,
            Key::Groups | Key::InChannels | Key::OutChannels | Key::Heads | Key::Hidden
        )
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// One number.
    Int(i64),
    /// One number per spatial dimension.
    Ints(Vec<i64>),
    /// A word from a small vocabulary.
    Word(Cow<'static, str>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<Vec<i64>> for Value {
    fn from(value: Vec<i64>) -> Self {
        Self::Ints(value)
    }
}

impl From<&'static str> for Value {
    fn from(value: &'static str) -> Self {
        Self::Word(Cow::Borrowed(value))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Word(Cow::Owned(value))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Word(word) => f.write_str(word),
            Self::Ints(values) => {
                for (position, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if position == 0 { "" } else { "x" })?;
                }
                Ok(())
            }
        }
    }
}

/// The attributes of one operator, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes(Vec<(Key, Value)>);

impl Attributes {
    /// Sets `key`, replacing an earlier value.
    pub fn set(&mut self, key: Key, value: impl Into<Value>) {
        match self.0.binary_search_by_key(&key, |(key, _)| *key) {
            Ok(found) => self.0[found].1 = value.into(),
            Err(place) => self.0.insert(place, (key, value.into())),
        }
    }

    /// The same attributes with `key` set: for building in one expression.
    #[must_use]
    pub fn with(mut self, key: Key, value: impl Into<Value>) -> Self {
        self.set(key, value);
        self
    }

    /// The value of `key`.
    pub fn get(&self, key: Key) -> Option<&Value> {
        self.0
            .binary_search_by_key(&key, |(key, _)| *key)
            .ok()
            .map(|found| &self.0[found].1)
    }

    /// The value of `key` as one number.
    pub fn int(&self, key: Key) -> Option<i64> {
        match self.get(key)? {
            Value::Int(value) => Some(*value),
            Value::Ints(_) | Value::Word(_) => None,
        }
    }

    /// The value of `key` as a word.
    pub fn word(&self, key: Key) -> Option<&str> {
        match self.get(key)? {
            Value::Word(word) => Some(word),
            Value::Int(_) | Value::Ints(_) => None,
        }
    }

    /// Removes `key`.
    pub fn remove(&mut self, key: Key) {
        self.0.retain(|(present, _)| *present != key);
    }

    /// Keys and values, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &Value)> {
        self.0.iter().map(|(key, value)| (*key, value))
    }

    /// True when there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Attributes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key.name(), value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = std::collections::BTreeMap::<String, Value>::deserialize(deserializer)?;
        let mut attributes = Self::default();
        for (name, value) in named {
            let key = Key::ALL
                .iter()
                .find(|key| key.name() == name)
                .ok_or_else(|| {
                    serde::de::Error::custom(format_args!(
                        "`{name}` is no attribute of an operator"
                    ))
                })?;
            attributes.set(*key, value);
        }
        Ok(attributes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_sorted_whatever_the_order_of_setting() {
        let one = Attributes::default()
            .with(Key::Stride, 2i64)
            .with(Key::Kernel, vec![3, 3]);
        let other = Attributes::default()
            .with(Key::Kernel, vec![3, 3])
            .with(Key::Stride, 2i64);
        assert_eq!(one, other);
        assert_eq!(one.iter().next().map(|(key, _)| key), Some(Key::Kernel));
    }

    #[test]
    fn attributes_survive_json() {
        let attributes = Attributes::default()
            .with(Key::Kernel, vec![3, 3])
            .with(Key::Mode, "linear")
            .with(Key::OutChannels, 64i64);
        let json = serde_json::to_string(&attributes).unwrap();
        assert_eq!(
            json,
            r#"{"kernel":[3,3],"out_channels":64,"mode":"linear"}"#
        );
        assert_eq!(
            serde_json::from_str::<Attributes>(&json).unwrap(),
            attributes
        );
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = serde_json::from_str::<Attributes>(r#"{"colour": 3}"#).unwrap_err();
        assert!(error.to_string().contains("`colour`"));
    }
}
