//! Records with the office's signature: Ed25519 (RFC 8032) over what the record is and what it says.
//!
//! ```text
//! magic      8 bytes
//! kind       1 byte
//! schema     2 bytes, big-endian: the form of the body
//! fleet      16 bytes
//! signature  64 bytes
//! body       JSON
//! ```
//!
//! The signature covers a text that no other use of Ed25519 in usher begins with, and everything but itself. A record of another fleet, of another
//! kind, or by another key is refused. One whose schema is not known is set aside: a newer office wrote it, and that is no attack.

use std::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use zeroize::Zeroizing;

use super::name::FleetId;
use super::sealed::{SealedError, random};

const MAGIC: &[u8; 8] = b"ushrflt1";
/// What the signed text begins with.
const DOMAIN: &[u8] = b"usher fleet: a record by the office, 1\0";
/// The length of what precedes the body.
const HEADER: usize = 8 + 1 + 2 + 16 + 64;
/// The longest record of any kind, in bytes: half of what NATS servers take in one message by default.
pub const MAX_RECORD: usize = 512 * 1024;

/// What a record is about. The number is part of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Somebody, or the mark that somebody was forgotten.
    People = 1,
    /// A site's rules.
    Rules = 2,
    /// A gallery's key for one board.
    Key = 3,
    /// A gallery's head.
    Head = 4,
    /// Which office writes.
    Office = 5,
    /// What became of a board's requests.
    Answers = 10,
    /// Which credentials were taken back.
    Revocations = 11,
}

/// What an office signs.
pub trait Body: Serialize + DeserializeOwned {
    /// Its kind.
    const KIND: Kind;
    /// The form that this usher writes and reads.
    const SCHEMA: u16 = 1;
    /// The longest record, in bytes.
    const MAX: usize = MAX_RECORD;
}

/// A record as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Signed(Vec<u8>);

/// A record whose signature is right.
#[derive(Clone, Debug, PartialEq)]
pub enum Opened<T> {
    /// What it says.
    Body(T),
    /// Its form is not known: this usher is older than the office.
    SetAside {
        /// The form.
        schema: u16,
    },
}

/// Why a record is refused. None of these is mended by reading it again.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Refusal {
    #[error("it is not a record of a fleet")]
    NotARecord,
    #[error("it has {length} bytes, and at most {most} are read: shorten what it says")]
    TooLong { length: usize, most: usize },
    #[error("it is a record of another kind")]
    OtherKind,
    #[error("it is a record of another fleet: let this board join again if it changed fleets")]
    OtherFleet,
    #[error("its signature is not the office's: somebody else wrote it, or altered it")]
    BadSignature,
    #[error("its body cannot be read: {0}")]
    BadBody(String),
}

/// The key with which the office signs. It is wiped from memory when dropped.
#[derive(Clone)]
pub struct OfficeKey(SigningKey);

/// The key by which boards know their office. They get it when they join.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OfficePublic(VerifyingKey);

impl Signed {
    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// BLAKE3 of its bytes.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

impl From<Signed> for Vec<u8> {
    fn from(signed: Signed) -> Vec<u8> {
        signed.0
    }
}

impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed({} bytes)", self.0.len())
    }
}

/// BLAKE3 of a record's bytes.
pub fn hash(record: &[u8]) -> [u8; 32] {
    *blake3::hash(record).as_bytes()
}

impl OfficeKey {
    /// A new key, from the operating system's randomness.
    pub fn generate() -> Result<OfficeKey, SealedError> {
        Ok(OfficeKey::from_bytes(&Zeroizing::new(random()?)))
    }

