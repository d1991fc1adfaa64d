//! PINs and tags of people: setting, removing and checking them.

use std::sync::OnceLock;

use super::cache::Cache;
use super::change::Prepared;
use super::credential_error::CredentialError;
use super::credential_record::{Credentials, Tag};
use super::envelope::Unread;
use super::person::{Held, tidy_text};
use super::record::{self, is_erased};
use super::{Damaged, Gallery, GalleryError, MAX_TAGS, Trees};
use crate::domain::{PersonId, Pin, TagNumber};
use crate::seal::SecretHash;
use crate::store::Change;

/// Which of a person's PINs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinKind {
    Usual,
    /// Opens as the usual one, and raises a silent alarm.
    Duress,
}

/// What an entered PIN is to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinAnswer {
    /// Another one, or the person has none, or it cannot be read.
    Wrong,
    Right(PinKind),
}

/// A tag as it is shown: never its whole number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownTag {
    pub label: Option<String>,
    /// The last characters of its number, at most four and at most half of them.
    pub ending: String,
}

/// Under which a tag's owner is found in memory.
fn tag_key(number: &TagNumber) -> [u8; 32] {
    *blake3::hash(number.as_str().as_bytes()).as_bytes()
}

impl Gallery {
    /// Prepares a new PIN or duress PIN, which replaces the one before. Takes as long as hashing does, 50 to 500 ms on a board.
    ///
    /// # Errors
    /// [`CredentialError`]: a weak PIN; PIN and duress PIN that are equal or of different lengths; a duress PIN without a PIN or without a key.
    pub fn prepare_pin(&self, id: PersonId, kind: PinKind, pin: &Pin) -> Result<Prepared<'_>, GalleryError> {
        if let Some(why) = pin.weakness() {
            return Err(CredentialError::Weak(why).into());
        }
        let hash = SecretHash::of(pin.digits()).map_err(CredentialError::from)?;
        let digits = pin.digits().len();
        self.prepare_credentials(id, true, |held| {
            let (other, same) = match kind {
                PinKind::Usual => (&held.duress, CredentialError::SameAsDuress),
                PinKind::Duress if !self.ring().is_open() => return Err(CredentialError::NeedsKey.into()),
                PinKind::Duress if held.pin.is_none() => return Err(CredentialError::PinFirst.into()),
                PinKind::Duress => (&held.pin, CredentialError::SameAsPin),
            };
            if let Some(other) = other {
                if held.digits != digits {
                    return Err(CredentialError::OtherLength { digits: held.digits }.into());
                }
                if other.is(pin.digits()) {
                    return Err(same.into());
                }
            }
            held.digits = digits;
            match kind {
                PinKind::Usual => held.pin = Some(hash),
                PinKind::Duress => held.duress = Some(hash),
            }
            Ok(())
        })
    }

    /// Prepares the removal of the duress PIN, or of the PIN, with which the duress PIN goes, too. If the person's PINs and tags cannot be read,
    /// the removal of the PIN erases all of them.
    pub fn prepare_no_pin(&self, id: PersonId, kind: PinKind) -> Result<Prepared<'_>, GalleryError> {
        let all = kind == PinKind::Usual && self.person(id)?.held.unreadable;
        if all {
            let writing = self.writing();
            let stored = self.trees.stored(id)?;
            let changes = self.trees.erase_credentials(id)?;
            return Ok(self.prepared(writing, changes, id, stored, Vec::new(), true));
        }
        self.prepare_credentials(id, false, |held| match kind {
            PinKind::Usual if held.pin.is_none() => Err(CredentialError::NoPin.into()),
            PinKind::Duress if held.duress.is_none() => Err(CredentialError::NoDuressPin.into()),
            PinKind::Usual => {
                (held.pin, held.duress, held.digits) = (None, None, 0);
                Ok(())
            }
            PinKind::Duress => {
                held.duress = None;
                Ok(())
            }
        })
    }

    /// Prepares one more tag of a person.
    ///
    /// # Errors
    /// [`CredentialError`]: it is somebody's already, or the person has another one with this label, or [`MAX_TAGS`].
    pub fn prepare_tag(
        &self,
        id: PersonId,
        number: &TagNumber,
        label: Option<&str>,
    ) -> Result<Prepared<'_>, GalleryError> {
        let label = label.map(|label| tidy_text("label", label)).transpose()?;
        self.prepare_credentials(id, false, |held| {
            match self.owner_of(number) {
                Some(owner) if owner == id => return Err(CredentialError::TagKnown.into()),
                Some(holder) => {
                    let name = self.person(holder).map_or_else(|_| format!("person {holder}"), |holder| holder.name);
                    return Err(CredentialError::TagTaken { holder, name }.into());
                }
                None => {}
            }
            if held.tags.len() >= MAX_TAGS {
                return Err(CredentialError::TooManyTags.into());
            }
            if label.is_some() && held.tags.iter().any(|tag| tag.label == label) {
                return Err(CredentialError::LabelTaken.into());
            }
            held.tags.push(Tag { number: number.clone(), label: label.clone() });
            Ok(())
        })
    }

    /// Prepares the removal of the tag with this label or number.
    pub fn prepare_no_tag(&self, id: PersonId, which: &str) -> Result<Prepared<'_>, GalleryError> {
        let (label, number) = (which.trim(), which.parse::<TagNumber>().ok());
        self.prepare_credentials(id, false, |held| {
            let labelled = |tag: &Tag| tag.label.as_deref() == Some(label);
            let numbered = |tag: &Tag| Some(&tag.number) == number.as_ref();
            let at = held.tags.iter().position(labelled).or_else(|| held.tags.iter().position(numbered));
            let at = at.ok_or(CredentialError::NoSuchTag)?;
            held.tags.remove(at);
            Ok(())
        })
    }

    /// A person's tags, in the order in which they were added.
    pub fn tags(&self, id: PersonId) -> Result<Vec<ShownTag>, GalleryError> {
        self.person(id)?;
        let shown = |Tag { number, label }: Tag| {
            let number = number.as_str();
            let last = number.len() - (number.len() / 2).min(4);
            ShownTag { label, ending: number.chars().skip(last).collect() }
        };
        Ok(self.trees.credentials_of(id)?.tags.into_iter().map(shown).collect())
    }

    /// Whose tag this is.
    pub fn owner_of(&self, number: &TagNumber) -> Option<PersonId> {
        self.cache().tags.get(&tag_key(number)).copied()
    }

    /// What an entered PIN is to a person. Takes as long for somebody who has none, or no duress PIN: 50 to 500 ms on a board.
    pub fn check_pin(&self, id: PersonId, pin: &Pin) -> PinAnswer {
        let held = self.trees.credentials_of(id).unwrap_or_default();
        let is = |hash: &Option<SecretHash>| match hash {
            Some(hash) => hash.is(pin.digits()),
            None => {
                let _ = std::hint::black_box(nobodys_pin().map(|hash| hash.is(pin.digits())));
                false
            }
        };
        // Both, whatever the first says.
        match (is(&held.pin), is(&held.duress)) {
            (true, _) => PinAnswer::Right(PinKind::Usual),
            (false, true) => PinAnswer::Right(PinKind::Duress),
            (false, false) => PinAnswer::Wrong,
        }
    }

    /// Changes what a person has. `notes`: from now on there must be a sub-key for notes.
    fn prepare_credentials(
        &self,
        id: PersonId,
        notes: bool,
        change: impl FnOnce(&mut Credentials) -> Result<(), GalleryError>,
    ) -> Result<Prepared<'_>, GalleryError> {
        let writing = self.writing();
        let stored = self.trees.stored(id)?;
        let mut held = self.trees.credentials_of(id)?;
        change(&mut held)?;
        let mut changes = self.trees.store_credentials(id, &held)?;
        if notes {
            changes.extend(self.trees.new_note_key()?);
        }
        Ok(self.prepared(writing, changes, id, stored, Vec::new(), true))
    }
}

