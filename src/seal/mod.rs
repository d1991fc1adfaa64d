//! Sealing: encrypted and authenticated bytes that only the holder of the key can read, and that cannot be altered, swapped, or moved to
//! another record without detection.
//!
//! - `key`: the store key and its file
//! - `cipher`: XChaCha20-Poly1305
//! - `ring`: the key ring, with one sub-key for each item that can be erased on its own, wrapped by the store key
//! - `file`: the key ring on disk, in two copies
//! - `change`: replacing the store key
//! - `secret_hash`: PINs and passwords, which are hashed and never read back
//!
//! A sub-key is random and exists only on the ring. Once it is removed, nothing can read what it sealed, in any copy or backup.
//!
//! Keys and nonces come from the operating system's random number generator ([`getrandom`]), never from a seeded one.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod change;
mod cipher;
mod file;
mod key;
mod ring;
mod secret_hash;

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

pub use change::{change_key_file, finish_key_change};
pub use file::{SubKeyId, save};
pub use key::StoreKey;
pub use ring::{Ring, RingState, load};
pub use secret_hash::{HashError, SecretHash};

/// Identifies a store key without revealing it: 8 bytes derived from the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why something cannot be sealed or opened. Each message says what to do about it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    #[error("the store key {} cannot be read: {why}; restore the file, or correct [store] key_file", path.display())]
    KeyUnreadable { path: PathBuf, why: String },
    #[error(
        "other users may read the store key {} (mode {mode:03o}): run chmod 600 {}, and generate a new key if anyone has read it",
        path.display(), path.display()
    )]
    KeyExposed { path: PathBuf, mode: u32 },
    #[error("{} is not a key file: it must hold 64 hexadecimal digits, as `usher store key new` writes them", path.display())]
    NotAKey { path: PathBuf },
    #[error("{} cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: String },
    #[error(
        "the store is sealed with the key {wanted}, but no key is configured: name its file in [store] key_file, or pass it as the \
         systemd credential usher.store-key"
    )]
    NoKey { wanted: KeyId },
    #[error("the store is sealed with the key {wanted}, but the configured key is {given}: configure the right one")]
    WrongKey { wanted: KeyId, given: KeyId },
    #[error(
        "the key ring {} and its copy are damaged ({why}): restore a saved ring with `usher store ring load FILE`, or remove these \
         people and enrol them again", path.display()
    )]
    RingDamaged { path: PathBuf, why: String },
    #[error(
        "its sub-key is not on the key ring: it was removed together with the person, or this is a different ring; restore the ring \
         with `usher store ring load FILE`, or remove and enrol again"
    )]
    NoSubKey,
    #[error(
        "its seal is broken: the data was altered, or it belongs to another record; restore a backup, or remove and enrol again"
    )]
    Broken,
    #[error("the operating system provided no random bytes: {why}; try again")]
    NoRandomness { why: String },
}
