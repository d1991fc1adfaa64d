//! PINs and passwords as they are stored: by Argon2id, in the PHC string format.
//!
//! A PIN has few digits, so the hash only slows down somebody who has a copy of the store; only the seal keeps them from trying all PINs.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use thiserror::Error;

/// Memory in KiB, passes and lanes: a minimum of OWASP's Password Storage Cheat Sheet for Argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// What a stored hash may ask for at most: a damaged or forged one must not take all memory or a minute.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
const MOST_PASSES: u32 = 10;

/// The hash of a PIN or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretHash(PasswordHash);

/// Why a secret cannot be hashed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum HashError {
    #[error("the operating system provided no random bytes: {why}; try again")]
    NoRandomness { why: String },
    #[error("the secret cannot be hashed: {why}; about 20 MB of memory are needed for a moment")]
    Failed { why: String },
}

impl SecretHash {
    /// Hashes a secret with a new salt. Takes 50 to 500 ms on a board, and 19 MiB.
    pub fn of(secret: &str) -> Result<SecretHash, HashError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| HashError::NoRandomness { why: error.to_string() })?;
        let failed = |why: String| HashError::Failed { why };
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| failed(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash: PasswordHash =
            argon2.hash_password_with_salt(secret.as_bytes(), &salt).map_err(|error| failed(error.to_string()))?;
        Ok(SecretHash(hash))
    }

    /// Reads a PHC string; `None` if it is none, or asks for more than [`SecretHash::of`] ever does by far.
    pub fn read(text: &str) -> Option<SecretHash> {
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let modest = params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= MOST_PASSES && params.p_cost() <= 4;
        (modest && hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some())
            .then_some(SecretHash(hash))
    }

    /// Whether it is the hash of this secret. Takes as long for a wrong one.
    pub fn is(&self, secret: &str) -> bool {
        Argon2::default().verify_password(secret.as_bytes(), &self.0).is_ok()
    }
}

impl std::fmt::Display for SecretHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_one_secret_and_never_the_same_twice() {
        let (one, other) = (SecretHash::of("4071").unwrap(), SecretHash::of("4071").unwrap());
        assert_ne!(one, other, "each has a salt of its own");
        assert!(one.is("4071") && other.is("4071"));
        assert!(!one.is("4072") && !one.is("04071"));
        let text = one.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        assert_eq!(SecretHash::read(&text), Some(one));
    }

    #[test]
    fn a_hash_that_would_take_all_memory_is_not_read() {
        let text = SecretHash::of("4071").unwrap().to_string();
        for (from, to) in [
            ("m=19456", "m=4194304"),
            ("t=2", "t=1000000"),
            ("p=1", "p=200"),
            ("argon2id", "argon2i"),
            ("argon2id", "scrypt"),
        ] {
            let changed = text.replace(from, to);
            assert_eq!(SecretHash::read(&changed), None, "{changed}");
        }
        for noise in ["", "$", "$argon2id", "$argon2id$v=19$m=19456,t=2,p=1", "4071", "\u{0}"] {
            assert_eq!(SecretHash::read(noise), None, "{noise:?}");
        }
    }
}
