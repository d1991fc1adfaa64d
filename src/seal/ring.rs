//! The ring: sub-keys by their ids, what they seal, and taking one off for good.
//!
//! Knows nothing of what is sealed.

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::cipher::{self, KEY, Key};
use super::file::{self, Found, WRAPPED, Written};
use super::key::{KeyId, StoreKey};
use super::{RING, SealError};

/// What a sub-key is called; random, and never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubKeyId(pub [u8; 16]);

/// Whether there is sealing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No key was ever given: nothing is sealed.
    Plain,
    /// Sealed with this key.
    Open(KeyId),
    /// It should be sealed and cannot be: what is sealed stays unread, and nothing new is taken.
    Shut(SealError),
}

/// See the file's head. Open it once for a folder.
pub struct Ring {
    dir: PathBuf,
    inner: Mutex<Inner>,
}

enum Inner {
    Plain,
    Open { key: StoreKey, ring: Written },
    Shut(SealError),
}

impl Ring {
    /// The ring in `dir` with the key that was given, if one was. Whatever is wrong is its [`Ring::state`]: a door opens for those who
    /// can still be recognised.
    pub fn open(dir: &Path, key: Result<Option<StoreKey>, SealError>) -> Ring {
        Ring { dir: dir.to_owned(), inner: Mutex::new(Ring::look(dir, key)) }
    }

    /// Without a key, where nothing was ever sealed.
    pub fn plain() -> Ring {
        Ring { dir: PathBuf::new(), inner: Mutex::new(Inner::Plain) }
    }

    fn look(dir: &Path, key: Result<Option<StoreKey>, SealError>) -> Inner {
        let key = match key {
            Ok(key) => key,
            Err(error) => return Inner::Shut(error),
        };
        let damaged = |why| Inner::Shut(SealError::RingDamaged { path: dir.join(RING), why });
        let found = file::read(dir, key.as_ref());
        match (found, key) {
            (Found::Nothing, None) => Inner::Plain,
            (Found::Nothing, Some(key)) => {
                let ring = Written { key: key.id(), generation: 0, entries: Default::default() };
                Inner::Open { key, ring }
            }
            (Found::OfAnotherKey(wanted), None) => Inner::Shut(SealError::NoKey { wanted }),
            (Found::OfAnotherKey(wanted), Some(key)) => Inner::Shut(SealError::WrongKey { wanted, given: key.id() }),
            (Found::Damaged { why }, _) => damaged(why),
            (Found::Ring { ring, mend }, Some(key)) => {
                if mend {
                    tracing::warn!("one of the two copies of the key ring was damaged or behind; it is written anew");
                    if let Err(error) = file::write(dir, &ring, &key) {
                        tracing::warn!(%error, "the key ring has one copy only");
                    }
                }
                Inner::Open { key, ring }
            }
            // A ring is only told from damage with its key.
            (Found::Ring { ring, .. }, None) => Inner::Shut(SealError::NoKey { wanted: ring.key }),
        }
    }

    /// How it stands.
    pub fn state(&self) -> State {
        match &*self.lock() {
            Inner::Plain => State::Plain,
            Inner::Open { key, .. } => State::Open(key.id()),
            Inner::Shut(error) => State::Shut(error.clone()),
        }
    }

    /// Whether it seals.
    pub fn is_open(&self) -> bool {
        matches!(&*self.lock(), Inner::Open { .. })
    }

    /// So many new sub-keys; they are on disk when this returns. None where nothing is sealed.
    pub fn add(&self, count: usize) -> Result<Vec<SubKeyId>, SealError> {
        let mut inner = self.lock();
        match &mut *inner {
            Inner::Plain => Ok(Vec::new()),
            Inner::Shut(error) => Err(error.clone()),
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

    /// Takes sub-keys off, for good; that is on disk when this returns. Those that are not on it are passed over.
    pub fn take_off(&self, ids: &[SubKeyId]) -> Result<(), SealError> {
        let mut inner = self.lock();
        match &mut *inner {
            Inner::Plain => Ok(()),
            Inner::Shut(error) => Err(error.clone()),
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

    /// All sub-keys; empty where it is not open.
    pub fn ids(&self) -> Vec<SubKeyId> {
        match &*self.lock() {
            Inner::Open { ring, .. } => ring.entries.keys().copied().collect(),
            Inner::Plain | Inner::Shut(_) => Vec::new(),
        }
    }

    /// `plain` sealed with a sub-key, bound to `context`.
    pub fn seal(&self, id: SubKeyId, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        cipher::seal(&self.sub_key(id)?, context, plain)
    }

    /// What [`Ring::seal`] has sealed.
    pub fn unseal(&self, id: SubKeyId, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        cipher::open(&self.sub_key(id)?, context, sealed)
    }

    /// Wraps all sub-keys with another key of the store. What they have sealed stays as it is. On disk when this returns; killed
    /// meanwhile, the ring is wholly the old key's or wholly the new one's.
    pub fn change_key(&self, new: StoreKey) -> Result<usize, SealError> {
        let mut inner = self.lock();
        match &mut *inner {
            Inner::Plain => Err(SealError::RingDamaged { path: self.dir.join(RING), why: "there is none".to_owned() }),
            Inner::Shut(error) => Err(error.clone()),
            Inner::Open { key, ring } => {
                let mut next = Written { key: new.id(), generation: ring.generation + 1, entries: Default::default() };
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
        let next = Written { generation: ring.generation + 1, ..next };
        file::write(&self.dir, &next, key)?;
        *ring = next;
        Ok(())
    }

    fn sub_key(&self, id: SubKeyId) -> Result<Key, SealError> {
        match &*self.lock() {
            Inner::Open { key, ring } => unwrap(key, id, ring.entries.get(&id).ok_or(SealError::NoSubKey)?),
            Inner::Shut(error) => Err(error.clone()),
            Inner::Plain => Err(SealError::NoSubKey),
        }
    }

    // The ring in memory is changed last, so a poisoned lock holds what was before.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Puts the sub-keys of a ring that [`super::save`] wrote to `path` on the ring in `dir`, beside those that are there, or in the place of a
/// damaged ring; how many were not there. Those that were taken off since it was saved come back, too: whoever saves a ring over and over
/// the same file has none such.
pub fn load(dir: &Path, path: &Path, key: &StoreKey) -> Result<usize, SealError> {
    let saved = file::load(path, key)?;
    let present = match file::read(dir, Some(key)) {
        Found::Ring { ring, .. } => ring,
        Found::Nothing | Found::Damaged { .. } => Written { entries: Default::default(), ..saved.clone() },
        Found::OfAnotherKey(wanted) => return Err(SealError::WrongKey { wanted, given: key.id() }),
    };
    let mut next = Written { generation: present.generation.max(saved.generation) + 1, ..present.clone() };
    next.entries.extend(saved.entries);
    file::write(dir, &next, key)?;
    Ok(next.entries.len() - present.entries.len())
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
