//! Why something cannot be sealed or opened, told with the way out.
//!
//! Knows nothing of where the errors are shown.

use std::path::PathBuf;

use thiserror::Error;

use super::key::KeyId;

/// Why something cannot be sealed or opened.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SealError {
    #[error("the store's key {} cannot be read: {why}; put it there, or correct [store] key_file", path.display())]
    KeyUnreadable { path: PathBuf, why: String },
    #[error(
        "others may read the store's key {} (mode {mode:03o}): chmod 600 {}, and make a new one if somebody has", path.display(), path.display()
    )]
    KeyExposed { path: PathBuf, mode: u32 },
    #[error("{} holds no key: 64 hexadecimal digits are wanted, as `usher store key new` writes them", path.display())]
    NotAKey { path: PathBuf },
    #[error("{} cannot be written: {why}", path.display())]
    Unwritable { path: PathBuf, why: String },
    #[error(
        "the store is sealed with the key {wanted}, and no key is given: name its file in [store] key_file, or pass it as the systemd \
         credential usher.store-key"
    )]
    NoKey { wanted: KeyId },
    #[error("the store is sealed with the key {wanted}, and the one given is {given}: give the right one")]
    WrongKey { wanted: KeyId, given: KeyId },
    #[error(
        "the key ring {} and its second copy are damaged ({why}): put a saved one back with `usher store ring load FILE`, or remove \
         these people and enrol them again", path.display()
    )]
    RingDamaged { path: PathBuf, why: String },
    #[error(
        "its sub-key is not on the key ring: it was taken off when somebody was removed, or the ring is another one; put the ring back \
         with `usher store ring load FILE`, or remove and enrol again"
    )]
    NoSubKey,
    #[error(
        "its seal is broken: it was changed, or it is in another's place; restore a backup, or remove and enrol again"
    )]
    Broken,
    #[error("the system gives no randomness: {why}; try again")]
    NoRandomness { why: String },
}
