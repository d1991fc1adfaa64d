//! The store key: 32 random bytes, in a file of 64 hexadecimal digits that only its owner may read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::cipher::{KEY, Key, random};
use super::{KeyId, SealError};

/// At most this many bytes are read from a key file.
const LONGEST_FILE: u64 = 1024;

/// The store key. It is wiped from memory when dropped.
#[derive(Clone)]
pub struct StoreKey(Key);

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({})", self.id())
    }
}

impl StoreKey {
    /// Generates a key from the operating system's randomness.
    pub fn generate() -> Result<StoreKey, SealError> {
        Ok(StoreKey(Key::new(random()?)))
    }

    /// Reads a key file. Fails if anyone but its owner may read it.
    pub fn load(path: &Path) -> Result<StoreKey, SealError> {
        StoreKey::read(path, true)
    }

    /// Reads a systemd credential. systemd guards its directory, and its mode is not checked: an access list for the unit's user appears in
    /// the mode as if a group could read it.
    pub fn load_credential(path: &Path) -> Result<StoreKey, SealError> {
        StoreKey::read(path, false)
    }

    fn read(path: &Path, alone: bool) -> Result<StoreKey, SealError> {
        let unreadable = |error: io::Error| SealError::KeyUnreadable { path: path.to_owned(), why: error.to_string() };
        let file = File::open(path).map_err(unreadable)?;
        let found = file.metadata().map_err(unreadable)?;
        if !found.is_file() {
            return Err(SealError::NotAKey { path: path.to_owned() });
        }
        let mode = found.mode() & 0o777;
        if alone && mode & 0o077 != 0 {
            return Err(SealError::KeyExposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_FILE as usize));
        file.take(LONGEST_FILE).read_to_end(&mut text).map_err(unreadable)?;
        StoreKey::parse(&text).ok_or_else(|| SealError::NotAKey { path: path.to_owned() })
    }

    /// Parses 64 hexadecimal digits, ignoring surrounding whitespace.
    fn parse(text: &[u8]) -> Option<StoreKey> {
        let digits = text.trim_ascii();
        if digits.len() != 2 * KEY {
            return None;
        }
        let mut key = Key::new([0; KEY]);
        let digit = |c: u8| char::from(c).to_digit(16);
        let (pairs, _) = digits.as_chunks::<2>();
        for (byte, [high, low]) in key.iter_mut().zip(pairs) {
            *byte = (digit(*high)? << 4 | digit(*low)?) as u8;
        }
        Some(StoreKey(key))
    }

    /// The contents of its file: 64 hexadecimal digits and a newline.
    pub fn text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(2 * KEY + 1));
        for byte in self.0.iter() {
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from_digit(digit.into(), 16).unwrap_or_default());
            }
        }
        text.push('\n');
        text
    }

    /// Writes the key to a new file with mode 0600. An existing file is an error and is left unchanged.
    pub fn save(&self, path: &Path) -> Result<(), SealError> {
        let write = || -> io::Result<()> {
            let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
            file.write_all(self.text().as_bytes())?;
            file.sync_all()?;
            sync_parent_dir(path)
        };
        write().map_err(|error| SealError::Unwritable { path: path.to_owned(), why: error.to_string() })
    }

    /// The key's id.
    pub fn id(&self) -> KeyId {
        let derived = self.derive("usher store key 1: name");
        KeyId(*derived.first_chunk().unwrap_or(&[0; 8]))
    }

    /// The derived key that wraps sub-keys.
    pub(super) fn wrapping(&self) -> Key {
        self.derive("usher store key 1: wrapping of sub-keys")
    }

    /// The derived key of the ring file's check.
    pub(super) fn checking(&self) -> Key {
        self.derive("usher store key 1: check of the key ring")
    }

    fn derive(&self, purpose: &str) -> Key {
        Key::new(blake3::derive_key(purpose, &*self.0))
    }
}

/// Syncs the directory that contains `path`, so that the file's name survives a power cut.
pub(super) fn sync_parent_dir(path: &Path) -> io::Result<()> {
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_read_back_from_its_file_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let key = StoreKey::generate().unwrap();
        key.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(StoreKey::load(&path).unwrap().id(), key.id());
        let other = StoreKey::generate().unwrap();
        assert_ne!(other.id(), key.id());
        assert!(matches!(other.save(&path), Err(SealError::Unwritable { .. })));
        assert_eq!(StoreKey::load(&path).unwrap().id(), key.id());
        assert!(!format!("{key:?}").contains(&key.text()[..8]), "its debug form must not show it");
    }

    #[test]
    fn a_key_that_others_can_read_or_that_is_malformed_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        assert!(matches!(StoreKey::load(&path), Err(SealError::KeyUnreadable { .. })));
        StoreKey::generate().unwrap().save(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(StoreKey::load(&path).unwrap_err(), SealError::KeyExposed { path: path.clone(), mode: 0o640 });
        assert!(StoreKey::load_credential(&path).is_ok());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(StoreKey::load(&path).is_ok());
        assert_eq!(StoreKey::load(dir.path()).unwrap_err(), SealError::NotAKey { path: dir.path().to_owned() });
    }

    proptest! {
        #[test]
        fn a_key_is_64_hexadecimal_digits_and_nothing_else(bytes: Vec<u8>, key: [u8; KEY], extra in "[0-9a-g]{1,3}") {
            prop_assert!(bytes.trim_ascii().len() == 64 || StoreKey::parse(&bytes).is_none());
            let key = StoreKey(Key::new(key));
            let text = key.text();
            prop_assert_eq!(*StoreKey::parse(text.as_bytes()).unwrap().0, *key.0);
            prop_assert_eq!(*StoreKey::parse(text.to_uppercase().trim().as_bytes()).unwrap().0, *key.0);
            let joined = format!("{}{extra}", text.trim());
            prop_assert!(StoreKey::parse(joined.as_bytes()).is_none());
        }
    }
}
