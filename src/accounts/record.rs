//! Accounts and tokens as bytes: JSON, so that later versions can add fields. The key is the name.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Account, Role, Token};
use crate::store::{StoreError, Tree};

/// The trees' names.
pub const ACCOUNTS: &str = "accounts";
pub const TOKENS: &str = "tokens";

/// An account.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredAccount {
    pub role: Role,
    /// Argon2id, in the PHC string format.
    pub password: String,
    pub created_s: u64,
    pub generation: u64,
}

/// A token.
#[derive(Clone, Serialize, Deserialize)]
pub struct StoredToken {
    pub role: Role,
    /// BLAKE3 of the token. It has 256 random bits, so a fast hash is as good as a slow one.
    pub hash: [u8; 32],
    pub created_s: u64,
}

impl StoredAccount {
    pub fn account(&self, name: &str) -> Account {
        Account { name: name.to_owned(), role: self.role, created: moment(self.created_s), generation: self.generation }
    }
}

impl StoredToken {
    pub fn token(&self, name: &str) -> Token {
        Token { name: name.to_owned(), role: self.role, created: moment(self.created_s) }
    }
}

/// Seconds since the Unix epoch; 0 for a time before it.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Everything in a tree that can be read, by name.
pub fn read_all<T: DeserializeOwned>(tree: &Tree) -> Result<BTreeMap<String, T>, StoreError> {
    let mut all = BTreeMap::new();
    for entry in tree.iter() {
        let (name, bytes) = entry?;
        let name = String::from_utf8_lossy(&name).into_owned();
        match serde_json::from_slice(&bytes) {
            Ok(stored) => drop(all.insert(name, stored)),
            Err(error) => tracing::warn!(%error, name, "an account or a token cannot be read and is left out"),
        }
    }
    Ok(all)
}
