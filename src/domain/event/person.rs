//! People in events, and what of an event is personal.

use std::fmt;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::form;
use crate::domain::{Distance, PersonId};

/// What an erased text reads.
const ERASED_TEXT: &str = "(erased)";

/// Something that says who a person is, and that erasing the person takes out of the record. Erased people are written
/// `{"erased": true}`, erased texts `"(erased)"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Personal<T> {
    Known(T),
    Erased,
}

impl<T> Personal<T> {
    /// The value, unless it was erased.
    pub fn known(&self) -> Option<&T> {
        match self {
            Personal::Known(value) => Some(value),
            Personal::Erased => None,
        }
    }
}

impl<T> From<T> for Personal<T> {
    fn from(value: T) -> Personal<T> {
        Personal::Known(value)
    }
}

impl From<&str> for Personal<String> {
    fn from(text: &str) -> Personal<String> {
        Personal::Known(text.to_owned())
    }
}

impl fmt::Display for Personal<String> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known().map_or(ERASED_TEXT, String::as_str))
    }
}

impl fmt::Display for Personal<Named> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Personal::Known(person) => person.fmt(f),
            Personal::Erased => f.write_str("somebody (erased)"),
        }
    }
}

impl Serialize for Personal<String> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Personal<String> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Personal<String>, D::Error> {
        let text = String::deserialize(from)?;
        Ok(if text == ERASED_TEXT { Personal::Erased } else { Personal::Known(text) })
    }
}

/// A person as they were at the time of an event, so that a record can be read after they were renamed or removed, and attendance be
/// computed from records alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    pub id: PersonId,
    /// `None` in a decision about somebody who was removed meanwhile.
    pub name: Option<String>,
    /// `None` in a record of usher 0.1.0, and where `name` is `None`.
    #[serde(flatten)]
    pub card: Option<Card>,
}

/// What attendance needs to know of a person besides the name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// `None` for somebody without one.
    pub employee_id: Option<String>,
    pub groups: Vec<String>,
}

impl Named {
    /// Somebody who is enrolled.
    pub fn new(id: PersonId, name: impl Into<String>, employee_id: Option<String>, groups: Vec<String>) -> Named {
        Named { id, name: Some(name.into()), card: Some(Card { employee_id, groups }) }
    }
}

impl fmt::Display for Named {
    /// The name, or the number where there is no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "person {}", self.id),
        }
    }
}

impl Serialize for Personal<Named> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Personal::Known(person) => person.serialize(to),
            Personal::Erased => {
                let mut map = to.serialize_map(Some(1))?;
                map.serialize_entry("erased", &true)?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Personal<Named> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Personal<Named>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Erased { erased: bool },
            Known(Named),
        }
        match Either::deserialize(from)? {
            Either::Erased { erased: true } => Ok(Personal::Erased),
            Either::Erased { erased: false } => Err(D::Error::custom("neither a person nor erased")),
            Either::Known(person) => Ok(Personal::Known(person)),
        }
    }
}

/// The person of a decision who is second nearest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunnerUp {
    /// Without a card.
    #[serde(flatten)]
    pub person: Personal<Named>,
    #[serde(with = "form::distance")]
    pub distance: Distance,
}

impl fmt::Display for RunnerUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:.2}", self.person, self.distance.recorded())
    }
}
