//! A new key in the place of the old one, in the same file: written beside it, then the ring wrapped with it, then renamed over it. Killed
//! in between, the next start carries it through.
//!
//! Knows nothing of keys that are not in a file of ours: a credential of systemd is changed by whoever made it.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::SealError;
use super::file;
use super::file::sync_folder_of;
use super::key::{KeyId, StoreKey};
use super::ring::Ring;

/// Makes a new key, wraps `ring` with it, and puts it in the place of the one in `path`. The new key's id, and how many sub-keys there are.
pub fn change_key_file(ring: &Ring, path: &Path) -> Result<(KeyId, usize), SealError> {
    let beside = beside(path);
    let unwritable = |error: io::Error| SealError::Unwritable { path: beside.clone(), why: error.to_string() };
    let owner = fs::metadata(path).map_err(unwritable)?;
    // Left by a change that did not come as far as the ring: it seals nothing.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(error)),
        _ => {}
    }
    let new = StoreKey::generate()?;
    new.save(&beside)?;
    // The daemon's user may own it.
    chown(&beside, Some(owner.uid()), Some(owner.gid())).map_err(unwritable)?;
    let count = ring.change_key(new.clone())?;
    rename(&beside, path)?;
    Ok((new.id(), count))
}

/// Carries through a change that was cut short after the ring in `dir` had been wrapped with the new key.
pub fn finish_change(dir: &Path, path: &Path) -> Result<(), SealError> {
    let beside = beside(path);
    if !beside.exists() {
        return Ok(());
    }
    // A key that cannot be read was not written to its end, and the ring is the old one's.
    match StoreKey::load(&beside) {
        Ok(new) if file::newest_key(dir) == Some(new.id()) => rename(&beside, path),
        _ => Ok(()),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn rename(from: &Path, to: &Path) -> Result<(), SealError> {
    let done = || -> io::Result<()> {
        fs::rename(from, to)?;
        sync_folder_of(to)
    };
    done().map_err(|error| SealError::Unwritable { path: to.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::State;

    #[test]
    fn a_change_that_was_cut_short_is_carried_through_or_never_was() {
        let dir = tempfile::tempdir().unwrap();
        let (path, beside) = (dir.path().join("key"), dir.path().join("key.new"));
        StoreKey::generate().unwrap().save(&path).unwrap();
        let opened = || {
            finish_change(dir.path(), &path).unwrap();
            Ring::open(dir.path(), StoreKey::load(&path).map(Some))
        };
        let id = opened().add(1).unwrap()[0];
        let sealed = opened().seal(id, b"", b"Ada").unwrap();
        let opens = || opened().unseal(id, b"", &sealed).is_ok();

        // Killed before the ring was wrapped: whole, and in the middle of the file.
        let never = StoreKey::generate().unwrap();
        never.save(&beside).unwrap();
        assert!(opens() && beside.exists());
        fs::write(&beside, "torn").unwrap();
        assert!(opens());

        let (new, count) = change_key_file(&opened(), &path).unwrap();
        assert_eq!((count, opened().state(), beside.exists()), (1, State::Open(new), false));
        assert!(opens());

        // Killed before the renaming.
        let newer = StoreKey::generate().unwrap();
        newer.save(&beside).unwrap();
        opened().change_key(newer.clone()).unwrap();
        assert!(opens());
        assert_eq!((opened().state(), beside.exists()), (State::Open(newer.id()), false));
    }
}
