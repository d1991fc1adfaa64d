//! Who is logged in. Sessions are kept in memory only: a restart ends all of them.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::accounts::Account;
use crate::domain::Moment;

/// The most sessions. Beyond that, the one that would end first ends.
const MOST: usize = 1000;

/// The sessions by the hash of their secret, so that nothing in memory logs anybody in.
pub struct Sessions {
    open: Mutex<HashMap<blake3::Hash, Open>>,
    lasts: Duration,
}

struct Open {
    name: String,
    generation: u64,
    csrf: String,
    ends: Moment,
}

/// A session that was found.
pub struct Found {
    /// The account's name.
    pub name: String,
    /// That of the account when it logged in.
    pub generation: u64,
    /// The token that each form of this session carries.
    pub csrf: String,
}

impl Sessions {
    /// No session yet. Each lasts for `lasts`.
    pub fn new(lasts: Duration) -> Sessions {
        Sessions { open: Mutex::default(), lasts }
    }

    /// A new session, and its secret for the cookie; `None` where the system has no random bytes.
    pub fn begin(&self, account: &Account, now: Moment) -> Option<String> {
        let (secret, csrf) = (random()?, random()?);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, session| now < session.ends);
        if open.len() >= MOST {
            let first = open.iter().min_by_key(|(_, session)| session.ends).map(|(hash, _)| *hash);
            first.map(|first| open.remove(&first));
        }
        let session = Open { name: account.name.clone(), generation: account.generation, csrf, ends: now + self.lasts };
        open.insert(blake3::hash(secret.as_bytes()), session);
        Some(secret)
    }

    /// The session of a cookie, unless it is over.
    pub fn find(&self, secret: &str, now: Moment) -> Option<Found> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(&blake3::hash(secret.as_bytes())).filter(|session| now < session.ends)?;
        Some(Found { name: session.name.clone(), generation: session.generation, csrf: session.csrf.clone() })
    }

    /// Ends a session.
    pub fn end(&self, secret: &str) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&blake3::hash(secret.as_bytes()));
    }
}

/// 256 random bits in hexadecimal digits.
fn random() -> Option<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::accounts::Role;

    #[test]
    fn a_session_is_found_by_its_secret_until_it_ends() {
        let sessions = Sessions::new(Duration::from_secs(100));
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let account =
            Account { name: "anna".into(), role: Role::Viewer, created: SystemTime::UNIX_EPOCH, generation: 3 };
        let (one, other) = (sessions.begin(&account, at(0)).unwrap(), sessions.begin(&account, at(50)).unwrap());
        assert_ne!(one, other);
        let found = sessions.find(&one, at(99)).unwrap();
        assert_eq!((found.name.as_str(), found.generation), ("anna", 3));
        assert_ne!(found.csrf, sessions.find(&other, at(99)).unwrap().csrf);
        assert!(sessions.find(&one, at(100)).is_none() && sessions.find("", at(0)).is_none());
        sessions.end(&other);
        assert!(sessions.find(&other, at(99)).is_none());
        for _ in 0..MOST + 5 {
            sessions.begin(&account, at(60)).unwrap();
        }
        assert_eq!(sessions.open.lock().unwrap().len(), MOST);
    }
}
