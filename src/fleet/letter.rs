//! Sealing from a board to the office: only the office can open it, and only that board can have sealed it.
//!
//! The sealing key is derived by BLAKE3 of two shared secrets: that of a pair of keys made for this one message and the office's key, and that of the
//! board's own key and the office's key; and of the three public keys. Only the board and the office know the second secret, so a server, or another
//! board, cannot seal in this board's name. The message begins with the public key of that one pair.

use std::fmt;

use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

use super::sealed::{BoardKey, BoardPublic, SealKey, SealedError, random};
use super::signed::OfficeKey;

/// For which use BLAKE3 derives the office's key.
const OF_OFFICE: &str = "usher fleet 1: the office's key to which boards seal their requests";
/// For which use BLAKE3 derives the key of one message.
const TO_OFFICE: &str = "usher fleet 1: sealing of a board's request to the office";

/// The key with which the office opens requests. It is derived of the key that it signs with, and wiped from memory when dropped.
#[derive(Clone)]
pub struct RequestKey(StaticSecret);

/// The key to which boards seal their requests. They get it when they join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestPublic(PublicKey);

impl RequestKey {
    /// The key of an office.
    pub fn of(office: &OfficeKey) -> RequestKey {
        let secret = Zeroizing::new(blake3::derive_key(OF_OFFICE, &*office.to_bytes()));
        RequestKey(StaticSecret::from(*secret))
    }

    /// The key to which boards seal.
    pub fn public(&self) -> RequestPublic {
        RequestPublic(PublicKey::from(&self.0))
    }

    /// Opens what `board` sealed with the same `context`.
    pub(super) fn open(
        &self,
        board: &BoardPublic,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let (once, sealed) = sealed.split_first_chunk::<32>().ok_or(SealedError::Broken)?;
        let once = PublicKey::from(*once);
        let secrets = [self.0.diffie_hellman(&once), self.0.diffie_hellman(&board.0)];
        derived(&secrets, [&once, &board.0, &self.public().0])?.open(context, sealed)
    }
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestKey(…)")
    }
}

impl RequestPublic {
    /// The key of 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> RequestPublic {
        RequestPublic(PublicKey::from(*bytes))
    }

    /// Its 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Seals `plain` from a board to the office, bound to `context`.
    pub(super) fn seal(&self, board: &BoardKey, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealedError> {
        let once = StaticSecret::from(*Zeroizing::new(random::<32>()?));
        let public = PublicKey::from(&once);
        let secrets = [once.diffie_hellman(&self.0), board.0.diffie_hellman(&self.0)];
        let sealed = derived(&secrets, [&public, &board.public().0, &self.0])?.seal(context, plain)?;
        Ok([&public.to_bytes()[..], &sealed].concat())
    }
}

/// The sealing key of two shared secrets and three public keys. Fails for public keys that make everybody's secret the same.
fn derived(secrets: &[SharedSecret; 2], publics: [&PublicKey; 3]) -> Result<SealKey, SealedError> {
    if secrets.iter().any(|secret| !secret.was_contributory()) {
        return Err(SealedError::Broken);
    }
    let mut material = Zeroizing::new(Vec::with_capacity(160));
    secrets.iter().for_each(|secret| material.extend(secret.as_bytes()));
    publics.iter().for_each(|public| material.extend(public.as_bytes()));
    SealKey::read(&*Zeroizing::new(blake3::derive_key(TO_OFFICE, &material)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_the_office_opens_it_and_only_that_board_can_have_sealed_it(
            plain: Vec<u8>, at: prop::sample::Index, flip in 1u8..,
        ) {
            let (office, board) = (RequestKey::of(&OfficeKey::from_bytes(&[7; 32])), BoardKey::from_bytes(&[3; 32]));
            let to = RequestPublic::from_bytes(&office.public().to_bytes());
            let sealed = to.seal(&board, b"here", &plain).unwrap();
            prop_assert_eq!(&**office.open(&board.public(), b"here", &sealed).unwrap(), &plain[..]);
            prop_assert!(office.open(&board.public(), b"elsewhere", &sealed).is_err());
            // Another board has the office's public key, too, and knows this board's public key.
            let forged = to.seal(&BoardKey::from_bytes(&[4; 32]), b"here", &plain).unwrap();
            prop_assert!(office.open(&board.public(), b"here", &forged).is_err());
            let other = RequestKey::of(&OfficeKey::from_bytes(&[8; 32]));
            prop_assert!(other.open(&board.public(), b"here", &sealed).is_err());
            let mut altered = sealed.clone();
            altered[at.index(sealed.len())] ^= flip;
            prop_assert!(office.open(&board.public(), b"here", &altered).is_err());
            prop_assert!(office.open(&board.public(), b"here", &sealed[..at.index(sealed.len())]).is_err());
        }
    }

    #[test]
    fn keys_that_make_every_secret_the_same_are_refused() {
        let (office, board) = (RequestKey::of(&OfficeKey::from_bytes(&[7; 32])), BoardKey::from_bytes(&[3; 32]));
        let zero = RequestPublic::from_bytes(&[0; 32]);
        assert_eq!(zero.seal(&board, b"", b"plain"), Err(SealedError::Broken));
        assert_eq!(office.open(&board.public(), b"", &[0; 99]).err(), Some(SealedError::Broken));
        let sealed = office.public().seal(&board, b"", b"plain").unwrap();
        assert_eq!(office.open(&BoardPublic::from_bytes(&[0; 32]), b"", &sealed).err(), Some(SealedError::Broken));
        assert_eq!(format!("{office:?}"), "RequestKey(…)");
    }
}
