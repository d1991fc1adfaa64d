//! Adding, changing and removing accounts and tokens. A change is prepared here, committed together with its record by the caller, and only then
//! in force.

use std::sync::{MutexGuard, PoisonError};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::record::{StoredAccount, StoredToken, seconds};
use super::{
    AccountError, Accounts, Known, LONGEST_NAME, LONGEST_PASSWORD_BYTES, MOST, Permission, Role, SHORTEST_PASSWORD,
};
use crate::seal::{HashError, SecretHash};
use crate::store::Change;

/// What is done to an account.
pub enum AccountChange<'a> {
    Add { role: Role, password: &'a str },
    Role(Role),
    Password(&'a str),
    Remove,
}

/// A change that is ready to be committed. Others wait until it is [`done`](Prepared::done) or dropped.
pub struct Prepared<'a> {
    accounts: &'a Accounts,
    _changing: MutexGuard<'a, ()>,
    next: Known,
    /// What to commit, together with the record of it.
    pub changes: Vec<Change>,
}

impl Prepared<'_> {
    /// The changes are committed: they are in force from now on.
    pub fn done(self) {
        *self.accounts.known.write().unwrap_or_else(PoisonError::into_inner) = self.next;
    }
}

impl Accounts {
    /// Prepares a change of an account. A new password takes as long as hashing does, 50 to 500 ms on a board.
    ///
    /// # Errors
    /// The name or the password will not do, there is no such account or one already, or the last admin would be gone.
    pub fn prepare(
        &self,
        name: &str,
        change: &AccountChange<'_>,
        now: SystemTime,
    ) -> Result<Prepared<'_>, AccountError> {
        let changing = self.changing();
        let mut next = self.read(Known::clone);
        let held = next.accounts.get(name);
        if held.is_none() && !matches!(change, AccountChange::Add { .. }) {
            return Err(AccountError::Unknown(name.to_owned()));
        }
        let generation = match held {
            Some(stored) => stored.generation.wrapping_add(1),
            // Sessions of an account that was removed stay over when another one gets its name.
            None => getrandom::u64().map_err(|error| HashError::NoRandomness { why: error.to_string() })?,
        };
        let stored = match *change {
            AccountChange::Add { role, password } => {
                check_name(name)?;
                let key = name.to_lowercase();
                if next.accounts.keys().any(|other| other.to_lowercase() == key) {
                    return Err(AccountError::Taken(name.to_owned()));
                }
                if next.accounts.len() >= MOST {
                    return Err(AccountError::TooMany);
                }
                let password = hash_of(name, password)?;
                Some(StoredAccount { role, password, created_s: seconds(now), generation })
            }
            AccountChange::Role(role) => held.map(|stored| StoredAccount { role, generation, ..stored.clone() }),
            AccountChange::Password(password) => {
                let password = hash_of(name, password)?;
                held.map(|stored| StoredAccount { password, generation, ..stored.clone() })
            }
            AccountChange::Remove => None,
        };
        let change = match &stored {
            Some(stored) => self.accounts.put(name, serde_json::to_vec(stored).unwrap_or_default()),
            None => self.accounts.delete(name),
        };
        let was_admin = held.is_some_and(|stored| stored.role.may(Permission::Administer));
        match stored {
            Some(stored) => drop(next.accounts.insert(name.to_owned(), stored)),
            None => drop(next.accounts.remove(name)),
        }
        if was_admin && !next.accounts.values().any(|stored| stored.role.may(Permission::Administer)) {
            return Err(AccountError::LastAdmin(name.to_owned()));
        }
        Ok(Prepared { accounts: self, _changing: changing, next, changes: vec![change] })
    }

    /// Prepares a new token, and returns its secret: it can be read only now.
    ///
    /// # Errors
    /// The name will not do, or is taken.
    pub fn prepare_token(
        &self,
        name: &str,
        role: Role,
        now: SystemTime,
    ) -> Result<(Prepared<'_>, Zeroizing<String>), AccountError> {
        check_name(name)?;
        let changing = self.changing();
        let mut next = self.read(Known::clone);
        if next.tokens.contains_key(name) {
            return Err(AccountError::TokenTaken(name.to_owned()));
        }
        if next.tokens.len() >= MOST {
            return Err(AccountError::TooMany);
        }
        let secret = random_text()?;
        let hash = *blake3::hash(secret.as_bytes()).as_bytes();
        let stored = StoredToken { role, hash, created_s: seconds(now) };
        let changes = vec![self.tokens.put(name, serde_json::to_vec(&stored).unwrap_or_default())];
        next.tokens.insert(name.to_owned(), stored);
        Ok((Prepared { accounts: self, _changing: changing, next, changes }, secret))
    }

    /// Prepares the removal of a token.
    pub fn prepare_no_token(&self, name: &str) -> Result<Prepared<'_>, AccountError> {
        let changing = self.changing();
        let mut next = self.read(Known::clone);
        if next.tokens.remove(name).is_none() {
            return Err(AccountError::UnknownToken(name.to_owned()));
        }
        let changes = vec![self.tokens.delete(name)];
        Ok(Prepared { accounts: self, _changing: changing, next, changes })
    }
}

/// 256 random bits in hexadecimal digits, after a prefix by which scanners for lost secrets know it.
fn random_text() -> Result<Zeroizing<String>, AccountError> {
    let mut bytes = Zeroizing::new([0u8; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| HashError::NoRandomness { why: error.to_string() })?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Zeroizing::new(format!("usher_{digits}")))
}

fn check_name(name: &str) -> Result<(), AccountError> {
    let begins = name.chars().next().is_some_and(char::is_alphanumeric);
    let all = name.chars().all(|c| c.is_alphanumeric() || "._-@".contains(c));
    if begins && all && name.chars().count() <= LONGEST_NAME { Ok(()) } else { Err(AccountError::Name) }
}

fn hash_of(name: &str, password: &str) -> Result<String, AccountError> {
    if password.chars().count() < SHORTEST_PASSWORD || password.len() > LONGEST_PASSWORD_BYTES {
        return Err(AccountError::Length);
    }
    let repeated = password.chars().next().is_some_and(|first| password.chars().all(|c| c == first));
    if repeated || password.to_lowercase() == name.to_lowercase() {
        return Err(AccountError::Guessable);
    }
    Ok(SecretHash::of(password)?.to_string())
}
