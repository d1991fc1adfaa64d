//! Sealing: bytes that only the holder of a key can read, and that nobody can change, swap or copy to another place unnoticed.
//!
//! Knows nothing of what is sealed, of the database, and of where a key comes from.
//!
//! - `key`: the store's key, and its file
//! - `cipher`: XChaCha20-Poly1305 with a nonce of the system's randomness
//! - `ring`: one sub-key for each thing that can be taken away by itself, wrapped by the store's key
//! - `file`: the ring on disk, twice; `change`: another key in the old one's place
//!
//! A sub-key is random and stands nowhere but on the ring. Once it is taken off, what it has sealed cannot be read any more, wherever
//! copies of that lie.

mod change;
mod cipher;
mod error;
mod file;
mod key;
mod ring;

pub use change::{change_key_file, finish_change};
pub use error::SealError;
pub use file::save;
pub use key::{KeyId, StoreKey};
pub use ring::{Ring, State, SubKeyId, load};

/// The ring's name in the store's folder.
pub const RING: &str = "keyring";
/// And that of its second copy.
pub const RING_COPY: &str = "keyring.copy";
