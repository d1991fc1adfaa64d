//! Sealing what travels: XChaCha20-Poly1305, whose nonces of 192 bits may be random in any number, and X25519 (RFC 7748) to a board.
//!
//! A template is sealed by a key made for its record, that by the key of its gallery for an epoch, and that to each board's own key. What is sealed
//! is bound to where it belongs, so nothing opens in another place.
//!
//! To a board: a pair of keys is made for this one message; BLAKE3 derives the sealing key of the shared secret and both public keys; the
//! message begins with the public key of that pair.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use thiserror::Error;
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// Length of a key in bytes.
const KEY: usize = 32;
/// Length of a nonce in bytes.
const NONCE: usize = 24;
/// For which use BLAKE3 derives a key.
const TO_BOARD: &str = "usher fleet 1: sealing of a gallery's key to a board";

/// Why something cannot be sealed or opened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealedError {
    #[error("the operating system provided no random bytes: {why}; try again")]
    NoRandomness { why: String },
    #[error("its seal is broken: it was altered, belongs elsewhere, or was sealed with another key")]
    Broken,
    #[error("what was sealed cannot be read: {0}")]
    Unreadable(String),
}

/// Random bytes from the operating system.
pub fn random<const N: usize>() -> Result<[u8; N], SealedError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| SealedError::NoRandomness { why: error.to_string() })?;
    Ok(bytes)
}

/// A key that seals. It is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct SealKey(Zeroizing<[u8; KEY]>);

impl SealKey {
    /// A new key.
    pub fn generate() -> Result<SealKey, SealedError> {
        Ok(SealKey(Zeroizing::new(random()?)))
    }

    /// The key of bytes; fails unless there are 32.
    pub fn read(bytes: &[u8]) -> Result<SealKey, SealedError> {
        let bytes: [u8; KEY] = bytes.try_into().map_err(|_| SealedError::Broken)?;
        Ok(SealKey(Zeroizing::new(bytes)))
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; KEY] {
        &self.0
    }

    /// Seals `plain`, bound to `context`: nonce, ciphertext, tag.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealedError> {
        let nonce = random::<NONCE>()?;
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let payload = Payload { msg: plain, aad: context };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealedError::Broken)?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// Opens what was sealed with the same key and `context`.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(SealedError::Broken)?;
        let cipher = XChaCha20Poly1305::new((&*self.0).into());
        let payload = Payload { msg: sealed, aad: context };
        cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealedError::Broken)
    }
}

/// The key of a gallery for one epoch: it opens the keys of that epoch's records. It is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct EpochKey(SealKey);

impl EpochKey {
    /// A new key, from the operating system's randomness.
    pub fn generate() -> Result<EpochKey, SealedError> {
        SealKey::generate().map(EpochKey)
    }

    /// The key of 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> EpochKey {
        EpochKey(SealKey(Zeroizing::new(*secret)))
    }

    /// The 32 secret bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.0.as_bytes())
    }

    /// The key itself, for what it seals.
    pub(super) fn seals(&self) -> &SealKey {
        &self.0
    }
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochKey(…)")
    }
}

/// The key with which a board opens what is sealed to it. It is wiped from memory when dropped.
#[derive(Clone)]
pub struct BoardKey(pub(super) StaticSecret);

/// The key with which something is sealed to a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardPublic(pub(super) PublicKey);

impl BoardKey {
    /// A new key, from the operating system's randomness.
    pub fn generate() -> Result<BoardKey, SealedError> {
        Ok(BoardKey::from_bytes(&Zeroizing::new(random()?)))
    }

    /// The key of 32 secret bytes.
    pub fn from_bytes(secret: &[u8; 32]) -> BoardKey {
        BoardKey(StaticSecret::from(*secret))
    }

    /// The 32 secret bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key with which something is sealed to it.
    pub fn public(&self) -> BoardPublic {
        BoardPublic(PublicKey::from(&self.0))
    }

    /// Opens what was sealed to this board with the same `context`.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        let (from, sealed) = sealed.split_first_chunk::<32>().ok_or(SealedError::Broken)?;
        let from = PublicKey::from(*from);
        derived(&self.0.diffie_hellman(&from), &from, &self.public().0)?.open(context, sealed)
    }
}

impl fmt::Debug for BoardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoardKey(…)")
    }
}

impl BoardPublic {
    /// The key of 32 bytes.
    pub fn from_bytes(bytes: &[u8; 32]) -> BoardPublic {
        BoardPublic(PublicKey::from(*bytes))
    }

