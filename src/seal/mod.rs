//! Sealing: encrypted and authenticated bytes that only the holder of the key can read, and that cannot be altered, swapped, or moved to
//! another record without detection.
//!
//! - `key`: the store key and its file
//! - `cipher`: XChaCha20-Poly1305
//! - `ring`: the key ring, with one sub-key for each item that can be erased on its own, wrapped by the store key
//! - `file`: the key ring on disk, in two copies
//! - `change`: replacing the store key
//!
//! A sub-key is random and exists only on the ring. Once it is removed, nothing can read what it sealed, in any copy or backup.
//!
//! Keys and nonces come from the operating system's random number generator ([`getrandom`]), never from a seeded one.

mod change;
mod cipher;
mod error;
mod file;
mod key;
mod ring;

pub use change::{change_key_file, finish_key_change};
pub use error::KeyId;
pub use error::SealError;
pub use file::{SubKeyId, save};
pub use key::StoreKey;
pub use ring::{Ring, RingState, load};
