//! PINs and tags as bytes: one record a person, in a tree of its own. Reading never panics, whatever the bytes are.
//!
//! | key | value |
//! |---|---|
//! | person: id, 4 bytes | JSON, so that later versions can add fields; sealed if there is a key, with a sub-key that nothing else has |
//! | `notes` | the id of the sub-key of [`super::pin_note`] |
//!
//! Each change seals the record with a new sub-key and removes the one before, so a PIN that was changed cannot be had from old pages or backups.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::credential_error::CredentialError;
use super::envelope::{self, Location, Unread};
use super::error::RecordError;
use super::record::{self, is_erased};
use super::sub_keys::sub_keys;
use super::walk::{Found, walk};
use super::{GalleryError, Trees};
use crate::domain::{ModelId, PersonId, TagNumber};
use crate::seal::SecretHash;
use crate::store::{Bytes, Change};

/// The tree's name. It is part of what the seals are bound to.
pub const CREDENTIALS: &str = "credentials";

/// What a person has besides the face.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    pub pin: Option<SecretHash>,
    pub duress: Option<SecretHash>,
    /// The number of digits of both.
    pub digits: usize,
    pub tags: Vec<Tag>,
}

/// A tag of a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub number: TagNumber,
    pub label: Option<String>,
}

impl Credentials {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.pin.is_none() && self.duress.is_none() && self.tags.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    v: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    duress: Option<String>,
    #[serde(default)]
    digits: usize,
    #[serde(default)]
    tags: Vec<TagWire>,
}

#[derive(Serialize, Deserialize)]
struct TagWire {
    number: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

/// Encodes what a person has.
pub fn write(credentials: &Credentials) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let Credentials { pin, duress, digits, tags } = credentials;
    let tag = |Tag { number, label }: &Tag| TagWire { number: number.as_str().to_owned(), label: label.clone() };
    let wire = Wire {
        v: 1,
        pin: pin.as_ref().map(SecretHash::to_string),
        duress: duress.as_ref().map(SecretHash::to_string),
        digits: *digits,
        tags: tags.iter().map(tag).collect(),
    };
    Ok(Zeroizing::new(serde_json::to_vec(&wire)?))
}

/// Decodes what a person has. An overwritten record is that of somebody without anything.
pub fn read(bytes: &[u8]) -> Result<Credentials, RecordError> {
    if is_erased(bytes) {
        return Ok(Credentials::default());
    }
    let Wire { v, pin, duress, digits, tags } = serde_json::from_slice(bytes)?;
    if v != 1 {
        return Err(RecordError::Version { found: v, known: 1 });
    }
    let hash = |text: Option<String>| {
        text.map(|text| {
            SecretHash::read(&text).ok_or_else(|| RecordError::Json("a PIN's hash is malformed".to_owned()))
        })
        .transpose()
    };
    let tag = |TagWire { number, label }: TagWire| {
        let malformed = |_| RecordError::Json("a tag's number is malformed".to_owned());
        Ok::<Tag, RecordError>(Tag { number: number.parse().map_err(malformed)?, label })
    };
    let tags = tags.into_iter().map(tag).collect::<Result<Vec<Tag>, RecordError>>()?;
    Ok(Credentials { pin: hash(pin)?, duress: hash(duress)?, digits, tags })
}

impl Trees {
    /// What a person has.
    ///
    /// # Errors
    /// [`CredentialError::Unreadable`] for a damaged or locked record.
    pub(super) fn credentials_of(&self, id: PersonId) -> Result<Credentials, GalleryError> {
        let key = record::person_key(id);
        let Some(value) = self.credentials.get(key)? else { return Ok(Credentials::default()) };
        let unreadable = |why: String| GalleryError::Credential(CredentialError::Unreadable { why });
        self.read_credentials(&key, &value).map_err(|unread| match unread {
            Unread::Damaged(why) => unreadable(why.to_string()),
            Unread::Locked(why) => unreadable(why.to_string()),
        })
    }

    /// Reads the record stored as `value` under `key`.
    pub(super) fn read_credentials(&self, key: &[u8], value: &[u8]) -> Result<Credentials, Unread> {
        let plain = envelope::read(&self.sub_keys.ring, Location { tree: CREDENTIALS, key }, value)?;
        read(&plain).map_err(Unread::Damaged)
    }

