//! PINs as they are stored: by Argon2id, in the PHC string format.
//!
//! A PIN has few digits, so the hash only slows down somebody who has a copy of the store; only the seal keeps them from trying all PINs.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use super::credential_error::CredentialError;
use crate::domain::Pin;

/// Memory in KiB, passes and lanes: a minimum of OWASP's Password Storage Cheat Sheet for Argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// What a stored hash may ask for at most: a damaged or forged one must not take all memory or a minute.
const MOST_MEMORY_KIB: u32 = 64 * 1024;
const MOST_PASSES: u32 = 10;

/// The hash of a PIN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinHash(PasswordHash);

impl PinHash {
    /// Hashes a PIN with a new salt.
    pub fn of(pin: &Pin) -> Result<PinHash, CredentialError> {
        let mut salt = [0; 16];
        getrandom::fill(&mut salt).map_err(|error| CredentialError::NoRandomness { why: error.to_string() })?;
        let failed = |why: String| CredentialError::NoHash { why };
        let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| failed(error.to_string()))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let hash: PasswordHash = argon2
            .hash_password_with_salt(pin.digits().as_bytes(), &salt)
            .map_err(|error| failed(error.to_string()))?;
        Ok(PinHash(hash))
    }

    /// Reads a PHC string; `None` if it is none, or asks for more than a PIN is worth.
    pub fn read(text: &str) -> Option<PinHash> {
        let hash = PasswordHash::new(text).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let modest = params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= MOST_PASSES && params.p_cost() <= 4;
        (modest && hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some())
            .then_some(PinHash(hash))
    }

    /// Whether it is the hash of this PIN. Takes as long for a wrong one.
    pub fn is(&self, pin: &Pin) -> bool {
        Argon2::default().verify_password(pin.digits().as_bytes(), &self.0).is_ok()
    }
}

impl std::fmt::Display for PinHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> Pin {
        text.parse().unwrap()
    }

    #[test]
    fn a_hash_is_that_of_one_pin_and_never_the_same_twice() {
        let (one, other) = (PinHash::of(&pin("4071")).unwrap(), PinHash::of(&pin("4071")).unwrap());
        assert_ne!(one, other, "each has a salt of its own");
        assert!(one.is(&pin("4071")) && other.is(&pin("4071")));
        assert!(!one.is(&pin("4072")) && !one.is(&pin("04071")));
        let text = one.to_string();
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        assert_eq!(PinHash::read(&text), Some(one));
    }

    #[test]
    fn a_hash_that_would_take_all_memory_is_not_read() {
        let text = PinHash::of(&pin("4071")).unwrap().to_string();
        for (from, to) in [
            ("m=19456", "m=4194304"),
            ("t=2", "t=1000000"),
            ("p=1", "p=200"),
            ("argon2id", "argon2i"),
            ("argon2id", "scrypt"),
        ] {
            let changed = text.replace(from, to);
            assert_eq!(PinHash::read(&changed), None, "{changed}");
        }
        for noise in ["", "$", "$argon2id", "$argon2id$v=19$m=19456,t=2,p=1", "4071", "\u{0}"] {
            assert_eq!(PinHash::read(noise), None, "{noise:?}");
        }
    }
}
