//! One tree of the store: reading it, and the changes that make up a commit.
//!
//! A tree stays usable when the database behind it is reopened after a failure. sled panics on some damaged pages; here that is an ordinary
//! error.

use std::ops::{Bound, Deref, RangeBounds};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use sled::IVec;

use super::{Shared, StoreError};

/// Bytes read from the store. Cloning is cheap.
#[derive(Clone, Debug, Default, PartialOrd, Eq, Ord, Hash)]
pub struct Bytes(IVec);

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Bytes {
    fn eq(&self, other: &T) -> bool {
        *self.0 == *other.as_ref()
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Vec<u8> {
        bytes.0.to_vec()
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Bytes {
        Bytes(bytes.into())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Bytes {
        Bytes(bytes.into())
    }
}

/// A key and its value.
pub type Entry = (Bytes, Bytes);

/// Wraps an entry of sled.
pub(super) fn entry((key, value): (IVec, IVec)) -> Entry {
    (Bytes(key), Bytes(value))
}

/// A named part of the store, sorted by key. Changes are made through [`super::Store::commit`].
#[derive(Clone)]
pub struct Tree {
    pub(super) name: Arc<str>,
    pub(super) shared: Arc<Shared>,
}

/// A change to one key of one tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub(super) tree: Arc<str>,
    pub(super) key: Vec<u8>,
    /// `None` deletes.
    pub(super) value: Option<Vec<u8>>,
}

impl Change {
    /// The number of key and value bytes it writes.
    pub fn size(&self) -> usize {
        self.key.len().saturating_add(self.value.as_ref().map_or(0, Vec::len))
    }
}

impl Tree {
    /// The change that sets `key` to `value`.
    pub fn put(&self, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Change {
        Change { tree: self.name.clone(), key: key.into(), value: Some(value.into()) }
    }

    /// The change that deletes `key`, if it exists.
    pub fn delete(&self, key: impl Into<Vec<u8>>) -> Change {
        Change { tree: self.name.clone(), key: key.into(), value: None }
    }

    /// The value of `key`.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Bytes>, StoreError> {
        self.with(|tree| Ok(tree.get(&key)?.map(Bytes)))
    }

    /// Whether `key` exists.
    pub fn contains_key(&self, key: impl AsRef<[u8]>) -> Result<bool, StoreError> {
        self.with(|tree| tree.contains_key(&key))
    }

    /// The entry with the highest key.
    pub fn last(&self) -> Result<Option<Entry>, StoreError> {
        self.with(|tree| Ok(tree.last()?.map(entry)))
    }

    /// The entry with the lowest key.
    pub fn first(&self) -> Result<Option<Entry>, StoreError> {
        self.with(|tree| Ok(tree.first()?.map(entry)))
    }

    /// All entries.
    pub fn iter(&self) -> Entries {
        self.range::<&[u8], _>(..)
    }

    /// The entries whose key begins with `prefix`.
    pub fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> Entries {
        Entries(self.with(|tree| Ok(tree.scan_prefix(&prefix))).map_err(Some))
    }

    /// The entries whose keys are in `range`; empty if it ends before it begins.
    pub fn range<K: AsRef<[u8]>, R: RangeBounds<K>>(&self, range: R) -> Entries {
        let bound = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
        let bounds = (bound(range.start_bound()), bound(range.end_bound()));
        let backwards = match &bounds {
            (Bound::Included(from), Bound::Included(to)) => from > to,
            (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) => from >= to,
            _ => false,
        };
        if backwards {
            return Entries(Err(None));
        }
        Entries(self.with(|tree| Ok(tree.range(bounds.clone()))).map_err(Some))
    }

    fn with<T>(&self, read: impl FnOnce(&sled::Tree) -> sled::Result<T>) -> Result<T, StoreError> {
        let tree = self.shared.tree(&self.name)?;
        caught(|| read(&tree)).map_err(|error| error.at(&self.shared.dir))
    }
}

/// Entries in key order. An error ends the iteration, except that a damaged page gives an error for each entry on it.
pub struct Entries(Result<sled::Iter, Option<StoreError>>);

impl Iterator for Entries {
    type Item = Result<Entry, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step(sled::Iter::next)
    }
}

impl DoubleEndedIterator for Entries {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.step(sled::Iter::next_back)
    }
}

impl Entries {
    fn step(
        &mut self,
        step: impl FnOnce(&mut sled::Iter) -> Option<sled::Result<(IVec, IVec)>>,
    ) -> Option<Result<Entry, StoreError>> {
        match &mut self.0 {
            Ok(entries) => caught(|| step(entries).transpose()).transpose().map(|found| found.map(entry)),
            Err(error) => error.take().map(Err),
        }
    }
}

/// Calls sled, and reports a panic in it as a damaged page.
pub(super) fn caught<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => Ok(result?),
        Err(_) => Err(StoreError::BadPage { why: "sled panicked reading it".to_owned() }),
    }
}