/// A hash that is checked where a person has none.
fn nobodys_pin() -> Option<&'static SecretHash> {
    static HASH: OnceLock<Option<SecretHash>> = OnceLock::new();
    HASH.get_or_init(|| SecretHash::of("0000").ok()).as_ref()
}

impl Cache {
    /// Takes in what everybody whose number is below `end` has, and returns the changes that delete overwritten records.
    pub(super) fn take_credentials(&mut self, trees: &Trees, end: PersonId) -> Result<Vec<Change>, GalleryError> {
        let mut leftovers = Vec::new();
        for entry in trees.all_credentials(end) {
            let (id, key, value) = entry?;
            match is_erased(&value) {
                true => leftovers.push(trees.credentials.delete(&*key)),
                false => self.take_credentials_of(trees, id, &key, &value),
            }
        }
        Ok(leftovers)
    }

    /// Takes in what a person has, as the tree holds it.
    pub(super) fn put_credentials(&mut self, trees: &Trees, id: PersonId) -> Result<(), GalleryError> {
        let key = record::person_key(id);
        if let Some(value) = trees.credentials.get(key)?.filter(|value| !is_erased(value)) {
            self.take_credentials_of(trees, id, &key, &value);
        }
        Ok(())
    }

    fn take_credentials_of(&mut self, trees: &Trees, id: PersonId, key: &[u8], value: &[u8]) {
        let Some(person) = self.people.get_mut(&id) else { return };
        match trees.read_credentials(key, value) {
            Ok(Credentials { pin, duress: _, digits: _, tags }) => {
                person.held = Held { pin: pin.is_some(), tags: tags.len(), unreadable: false };
                self.tags.extend(tags.iter().map(|tag| (tag_key(&tag.number), id)));
            }
            Err(unread) => {
                person.held.unreadable = true;
                if let Unread::Damaged(why) = unread {
                    self.damaged.push(Damaged { key: format!("PIN and tags of person {id}"), why, person: Some(id) });
                }
            }
        }
    }
}
