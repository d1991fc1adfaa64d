//! Checking passwords and tokens. Failures slow down the address that makes them, and each account.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{OnceLock, PoisonError};
use std::time::Duration;

use thiserror::Error;

use super::{Account, Accounts, Token};
use crate::domain::Moment;
use crate::seal::SecretHash;

/// Failures that cost nothing.
const FREE: u32 = 5;
/// The wait after the first failure beyond those; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// The longest wait of an address. An account waits no longer than [`ACCOUNT_WAIT`], or a stranger could lock its owner out.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
const ACCOUNT_WAIT: Duration = Duration::from_secs(30);
/// Failures are forgotten after this long without another.
const FORGOTTEN: Duration = Duration::from_secs(60 * 60);
/// The most addresses and accounts whose failures are remembered. Beyond that, the oldest goes.
const REMEMBERED: usize = 4096;

/// Why somebody is not logged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LoginRefused {
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many failures: this long to wait.
    #[error("too many failures: wait {} s, then try again", wait.as_secs().max(1))]
    Wait { wait: Duration },
}

/// Who fails.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Failing {
    Address(IpAddr),
    Account(String),
}

/// The recent failures.
#[derive(Default)]
pub struct Attempts(HashMap<Failing, Failures>);

struct Failures {
    count: u32,
    last: Moment,
}

impl Attempts {
    fn wait(&self, who: &Failing, now: Moment) -> Duration {
        let Some(Failures { count, last }) = self.0.get(who) else { return Duration::ZERO };
        let Some(beyond) = count.checked_sub(FREE) else { return Duration::ZERO };
        let longest = match who {
            Failing::Address(_) => LONGEST_WAIT,
            Failing::Account(_) => ACCOUNT_WAIT,
        };
        let wait = FIRST_WAIT.saturating_mul(1u32.checked_shl(beyond).unwrap_or(u32::MAX)).min(longest);
        wait.saturating_sub(now.since(*last))
    }

    fn failed(&mut self, who: Failing, now: Moment) {
        self.0.retain(|_, failures| now.since(failures.last) < FORGOTTEN);
        if self.0.len() >= REMEMBERED && !self.0.contains_key(&who) {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.last).map(|(who, _)| who.clone());
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        let failures = self.0.entry(who).or_insert(Failures { count: 0, last: now });
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
    }
}

/// Checked where there is no such account, so that the answer takes as long.
fn nobodys() -> Option<&'static SecretHash> {
    static HASH: OnceLock<Option<SecretHash>> = OnceLock::new();
    HASH.get_or_init(|| SecretHash::of("nobody has this password").ok()).as_ref()
}

impl Accounts {
    /// Checks a name and a password from an address. One check at a time, because each takes 19 MiB, and 50 to 500 ms on a board.
    ///
    /// # Errors
    /// They are wrong, or there were too many failures lately from that address or for that account.
    pub fn log_in(&self, name: &str, password: &str, from: IpAddr, now: Moment) -> Result<Account, LoginRefused> {
        let who = [Failing::Address(from), Failing::Account(name.chars().take(64).collect::<String>().to_lowercase())];
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = who.iter().map(|who| attempts.wait(who, now)).max().unwrap_or_default();
        if !wait.is_zero() {
            return Err(LoginRefused::Wait { wait });
        }
        let (hash, account) = self
            .read(|known| {
                let stored = known.accounts.get(name)?;
                Some((SecretHash::read(&stored.password)?, stored.account(name)))
            })
            .unzip();
        let right = hash.as_ref().or(nobodys()).is_some_and(|hash| hash.is(password));
        match account.filter(|_| right) {
            Some(account) => {
                for who in &who {
                    attempts.0.remove(who);
                }
                Ok(account)
            }
            None => {
                who.into_iter().for_each(|who| attempts.failed(who, now));
                Err(LoginRefused::Wrong)
            }
        }
    }

    /// The token whose secret this is.
    pub fn token_of(&self, secret: &str) -> Option<Token> {
        let hash = blake3::hash(secret.as_bytes());
        // `Hash` compares in constant time.
        self.read(|known| {
            let mut tokens = known.tokens.iter();
            tokens.find(|(_, stored)| hash == blake3::Hash::from(stored.hash)).map(|(name, stored)| stored.token(name))
        })
    }
}
