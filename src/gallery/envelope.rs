//! Values of templates and visits as stored: sealed if there is a key, else plain.
//!
//! ```text
//! magic     8 bytes, never the beginning of a plain value
//! sub-key   16 bytes, its id on the ring
//! model     length 2 bytes, and the name, so that templates can be counted by model without a key
//! nonce 24 bytes, ciphertext, tag 16 bytes
//! ```
//!
//! The seal is bound to everything before the nonce, to the tree, and to the record's key: a value moved to another record does not open.

use zeroize::Zeroizing;

use super::error::RecordError;
use crate::domain::ModelId;
use crate::seal::{Ring, SealError, SubKeyId};

const MAGIC: &[u8; 8] = b"\xffsealed1";
/// The length of what precedes the model's name.
const FIXED: usize = 8 + 16 + 2;

/// Where a value is stored: the tree's name and the record's key.
#[derive(Clone, Copy, Debug)]
pub struct Location<'a> {
    pub tree: &'static str,
    pub key: &'a [u8],
}

/// The plain header of a sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub sub_key: SubKeyId,
    pub model: ModelId,
    length: usize,
}

/// Why a value cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is sealed and cannot be opened with the present key ring.
    Locked(SealError),
    Damaged(RecordError),
}

/// Whether a value is sealed.
pub fn is_sealed(value: &[u8]) -> bool {
    value.starts_with(MAGIC)
}

/// The header of a sealed value; `None` if it is truncated or not sealed.
pub fn header(value: &[u8]) -> Option<Header> {
    let rest = value.strip_prefix(MAGIC)?;
    let (sub_key, rest) = rest.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let name = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
    let model = ModelId::new(std::str::from_utf8(name).ok()?);
    Some(Header { sub_key: SubKeyId(*sub_key), model, length: FIXED + name.len() })
}

/// The value to store at `place`: `plain` sealed with `sub_key`, or unchanged without one.
pub fn write(
    ring: &Ring,
    sub_key: Option<SubKeyId>,
    place: Location<'_>,
    model: &ModelId,
    plain: Zeroizing<Vec<u8>>,
) -> Result<Vec<u8>, SealError> {
    let Some(sub_key) = sub_key else { return Ok(plain.to_vec()) };
    let name = model.as_str().as_bytes();
    // Model names are file names with a piece of a hash.
    let length = u16::try_from(name.len()).map_err(|_| SealError::Broken)?;
    let mut value = Vec::with_capacity(FIXED + name.len() + plain.len() + 40);
    value.extend(MAGIC);
    value.extend(sub_key.0);
    value.extend(length.to_le_bytes());
    value.extend(name);
    let sealed = ring.seal(sub_key, &context(place, &value), &plain)?;
    value.extend(sealed);
    Ok(value)
}

/// Opens a value.
pub fn read(ring: &Ring, place: Location<'_>, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unread> {
    if !is_sealed(value) {
        return Ok(Zeroizing::new(value.to_vec()));
    }
    let header = header(value).ok_or(Unread::Damaged(RecordError::Truncated))?;
    let (clear, sealed) = value.split_at_checked(header.length).ok_or(Unread::Damaged(RecordError::Truncated))?;
    ring.unseal(header.sub_key, &context(place, clear), sealed).map_err(|error| match error {
        broken @ SealError::Broken => Unread::Damaged(broken.into()),
        other => Unread::Locked(other),
    })
}

fn context(place: Location<'_>, header: &[u8]) -> Vec<u8> {
    let Location { tree, key } = place;
    [b"usher record 1\0", tree.as_bytes(), b"\0", &(key.len() as u32).to_le_bytes(), key, header].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::seal::StoreKey;

    fn location(key: &[u8]) -> Location<'_> {
        Location { tree: "templates", key }
    }

    proptest! {
        #[test]
        fn a_value_opens_only_where_it_was_stored(plain: Vec<u8>, key: [u8; 8], other: [u8; 8], at: prop::sample::Index, flip in 1u8..) {
            let dir = tempfile::tempdir().unwrap();
            let ring = Ring::open(dir.path(), StoreKey::generate().map(Some));
            let ids = ring.add(2).unwrap();
            let model = ModelId::new("net-1é");
            let value = write(&ring, Some(ids[0]), location(&key), &model, Zeroizing::new(plain.clone())).unwrap();
            prop_assert!(is_sealed(&value));
            prop_assert_eq!(header(&value).unwrap().model, model.clone());
            prop_assert_eq!(header(&value).unwrap().sub_key, ids[0]);
            prop_assert_eq!(&**read(&ring, location(&key), &value).unwrap(), &plain[..]);
            prop_assert!(plain.len() < 8 || !value.windows(plain.len()).any(|window| window == plain));

            prop_assert!(other == key || read(&ring, location(&other), &value).is_err());
            let elsewhere = Location { tree: "unknown", key: &key };
            prop_assert!(read(&ring, elsewhere, &value).is_err());
            let mut changed = value.clone();
            changed[at.index(value.len())] ^= flip;
            let read_changed = read(&ring, location(&key), &changed);
            prop_assert!(read_changed.map_or(true, |read| **read == changed[..] && !is_sealed(&changed)));
            prop_assert!(read(&ring, location(&key), &value[..at.index(value.len()).max(8)]).is_err());
            // Another person's sub-key, and another model.
            let mut claimed = value.clone();
            claimed[8..24].copy_from_slice(&ids[1].0);
            prop_assert!(matches!(read(&ring, location(&key), &claimed), Err(Unread::Damaged(_))));
            let mut renamed = value.clone();
            renamed[FIXED] = b'x';
            prop_assert!(read(&ring, location(&key), &renamed).is_err());
        }

        #[test]
        fn reading_any_bytes_never_panics(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            let ring = Ring::open(dir.path(), StoreKey::generate().map(Some));
            let _ = read(&ring, location(b"k"), &bytes);
            let marked = [&MAGIC[..], &bytes].concat();
            prop_assert!(read(&ring, location(b"k"), &marked).is_err());
        }
    }

    #[test]
    fn without_a_sub_key_a_value_is_stored_plain() {
        let ring = Ring::plain();
        let value =
            write(&ring, None, location(b"k"), &ModelId::new("net"), Zeroizing::new(b"plain".to_vec())).unwrap();
        assert_eq!(value, b"plain");
        assert_eq!(&**read(&ring, location(b"k"), &value).unwrap(), b"plain");
    }
}