    /// Its 32 bytes.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// Seals `plain` to the board, bound to `context`.
    pub(super) fn seal(&self, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealedError> {
        let once = StaticSecret::from(*Zeroizing::new(random::<32>()?));
        let from = PublicKey::from(&once);
        let sealed = derived(&once.diffie_hellman(&self.0), &from, &self.0)?.seal(context, plain)?;
        Ok([&from.to_bytes()[..], &sealed].concat())
    }
}

/// The sealing key of a shared secret. Fails for public keys that make everybody's secret the same.
fn derived(shared: &SharedSecret, from: &PublicKey, to: &PublicKey) -> Result<SealKey, SealedError> {
    if !shared.was_contributory() {
        return Err(SealedError::Broken);
    }
    let mut material = Zeroizing::new([0; 96]);
    for (to, from) in material.iter_mut().zip(shared.as_bytes().iter().chain(from.as_bytes()).chain(to.as_bytes())) {
        *to = *from;
    }
    Ok(SealKey(Zeroizing::new(blake3::derive_key(TO_BOARD, &*material))))
}

/// A context to bind a seal to: `what` it is, and the parts, each with its length so that none runs into the next.
pub fn context(what: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut context = format!("usher fleet 1: {what}\0").into_bytes();
    for part in parts {
        context.extend((part.len() as u64).to_be_bytes());
        context.extend(*part);
    }
    context
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_the_same_key_and_context_open_what_was_sealed(
            plain: Vec<u8>, place: Vec<u8>, at: prop::sample::Index, flip in 1u8..,
        ) {
            let (key, other) = (SealKey::generate().unwrap(), SealKey::generate().unwrap());
            let bound = context("a test", &[&place]);
            let sealed = key.seal(&bound, &plain).unwrap();
            prop_assert_eq!(&**key.open(&bound, &sealed).unwrap(), &plain[..]);
            prop_assert_ne!(&sealed, &key.seal(&bound, &plain).unwrap(), "each has a nonce of its own");
            prop_assert!(other.open(&bound, &sealed).is_err());
            prop_assert!(key.open(&context("a test", &[&place, b""]), &sealed).is_err());
            let mut altered = sealed.clone();
            altered[at.index(sealed.len())] ^= flip;
            prop_assert!(key.open(&bound, &altered).is_err());
            prop_assert!(key.open(&bound, &sealed[..at.index(sealed.len())]).is_err());
        }

        #[test]
        fn what_is_sealed_to_a_board_opens_there_alone(plain: Vec<u8>, at: prop::sample::Index, flip in 1u8..) {
            let (board, other) = (BoardKey::generate().unwrap(), BoardKey::generate().unwrap());
            let public = BoardPublic::from_bytes(&board.public().to_bytes());
            let bound = context("a test", &[b"x"]);
            let sealed = public.seal(&bound, &plain).unwrap();
            let again = BoardKey::from_bytes(&board.to_bytes());
            prop_assert_eq!(&**again.open(&bound, &sealed).unwrap(), &plain[..]);
            prop_assert!(other.open(&bound, &sealed).is_err());
            prop_assert!(board.open(b"elsewhere", &sealed).is_err());
            let mut altered = sealed.clone();
            altered[at.index(sealed.len())] ^= flip;
            // The highest bit of a public key is not part of it (RFC 7748), but is part of what the key is derived of.
            prop_assert!(board.open(&bound, &altered).is_err());
            prop_assert!(board.open(&bound, &sealed[..at.index(sealed.len())]).is_err());
        }
    }

    #[test]
    fn a_public_key_that_makes_every_secret_the_same_is_refused() {
        let zero = BoardPublic::from_bytes(&[0; 32]);
        assert_eq!(zero.seal(b"", b"secret"), Err(SealedError::Broken));
        assert_eq!(BoardKey::generate().unwrap().open(b"", &[0; 99]), Err(SealedError::Broken));
    }

    #[test]
    fn contexts_do_not_run_into_each_other() {
        assert_ne!(context("x", &[b"ab", b"c"]), context("x", &[b"a", b"bc"]));
        assert_ne!(context("x", &[b"a"]), context("y", &[b"a"]));
    }

    #[test]
    fn keys_do_not_show_themselves() {
        let board = BoardKey::from_bytes(&[9; 32]);
        let shown = format!("{:?} {board:?}", EpochKey::from_bytes(&[9; 32]));
        assert_eq!(shown, "EpochKey(…) BoardKey(…)");
    }
}
