//! The key ring: sub-keys by id, sealing with them, and removing one for good.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::cipher::{self, KEY, Key};
use super::file::{self, Found, RING, SubKeyId, WRAPPED, Written};
use super::key::StoreKey;
use super::{KeyId, SealError};

/// Whether the ring can seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RingState {
    /// No store key was ever configured: nothing is sealed.
    Plain,
    /// Sealing with the store key of this id.
    Open(KeyId),
    /// The ring exists but cannot be used: sealed data stays unreadable, and nothing new can be sealed.
    Locked(SealError),
}

/// The key ring of one store directory. Open it once per directory: changes are written through to its two files.
pub struct Ring {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

enum Inner {
    Plain,
    Open { key: StoreKey, ring: Written },
    Locked(SealError),
}

impl Inner {
    fn open(dir: &Path, key: Result<Option<StoreKey>, SealError>) -> Inner {
        let key = match key {
            Ok(key) => key,
            Err(error) => return Inner::Locked(error),
        };
        let damaged = |why| Inner::Locked(SealError::RingDamaged { path: dir.join(RING), why });
        let found = file::read(dir, key.as_ref());
        match (found, key) {
            (Found::Nothing, None) => Inner::Plain,
            (Found::Nothing, Some(key)) => {
                let ring = Written { key: key.id(), generation: 0, entries: Default::default() };
                Inner::Open { key, ring }
            }
            (Found::OfAnotherKey(wanted), None) => Inner::Locked(SealError::NoKey { wanted }),
            (Found::OfAnotherKey(wanted), Some(key)) => Inner::Locked(SealError::WrongKey { wanted, given: key.id() }),
            (Found::Damaged { why }, _) => damaged(why),
            (Found::Ring { ring, mend }, Some(key)) => {
                if mend {
                    tracing::warn!("one of the two copies of the key ring was damaged or out of date; rewriting it");
                    if let Err(error) = file::write(dir, &ring, &key) {
                        tracing::warn!(%error, "the key ring still has only one good copy");
                    }
                }
                Inner::Open { key, ring }
            }
            // Only the key can verify that this ring is undamaged.
            (Found::Ring { ring, .. }, None) => Inner::Locked(SealError::NoKey { wanted: ring.key }),
        }
    }
}

impl Ring {
    /// Opens the ring in `dir` with the given key, if any. It never fails: problems show in [`Ring::state`], so that a door still opens for
    /// everyone who can be recognised.
    pub fn open(dir: &Path, key: Result<Option<StoreKey>, SealError>) -> Ring {
        Ring { dir: dir.to_owned(), inner: Mutex::new(Inner::open(dir, key)) }
    }

    /// A ring that seals nothing, without a key or files.
    pub fn plain() -> Ring {
        Ring { dir: PathBuf::new(), inner: Mutex::new(Inner::Plain) }
    }

    /// Whether the ring can seal, and if not, why.
    pub fn state(&self) -> RingState {
        match &*self.lock() {
            Inner::Plain => RingState::Plain,
            Inner::Open { key, .. } => RingState::Open(key.id()),
            Inner::Locked(error) => RingState::Locked(error.clone()),
        }
    }

    /// Whether the ring seals.
    pub fn is_open(&self) -> bool {
        matches!(&*self.lock(), Inner::Open { .. })
    }

    /// Adds `count` new sub-keys, which are on disk when it returns. The list is empty if nothing is sealed.
    pub fn add(&self, count: usize) -> Result<Vec<SubKeyId>, SealError> {
        let mut inner = self.lock();
        match &mut *inner {
            Inner::Plain => Ok(Vec::new()),
            Inner::Locked(error) => Err(error.clone()),
            Inner::Open { .. } if count == 0 => Ok(Vec::new()),
            Inner::Open { key, ring } => {
                let mut next = ring.clone();
                let mut ids = Vec::with_capacity(count);
                for _ in 0..count {
                    let (id, sub_key) = (SubKeyId(cipher::random()?), Key::new(cipher::random()?));
                    next.entries.insert(id, wrap(key, id, &sub_key)?);
                    ids.push(id);
                }
                self.write(key, ring, next)?;
                Ok(ids)
            }
        }
    }

    /// Removes sub-keys for good; that is on disk when it returns. Unknown ids are ignored.
    pub fn remove(&self, ids: &[SubKeyId]) -> Result<(), SealError> {
        let mut inner = self.lock();
        match &mut *inner {
            Inner::Plain => Ok(()),
            Inner::Locked(error) => Err(error.clone()),
            Inner::Open { key, ring } => {
                let mut next = ring.clone();
                next.entries.retain(|id, _| !ids.contains(id));
                match next.entries.len() == ring.entries.len() {
                    true => Ok(()),
                    false => self.write(key, ring, next),
                }
            }
        }
    }

