//! PINs and tags as the API takes and shows them, and the record of duress.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use super::error::ApiError;
use crate::domain::{Direction, NoPin, NoTagNumber, Pin, TagNumber};
use crate::gallery::{PinKind, ShownTag};

/// A text that is wiped from memory and never printed. A request whose secret is not a text is refused without saying what it is.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// Whether two secrets are the same.
    pub fn is(&self, other: &Secret) -> bool {
        // Hashes compare in constant time.
        blake3::hash(self.0.as_bytes()) == blake3::hash(other.0.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl JsonSchema for Secret {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Secret")
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::new).map_err(|_| D::Error::custom("it must be a text, in quotes"))
    }
}

/// Which of a person's PINs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PinKindForm {
    #[default]
    Usual,
    /// Opens as the usual one, and raises a silent alarm.
    Duress,
}

impl From<PinKindForm> for PinKind {
    fn from(kind: PinKindForm) -> PinKind {
        match kind {
            PinKindForm::Usual => PinKind::Usual,
            PinKindForm::Duress => PinKind::Duress,
        }
    }
}

/// Sets a PIN.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// 4 to 10 digits, as a text.
    pub pin: Secret,
    #[serde(default)]
    pub kind: PinKindForm,
}

impl PinRequest {
    /// The PIN.
    pub fn pin(&self) -> Result<Pin, ApiError> {
        self.pin.0.parse().map_err(|error: NoPin| ApiError::Invalid(error.to_string()))
    }
}

/// Removes a PIN: the duress PIN, or both.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoPinRequest {
    #[serde(default)]
    pub kind: PinKindForm,
}

/// Adds a tag.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagRequest {
    /// As the reader sends it: letters and digits, with `-`, `:` or blanks between them.
    pub number: Secret,
    /// What to call it, such as `blue fob`; none of the person's other tags has the same.
    #[serde(default)]
    pub label: Option<String>,
}

impl TagRequest {
    /// The tag's number.
    pub fn number(&self) -> Result<TagNumber, ApiError> {
        self.number.0.parse().map_err(|error: NoTagNumber| ApiError::Invalid(error.to_string()))
    }
}

/// Removes a tag.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoTagRequest {
    /// Its label or its number.
    pub tag: Secret,
}

impl NoTagRequest {
    /// The label or number.
    pub fn which(&self) -> &str {
        &self.tag.0
    }
}

/// A tag of a person, without its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TagForm {
    pub label: Option<String>,
    /// The last characters of its number.
    pub ending: String,
}

impl From<ShownTag> for TagForm {
    fn from(ShownTag { label, ending }: ShownTag) -> TagForm {
        TagForm { label, ending }
    }
}

/// An operator lets somebody in.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdmitRequest {
    /// The person's number.
    pub person: u32,
    /// The door's name; null where there is one door only.
    pub door: Option<String>,
    /// `in` or `out`; null is `in` where the door's cameras name their sides, and no direction elsewhere.
    pub direction: Option<AdmitDirection>,
    /// Why, for the record: 1 to 200 characters.
    pub reason: String,
}

/// The way that somebody is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdmitDirection {
    In,
    Out,
}

impl From<AdmitDirection> for Direction {
    fn from(direction: AdmitDirection) -> Direction {
        match direction {
            AdmitDirection::In => Direction::In,
            AdmitDirection::Out => Direction::Out,
        }
    }
}

/// The longest reason of an [`AdmitRequest`], in characters.
const LONGEST_REASON: usize = 200;

impl AdmitRequest {
    /// The reason, without blanks around it.
    pub fn reason(&self) -> Result<String, ApiError> {
        let reason = self.reason.trim();
        match reason.chars().count() {
            1..=LONGEST_REASON => Ok(reason.to_owned()),
            _ => Err(ApiError::Invalid(format!("say why the person is admitted, in 1 to {LONGEST_REASON} characters"))),
        }
    }
}

/// Somebody entered the duress PIN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Duress {
    /// The number of the record `pin_entered`.
    pub record: u64,
    /// RFC 3339, UTC.
    pub time: String,
    pub door: String,
    /// The person's name; null after an erasure.
    pub person: Option<String>,
}

/// All that the journal has about duress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DuressList {
    /// Oldest first.
    pub duress: Vec<Duress>,
    /// Notes that cannot be opened, because their key is not on the key ring.
    pub unreadable: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_and_no_debug_output_shows_a_secret() {
        for body in [r#"{"pin":4071}"#, r#"{"pin":["4071"]}"#, r#"{"pin":{"4071":1}}"#] {
            let error = serde_json::from_str::<PinRequest>(body).unwrap_err().to_string();
            assert!(!error.contains("4071"), "{error}");
        }
        let request: PinRequest = serde_json::from_str(r#"{"pin":"4071"}"#).unwrap();
        assert!(!format!("{request:?}").contains("4071"));
        assert_eq!(request.pin().unwrap().digits(), "4071");
        let request: PinRequest = serde_json::from_str(r#"{"pin":"407x","kind":"duress"}"#).unwrap();
        assert_eq!(
            (request.kind, request.pin().unwrap_err().to_string()),
            (PinKindForm::Duress, "a PIN has 4 to 10 digits".to_owned())
        );
        let request: TagRequest = serde_json::from_str(r#"{"number":"04A22B1F"}"#).unwrap();
        assert!(!format!("{request:?}").contains("2B1F"));
    }
}
