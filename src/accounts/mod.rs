//! Who may use the page, and the API over the network: accounts of people, with a password, and tokens of programs.
//!
//! - `role`: what an account or a token may do
//! - `record`: accounts and tokens as bytes
//! - `change`: adding, changing and removing them, one commit each
//! - `login`: passwords and tokens are checked, and failures slow down the address and the account

mod change;
mod login;
mod record;
mod role;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::time::SystemTime;

use thiserror::Error;

pub use change::{AccountChange, Prepared};
pub use login::LoginRefused;
pub use role::{Permission, Role};

use login::Attempts;
use record::{StoredAccount, StoredToken};

use crate::seal::HashError;
use crate::store::{Store, StoreError, Tree};

/// The most characters of the name of an account or a token.
pub const LONGEST_NAME: usize = 40;
/// The fewest characters of a password: NIST SP 800-63B (revision 4) asks for 15 where nothing else is asked for, and for 8 at least. Failures
/// here are slowed down, so 10.
pub const SHORTEST_PASSWORD: usize = 10;
/// The most bytes of a password.
pub const LONGEST_PASSWORD_BYTES: usize = 512;
/// The most accounts, and the most tokens.
pub const MOST: usize = 200;

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub role: Role,
    pub created: SystemTime,
    /// Changes with the password and the role: sessions of an earlier one are over.
    pub generation: u64,
}

/// A program's token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub name: String,
    pub role: Role,
    pub created: SystemTime,
}

/// Why an account or a token cannot be added, changed or removed.
#[derive(Debug, Error)]
pub enum AccountError {
    #[error(
        "the name must have 1 to {LONGEST_NAME} letters, digits, or any of . _ - @, and begin with a letter or a digit"
    )]
    Name,
    #[error("there is an account {0} already; choose another name")]
    Taken(String),
    #[error("there is a token {0} already; choose another name, or remove that one first")]
    TokenTaken(String),
    #[error("there is no account {0}")]
    Unknown(String),
    #[error("there is no token {0}")]
    UnknownToken(String),
    #[error("{0} is the only account with the role admin; give that role to another account first")]
    LastAdmin(String),
    #[error("a password must have {SHORTEST_PASSWORD} characters or more, and {LONGEST_PASSWORD_BYTES} bytes at most")]
    Length,
    #[error("the password must not be the account's name, or one character repeated")]
    Guessable,
    #[error("there are {MOST} already; remove one first")]
    TooMany,
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All accounts and tokens, kept in the store and in memory.
pub struct Accounts {
    accounts: Tree,
    tokens: Tree,
    known: RwLock<Known>,
    /// Held while a change is made.
    changing: Mutex<()>,
    attempts: Mutex<Attempts>,
}

/// What is in the store.
#[derive(Clone, Default)]
struct Known {
    accounts: BTreeMap<String, StoredAccount>,
    tokens: BTreeMap<String, StoredToken>,
}

impl Accounts {
    /// Reads all accounts. Records that cannot be read are left alone and logged.
    pub fn open(store: &Store) -> Result<Accounts, StoreError> {
        let (accounts, tokens) = (store.tree(record::ACCOUNTS)?, store.tree(record::TOKENS)?);
        let known = Known { accounts: record::read_all(&accounts)?, tokens: record::read_all(&tokens)? };
        Ok(Accounts {
            accounts,
            tokens,
            known: RwLock::new(known),
            changing: Mutex::default(),
            attempts: Mutex::default(),
        })
    }

    /// All accounts, by name.
    pub fn list(&self) -> Vec<Account> {
        self.read(|known| known.accounts.iter().map(|(name, stored)| stored.account(name)).collect())
    }

    /// The account of that name.
    pub fn account(&self, name: &str) -> Option<Account> {
        self.read(|known| known.accounts.get(name).map(|stored| stored.account(name)))
    }

    /// All tokens, by name.
    pub fn tokens(&self) -> Vec<Token> {
        self.read(|known| known.tokens.iter().map(|(name, stored)| stored.token(name)).collect())
    }

    fn read<T>(&self, ask: impl FnOnce(&Known) -> T) -> T {
        ask(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn changing(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
