//! The content of a record: an event, one that this version does not know, or nothing after an erasure.

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde_json::{Value, json};

use super::Event;

/// The content of a record. Reading it from JSON and writing it again gives the same JSON, except for what version 0.1.0 left behind in
/// erased records.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    Known(Box<Event>),
    /// Of a kind that this version does not know, or of a known kind with fields that do not fit: as it was read.
    Unknown(Value),
    /// An unknown content from which a person was erased: nothing of it is kept.
    Erased,
}

impl Content {
    /// Reads the content of a record of that kind.
    pub fn from_json(kind: &str, json: Value) -> Content {
        match Event::from_json(kind, &json) {
            Some(event) if event.kind() == kind && is_whole(&event, &json) => Content::Known(Box::new(event)),
            _ if json == erased() => Content::Erased,
            _ => Content::Unknown(json),
        }
    }

    /// The content as JSON.
    pub fn to_json(&self) -> Value {
        match self {
            Content::Known(event) => event.to_json(),
            Content::Unknown(json) => json.clone(),
            Content::Erased => erased(),
        }
    }

    /// The event, if this version knows it.
    pub fn event(&self) -> Option<&Event> {
        match self {
            Content::Known(event) => Some(event),
            Content::Unknown(_) | Content::Erased => None,
        }
    }
}

impl From<&Event> for Content {
    /// As a record of the event is read back.
    fn from(event: &Event) -> Content {
        Content::from_json(event.kind(), event.to_json())
    }
}

/// An event with its place in the journal, in the form that the hub sends.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The record's number in the journal.
    pub seq: u64,
    /// The record's id, a UUID.
    pub id: String,
    /// RFC 3339 in UTC, with microseconds.
    pub time: String,
    /// `granted`, `unlocked`, …
    pub kind: String,
    pub content: Content,
    /// The hash of the record before and that of this record, in hexadecimal digits.
    pub previous: String,
    pub hash: String,
}

/// Whether the event says all that `json` says. An erasure by version 0.1.0 put `"gates": null` into every record that it changed; that says
/// nothing.
fn is_whole(event: &Event, json: &Value) -> bool {
    let written = event.to_json();
    match (json, &written) {
        (Value::Object(read), Value::Object(written)) if read.get("gates") == Some(&Value::Null) => {
            read.len() == written.len() + 1 && written.iter().all(|(name, value)| read.get(name) == Some(value))
        }
        _ => written == *json,
    }
}

fn erased() -> Value {
    json!({ "erased": true })
}

/// A kind and a content as an enum that serde tags with the kind.
pub(super) struct Tagged<'de> {
    pub kind: &'de str,
    pub content: &'de Value,
}

impl<'de> Deserializer<'de> for Tagged<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_enum(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> EnumAccess<'de> for Tagged<'de> {
    type Error = serde_json::Error;
    type Variant = Untagged<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Untagged<'de>), Self::Error> {
        let kind: StrDeserializer<'de, Self::Error> = self.kind.into_deserializer();
        Ok((seed.deserialize(kind)?, Untagged(self.content)))
    }
}

/// The content alone.
pub(super) struct Untagged<'de>(&'de Value);

impl<'de> VariantAccess<'de> for Untagged<'de> {
    type Error = serde_json::Error;

    fn unit_variant(self) -> Result<(), Self::Error> {
        serde::Deserialize::deserialize(self.0)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Self::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Self::Error> {
        self.0.deserialize_any(visitor)
    }
}