    /// The key of 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> OfficeKey {
        OfficeKey(SigningKey::from_bytes(secret))
    }

    /// The 32 secret bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key by which boards know it.
    pub fn public(&self) -> OfficePublic {
        OfficePublic(self.0.verifying_key())
    }

    /// Signs `body` for a fleet.
    ///
    /// # Errors
    /// [`Refusal::TooLong`], and [`Refusal::BadBody`] for what has no form in JSON.
    pub fn sign<T: Body>(&self, fleet: FleetId, body: &T) -> Result<Signed, Refusal> {
        let body = serde_json::to_vec(body).map_err(|error| Refusal::BadBody(error.to_string()))?;
        self.sign_bytes::<T>(fleet, T::SCHEMA, &body)
    }

    fn sign_bytes<T: Body>(&self, fleet: FleetId, schema: u16, body: &[u8]) -> Result<Signed, Refusal> {
        let length = HEADER.saturating_add(body.len());
        if length > T::MAX {
            return Err(Refusal::TooLong { length, most: T::MAX });
        }
        let signature = self.0.sign(&signed_text(T::KIND as u8, schema, fleet, body)).to_bytes();
        let schema = schema.to_be_bytes();
        Ok(Signed([&MAGIC[..], &[T::KIND as u8], &schema, fleet.0.as_bytes(), &signature, body].concat()))
    }
}

impl fmt::Debug for OfficeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OfficeKey of {:?}", self.public())
    }
}

impl OfficePublic {
    /// The key of 32 bytes; `None` if they are not one.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<OfficePublic> {
        let key = VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())?;
        Some(OfficePublic(key))
    }

    /// Its 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Reads a record that the office signed for this fleet.
    ///
    /// # Errors
    /// It is refused, for good.
    pub fn open<T: Body>(&self, fleet: FleetId, record: &[u8]) -> Result<Opened<T>, Refusal> {
        if record.len() > T::MAX {
            return Err(Refusal::TooLong { length: record.len(), most: T::MAX });
        }
        let mut rest = record;
        let magic: [u8; 8] = take(&mut rest)?;
        let [kind] = take(&mut rest)?;
        let schema = u16::from_be_bytes(take(&mut rest)?);
        let of: [u8; 16] = take(&mut rest)?;
        let signature = Signature::from_bytes(&take(&mut rest)?);
        if magic != *MAGIC {
            return Err(Refusal::NotARecord);
        }
        if of != *fleet.0.as_bytes() {
            return Err(Refusal::OtherFleet);
        }
        if kind != T::KIND as u8 {
            return Err(Refusal::OtherKind);
        }
        let text = signed_text(kind, schema, fleet, rest);
        // Strict: no weak keys, and one signature for one text.
        self.0.verify_strict(&text, &signature).map_err(|_| Refusal::BadSignature)?;
        if schema != T::SCHEMA {
            return Ok(Opened::SetAside { schema });
        }
        serde_json::from_slice(rest).map(Opened::Body).map_err(|error| Refusal::BadBody(error.to_string()))
    }
}

impl fmt::Debug for OfficePublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OfficePublic(")?;
        self.to_bytes().iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("…)")
    }
}

