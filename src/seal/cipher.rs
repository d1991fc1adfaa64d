//! XChaCha20-Poly1305 (RFC 8439 with an extended nonce). The sealed form is nonce, ciphertext, tag. At 24 bytes, random nonces do not collide
//! in practice.

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::SealError;

/// Length of a key in bytes.
pub(super) const KEY: usize = 32;
/// Length of a nonce in bytes.
pub(super) const NONCE: usize = 24;
/// Bytes that sealing adds: the nonce and the tag.
pub(super) const OVERHEAD: usize = NONCE + 16;

/// A key. It is wiped from memory when dropped.
pub(super) type Key = Zeroizing<[u8; KEY]>;

/// Random bytes from the operating system, for keys and nonces.
pub(super) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| SealError::NoRandomness { why: error.to_string() })?;
    Ok(bytes)
}

/// Seals `plain` with `key` and binds it to `context`, which must be given again to open it.
pub(super) fn seal(key: &Key, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
    let nonce = random::<NONCE>()?;
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let payload = Payload { msg: plain, aad: context };
    // Fails only above 256 GB.
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| SealError::Broken)?;
    Ok([&nonce[..], &sealed].concat())
}

/// Opens what [`seal`] returned for the same `key` and `context`.
pub(super) fn open(key: &Key, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(SealError::Broken)?;
    let cipher = XChaCha20Poly1305::new((&**key).into());
    let payload = Payload { msg: sealed, aad: context };
    cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| SealError::Broken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn only_the_same_key_and_context_open_what_was_sealed(
            key: [u8; KEY], plain: Vec<u8>, context: Vec<u8>, place: prop::sample::Index, flip in 1u8..,
        ) {
            let key = Key::new(key);
            let sealed = seal(&key, &context, &plain).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + OVERHEAD);
            prop_assert_eq!(&**open(&key, &context, &sealed).unwrap(), &plain[..]);
            prop_assert_ne!(&sealed, &seal(&key, &context, &plain).unwrap(), "each has a nonce of its own");

            let mut changed = sealed.clone();
            changed[place.index(sealed.len())] ^= flip;
            prop_assert!(open(&key, &context, &changed).is_err());
            prop_assert!(open(&key, &context, &sealed[..place.index(sealed.len())]).is_err());
            prop_assert!(open(&key, &[&context[..], b"x"].concat(), &sealed).is_err());
            let mut other = key.clone();
            other[place.index(KEY)] ^= flip;
            prop_assert!(open(&other, &context, &sealed).is_err());
        }
    }
}