    /// The changes that store what a person has from now on, whatever was stored before.
    pub(super) fn store_credentials(
        &self,
        id: PersonId,
        credentials: &Credentials,
    ) -> Result<Vec<Change>, GalleryError> {
        if credentials.is_empty() {
            return self.erase_credentials(id);
        }
        let key = record::person_key(id);
        let plain = write(credentials).map_err(|why| CredentialError::Unreadable { why: why.to_string() })?;
        let sub_key = self.sub_keys.ring.add(1)?.pop();
        let place = Location { tree: CREDENTIALS, key: &key };
        let value = envelope::write(&self.sub_keys.ring, sub_key, place, &no_model(), plain)?;
        let before = self.credentials.get(key)?;
        let mut changes = vec![self.credentials.put(key, value)];
        changes.extend(self.sub_keys.note_removal(&sub_keys(before.as_deref())));
        Ok(changes)
    }

    /// The changes that erase what a person has: it is overwritten, and deleted by [`Trees::sweep_credentials`].
    pub(super) fn erase_credentials(&self, id: PersonId) -> Result<Vec<Change>, GalleryError> {
        let key = record::person_key(id);
        let Some(before) = self.credentials.get(key)? else { return Ok(Vec::new()) };
        let mut changes = vec![self.credentials.put(key, record::erased(before.len()))];
        changes.extend(self.sub_keys.note_removal(&sub_keys(Some(&*before))));
        Ok(changes)
    }

    /// Deletes a person's overwritten record. After a failure the gallery does it when it is next opened.
    pub(super) fn sweep_credentials(&self, id: PersonId) {
        let key = record::person_key(id);
        let swept = || -> Result<(), GalleryError> {
            match self.credentials.get(key)? {
                Some(value) if is_erased(&value) => Ok(self.store.commit(&[self.credentials.delete(key)])?),
                _ => Ok(()),
            }
        };
        if let Err(error) = swept() {
            tracing::warn!(%error, person = id.0, "an overwritten record of a PIN will be deleted at the next start");
        }
    }

    /// Seals the plain records of people whose number is below `end`.
    pub(super) fn seal_plain_credentials(&self, end: PersonId) -> Result<(), GalleryError> {
        let mut plain = std::collections::BTreeMap::new();
        for found in walk(&self.credentials, end) {
            let Found::Record(key, value) = found? else { continue };
            if let Some(id) = record::read_person_key(&key)
                && !envelope::is_sealed(&value)
                && !is_erased(&value)
            {
                plain.insert(id, vec![(key, no_model(), value)]);
            }
        }
        self.sub_keys.seal_plain(&self.credentials, CREDENTIALS, plain, false).map(drop)
    }

    /// The records of everybody whose number is below `end`.
    pub(super) fn all_credentials(
        &self,
        end: PersonId,
    ) -> impl Iterator<Item = Result<(PersonId, Bytes, Bytes), GalleryError>> {
        walk(&self.credentials, end).filter_map(|found| match found {
            Ok(Found::Record(key, value)) => record::read_person_key(&key).map(|id| Ok((id, key, value))),
            // The person is reported as one whose record is damaged.
            Ok(Found::Unreadable(_)) => None,
            Err(error) => Some(Err(error.into())),
        })
    }
}

/// What stands in a sealed record for the model's name of a template.
fn no_model() -> ModelId {
    ModelId::new("")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let pin = |text: &str| Some(SecretHash::of(text).unwrap());
        let tag = |number: &str, label: Option<&str>| Tag {
            number: number.parse().unwrap(),
            label: label.map(str::to_owned),
        };
        for credentials in [
            Credentials::default(),
            Credentials { pin: pin("4071"), digits: 4, ..Credentials::default() },
            Credentials {
                pin: pin("407123"),
                duress: pin("407124"),
                digits: 6,
                tags: vec![tag("04A22B1F", None), tag("W26-12-345", Some("keys"))],
            },
        ] {
            let bytes = write(&credentials).unwrap();
            assert_eq!(read(&bytes).unwrap(), credentials);
        }
        assert_eq!(read(&record::erased(9)).unwrap(), Credentials::default());
        assert_eq!(read(br#"{"v":2}"#), Err(RecordError::Version { found: 2, known: 1 }));
        for malformed in [r#"{"v":1,"pin":"4071"}"#, r#"{"v":1,"tags":[{"number":"x"}]}"#, "{", ""] {
            let error = read(malformed.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("4071"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_value_or_a_reason(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