fn signed_text(kind: u8, schema: u16, fleet: FleetId, body: &[u8]) -> Vec<u8> {
    [DOMAIN, fleet.0.as_bytes(), &[kind], &schema.to_be_bytes(), body].concat()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Refusal> {
    let (head, tail) = rest.split_first_chunk().ok_or(Refusal::NotARecord)?;
    *rest = tail;
    Ok(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Note {
        text: String,
    }

    impl Body for Note {
        const KIND: Kind = Kind::Head;
        const MAX: usize = 1000;
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Other {}

    impl Body for Other {
        const KIND: Kind = Kind::Rules;
    }

    fn note(text: &str) -> Note {
        Note { text: text.to_owned() }
    }

    #[test]
    fn only_this_office_of_this_fleet_signs_records_of_this_kind() {
        let (key, fleet) = (OfficeKey::generate().unwrap(), FleetId::generate());
        let public = OfficePublic::from_bytes(&key.public().to_bytes()).unwrap();
        let signed = key.sign(fleet, &note("hello")).unwrap();
        assert_eq!(public.open(fleet, signed.as_bytes()), Ok(Opened::Body(note("hello"))));
        let again = OfficeKey::from_bytes(&key.to_bytes());
        assert_eq!(again.sign(fleet, &note("hello")).unwrap().hash(), signed.hash(), "the same text, the same record");

        let other = OfficeKey::generate().unwrap().public();
        assert_eq!(other.open::<Note>(fleet, signed.as_bytes()), Err(Refusal::BadSignature));
        assert_eq!(public.open::<Note>(FleetId::generate(), signed.as_bytes()), Err(Refusal::OtherFleet));
        assert_eq!(public.open::<Other>(fleet, signed.as_bytes()), Err(Refusal::OtherKind));
        // Somebody calls it a record of another kind, or of this fleet.
        let mut claimed = signed.as_bytes().to_vec();
        claimed[8] = Kind::Rules as u8;
        assert_eq!(public.open::<Other>(fleet, &claimed), Err(Refusal::BadSignature));
        let elsewhere = FleetId::generate();
        let mut claimed = signed.as_bytes().to_vec();
        claimed[11..27].copy_from_slice(elsewhere.0.as_bytes());
        assert_eq!(public.open::<Note>(elsewhere, &claimed), Err(Refusal::BadSignature));
    }

    #[test]
    fn a_form_that_is_not_known_is_set_aside_if_the_office_signed_it() {
        let (key, fleet) = (OfficeKey::generate().unwrap(), FleetId::generate());
        let newer = key.sign_bytes::<Note>(fleet, 2, b"anything").unwrap();
        assert_eq!(key.public().open::<Note>(fleet, newer.as_bytes()), Ok(Opened::SetAside { schema: 2 }));
        let forged = OfficeKey::generate().unwrap().sign_bytes::<Note>(fleet, 2, b"anything").unwrap();
        assert_eq!(key.public().open::<Note>(fleet, forged.as_bytes()), Err(Refusal::BadSignature));
    }

    #[test]
    fn long_records_are_neither_written_nor_read() {
        let (key, fleet) = (OfficeKey::generate().unwrap(), FleetId::generate());
        let long = note(&"x".repeat(1000));
        assert!(matches!(key.sign(fleet, &long), Err(Refusal::TooLong { most: 1000, .. })));
        assert!(matches!(key.public().open::<Note>(fleet, &[0; 1001]), Err(Refusal::TooLong { length: 1001, .. })));
    }

    #[test]
    fn a_key_that_verifies_anything_is_refused() {
        let mut weak = [0; 32];
        weak[0] = 1;
        assert_eq!(OfficePublic::from_bytes(&weak), None);
    }

    proptest! {
        #[test]
        fn an_altered_record_is_refused(text: String, at: prop::sample::Index, flip in 1u8..) {
            let (key, fleet) = (OfficeKey::from_bytes(&[7; 32]), FleetId(uuid::Uuid::from_u128(5)));
            let signed = key.sign(fleet, &note(&text.chars().take(100).collect::<String>())).unwrap();
            let mut altered = signed.as_bytes().to_vec();
            let at = at.index(altered.len());
            altered[at] ^= flip;
            prop_assert!(key.public().open::<Note>(fleet, &altered).is_err());
            prop_assert!(key.public().open::<Note>(fleet, &signed.as_bytes()[..at]).is_err());
        }

        #[test]
        fn any_bytes_are_refused(bytes: Vec<u8>) {
            let (key, fleet) = (OfficeKey::from_bytes(&[7; 32]), FleetId(uuid::Uuid::from_u128(5)));
            let marked = [&MAGIC[..], &[Kind::Head as u8, 0, 1], fleet.0.as_bytes(), &bytes].concat();
            prop_assert!(key.public().open::<Note>(fleet, &bytes).is_err());
            prop_assert!(key.public().open::<Note>(fleet, &marked).is_err());
        }
    }
}
