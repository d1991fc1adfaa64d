//! Replacing the store key in its file. The new key is written beside the old one, the ring is wrapped with it, and the new file is renamed
//! over the old one. If the process is killed in between, the next start finishes the change.
//!
//! Only key files of ours are replaced this way; a systemd credential is changed by its issuer.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use super::file;
use super::key::{StoreKey, sync_parent_dir};
use super::ring::Ring;
use super::{KeyId, SealError};

/// Generates a new key, wraps `ring` with it, and replaces the key file at `path`. Returns the new key's id and the number of sub-keys.
pub fn change_key_file(ring: &Ring, path: &Path) -> Result<(KeyId, usize), SealError> {
    let beside = new_key_path(path);
    let unwritable = |error: io::Error| SealError::Unwritable { path: beside.clone(), why: error.to_string() };
    let owner = fs::metadata(path).map_err(unwritable)?;
    // Left by a change that ended before it reached the ring: this key seals nothing.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(unwritable(error)),
        _ => {}
    }
    let new = StoreKey::generate()?;
    new.save(&beside)?;
    // The file may belong to the daemon's user while root runs the command.
    chown(&beside, Some(owner.uid()), Some(owner.gid())).map_err(unwritable)?;
    let count = ring.change_key(new.clone())?;
    rename(&beside, path)?;
    Ok((new.id(), count))
}

/// Finishes a key change that was interrupted after the ring in `dir` had been wrapped with the new key.
pub fn finish_key_change(dir: &Path, path: &Path) -> Result<(), SealError> {
    let beside = new_key_path(path);
    if !beside.exists() {
        return Ok(());
    }
    // An unreadable new key was never written completely, so the ring still belongs to the old one.
    match StoreKey::load(&beside) {
        Ok(new) if file::newest_key(dir) == Some(new.id()) => rename(&beside, path),
        _ => Ok(()),
    }
}

fn new_key_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

fn rename(from: &Path, to: &Path) -> Result<(), SealError> {
    let done = || -> io::Result<()> {
        fs::rename(from, to)?;
        sync_parent_dir(to)
    };
    done().map_err(|error| SealError::Unwritable { path: to.to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::RingState;

    #[test]
    fn an_interrupted_key_change_is_finished_or_discarded() {
        let dir = tempfile::tempdir().unwrap();
        let (path, beside) = (dir.path().join("key"), dir.path().join("key.new"));
        StoreKey::generate().unwrap().save(&path).unwrap();
        let opened = || {
            finish_key_change(dir.path(), &path).unwrap();
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
        assert_eq!((count, opened().state(), beside.exists()), (1, RingState::Open(new), false));
        assert!(opens());

        // Killed before the renaming.
        let newer = StoreKey::generate().unwrap();
        newer.save(&beside).unwrap();
        opened().change_key(newer.clone()).unwrap();
        assert!(opens());
        assert_eq!((opened().state(), beside.exists()), (RingState::Open(newer.id()), false));
    }
}