    /// The ids of all sub-keys; empty unless the ring is open.
    pub fn ids(&self) -> Vec<SubKeyId> {
        match &*self.lock() {
            Inner::Open { ring, .. } => ring.entries.keys().copied().collect(),
            Inner::Plain | Inner::Locked(_) => Vec::new(),
        }
    }

    /// Seals `plain` with a sub-key and binds it to `context`.
    pub fn seal(&self, id: SubKeyId, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        cipher::seal(&self.sub_key(id)?, context, plain)
    }

    /// Opens what [`Ring::seal`] returned for the same sub-key and `context`.
    pub fn unseal(&self, id: SubKeyId, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        cipher::open(&self.sub_key(id)?, context, sealed)
    }

    /// Wraps all sub-keys with a new store key and returns their number. What they sealed is unchanged. The new ring is on disk when it
    /// returns; if the process is killed meanwhile, the ring belongs entirely to the old key or entirely to the new one.
    pub fn change_key(&self, new: StoreKey) -> Result<usize, SealError> {
        let mut inner = self.lock();
        match &mut *inner {
            Inner::Plain => {
                Err(SealError::RingDamaged { path: self.dir.join(RING), why: "there is no key ring".to_owned() })
            }
            Inner::Locked(error) => Err(error.clone()),
            Inner::Open { key, ring } => {
                let mut next = Written {
                    key: new.id(),
                    generation: ring.generation.saturating_add(1),
                    entries: Default::default(),
                };
                for (id, wrapped) in &ring.entries {
                    next.entries.insert(*id, wrap(&new, *id, &unwrap(key, *id, wrapped)?)?);
                }
                file::write(&self.dir, &next, &new)?;
                let count = next.entries.len();
                (*key, *ring) = (new, next);
                Ok(count)
            }
        }
    }

    fn write(&self, key: &StoreKey, ring: &mut Written, next: Written) -> Result<(), SealError> {
        let next = Written { generation: ring.generation.saturating_add(1), ..next };
        file::write(&self.dir, &next, key)?;
        *ring = next;
        Ok(())
    }

    fn sub_key(&self, id: SubKeyId) -> Result<Key, SealError> {
        match &*self.lock() {
            Inner::Open { key, ring } => unwrap(key, id, ring.entries.get(&id).ok_or(SealError::NoSubKey)?),
            Inner::Locked(error) => Err(error.clone()),
            Inner::Plain => Err(SealError::NoSubKey),
        }
    }

    // The ring in memory is changed last, so a poisoned lock still holds the previous state.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the sub-keys of a ring saved by [`super::save`] at `path` to the ring in `dir`, or replaces a damaged one. Returns how many were
/// missing. Sub-keys removed after the ring was saved come back too; overwriting the same saved file after each removal avoids that.
pub fn load(dir: &Path, path: &Path, key: &StoreKey) -> Result<usize, SealError> {
    let saved = file::load(path, key)?;
    let present = match file::read(dir, Some(key)) {
        Found::Ring { ring, .. } => ring,
        Found::Nothing | Found::Damaged { .. } => Written { entries: Default::default(), ..saved.clone() },
        Found::OfAnotherKey(wanted) => return Err(SealError::WrongKey { wanted, given: key.id() }),
    };
    let mut next =
        Written { generation: present.generation.max(saved.generation).saturating_add(1), ..present.clone() };
    next.entries.extend(saved.entries);
    file::write(dir, &next, key)?;
    Ok(next.entries.len().saturating_sub(present.entries.len()))
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({:?})", self.state())
    }
}

fn wrap(key: &StoreKey, id: SubKeyId, sub_key: &Key) -> Result<[u8; WRAPPED], SealError> {
    let wrapped = cipher::seal(&key.wrapping(), &id.0, &**sub_key)?;
    wrapped.try_into().map_err(|_| SealError::Broken)
}

fn unwrap(key: &StoreKey, id: SubKeyId, wrapped: &[u8; WRAPPED]) -> Result<Key, SealError> {
    let plain = cipher::open(&key.wrapping(), &id.0, wrapped)?;
    let plain: &[u8; KEY] = plain[..].try_into().map_err(|_| SealError::Broken)?;
    Ok(Key::new(*plain))
}
