//! What only operators may know of an entered PIN: whether it was the duress PIN. Sealed, and as long for either answer, so that nobody who
//! reads the journal, the broker or a backup without the store's key can tell one from the other.
//!
//! In a record it is a text of hexadecimal digits: the sub-key's id, then what was sealed. All notes are sealed with one sub-key, whose id is in
//! the store. Notes name nobody, so erasing a person from the record is enough.

use std::fmt::Write as _;

use super::credential_record::CREDENTIALS;
use super::{Gallery, GalleryError, Trees, defer_on_disk_failure};
use crate::seal::SubKeyId;
use crate::store::Change;

/// The key of the sub-key's id, in the tree of the credentials. Longer than a person's.
pub(super) const NOTES: &[u8] = b"notes";
/// Length of what is sealed.
const PLAIN: usize = 16;
const USUAL: u8 = 1;
const DURESS: u8 = 2;

impl Gallery {
    /// The note on a PIN that was entered at `door`: whether it was the duress PIN. `None` if nothing is sealed.
    pub fn pin_note(&self, door: &str, duress: bool) -> Option<String> {
        let sub_key = self.trees.note_key().ok().flatten()?;
        let mut plain = [0; PLAIN];
        if let Some(first) = plain.first_mut() {
            *first = if duress { DURESS } else { USUAL };
        }
        let sealed = self.trees.sub_keys.ring.seal(sub_key, &context(door), &plain).ok()?;
        Some(hex(&[&sub_key.0[..], &sealed].concat()))
    }

    /// Whether a note on a PIN that was entered at `door` says that it was the duress PIN. `None` if it cannot be opened.
    pub fn read_pin_note(&self, door: &str, note: &str) -> Option<bool> {
        let bytes = from_hex(note)?;
        let (sub_key, sealed) = bytes.split_first_chunk::<16>()?;
        let plain = self.trees.sub_keys.ring.unseal(SubKeyId(*sub_key), &context(door), sealed).ok()?;
        match *plain.first()? {
            USUAL => Some(false),
            DURESS => Some(true),
            _ => None,
        }
    }
}

impl Trees {
    /// The sub-key of the notes, if it is on the ring.
    fn note_key(&self) -> Result<Option<SubKeyId>, GalleryError> {
        let Some(value) = self.credentials.get(NOTES)? else { return Ok(None) };
        let id = <[u8; 16]>::try_from(&*value).ok().map(SubKeyId);
        Ok(id.filter(|id| self.sub_keys.ring.ids().contains(id)))
    }

    /// The change that gives the notes a sub-key, if they have none and there is a key. The sub-key is on the ring by then.
    pub(super) fn new_note_key(&self) -> Result<Option<Change>, GalleryError> {
        if self.note_key()?.is_some() {
            return Ok(None);
        }
        let sub_key = self.sub_keys.ring.add(1)?.pop();
        Ok(sub_key.map(|id| self.credentials.put(NOTES, id.0)))
    }

    /// Gives the notes a sub-key if people have PINs and it is missing, as after a key was made, or a ring was lost.
    pub(super) fn renew_note_key(&self) -> Result<(), GalleryError> {
        let renewed = || -> Result<(), GalleryError> {
            match self.new_note_key()? {
                Some(change) => Ok(self.store.commit(&[change])?),
                None => Ok(()),
            }
        };
        defer_on_disk_failure(renewed(), "notes on PINs will be sealed")
    }
}

fn context(door: &str) -> Vec<u8> {
    [b"usher pin note 1\0", CREDENTIALS.as_bytes(), b"\0", door.as_bytes()].concat()
}

fn hex(bytes: &[u8]) -> String {
    let mut digits = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
    pairs.iter().map(byte).collect::<Option<Vec<u8>>>().filter(|_| rest.is_empty())
}
