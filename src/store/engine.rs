//! The sled database: opening it in its own directory, reading, writing and syncing.
//!
//! sled 0.34 panics on some torn files; here each is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sled::transaction::{ConflictableTransactionError, TransactionError};
use sled::{IVec, Transactional};

use super::error::{explain, reason};
use super::tree::{Entry, caught, entry};
use super::{Change, StoreError};

/// In sled's default tree: the number of the last commit.
const COMMIT: &str = "commit";
/// In sled's default tree: the format of what is stored.
const FORMAT: &str = "format";
/// sled's page cache. It is small because each room keeps in memory what it reads often.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Entries per batch when the database is rebuilt.
const BATCH: usize = 1000;
/// Entries read at a time while others write.
const PART: usize = 256;

/// sled's threads and readers may hold a database for a moment after it was closed. No other process has it: the store has a lock of its
/// own.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// An open database. It closes when it and all iterators over it are dropped.
pub(super) struct Engine {
    db: sled::Db,
    /// sled's data file, opened separately to sync it.
    data: File,
    trees: RwLock<HashMap<Arc<str>, sled::Tree>>,
}

/// How much data a database holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct DataSize {
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl Engine {
    /// Opens the database in `dir`, or creates one there.
    pub fn open(dir: &Path) -> Result<Engine, StoreError> {
        let config =
            sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).mode(sled::Mode::LowSpace).flush_every_ms(None);
        let began = Instant::now();
        let db = loop {
            match caught(|| Ok(config.open()))? {
                Ok(db) => break db,
                Err(sled::Error::Io(error)) => match unopened(dir, error) {
                    StoreError::Busy { .. } if began.elapsed() < LOCK_PATIENCE => std::thread::sleep(LOCK_PAUSE),
                    other => return Err(other),
                },
                Err(other) => return Err(StoreError::BadPage { why: reason(other) }),
            }
        };
        let data = File::open(dir.join("db")).map_err(|error| explain(dir, error))?;
        Ok(Engine { db, data, trees: RwLock::default() })
    }

    /// The number of the last commit in the database.
    pub fn number(&self) -> Result<u64, StoreError> {
        match caught(|| self.db.get(COMMIT))? {
            None => Ok(0),
            Some(bytes) => {
                let bytes = <[u8; 8]>::try_from(&*bytes);
                let damaged = |_| StoreError::BadPage { why: "its number of commits is unreadable".to_owned() };
                bytes.map(u64::from_le_bytes).map_err(damaged)
            }
        }
    }

    /// The format stored in the database.
    pub fn format(&self) -> Result<Option<u32>, StoreError> {
        match caught(|| self.db.get(FORMAT))? {
            None => Ok(None),
            Some(bytes) => {
                let damaged = |_| StoreError::BadPage { why: "its format is unreadable".to_owned() };
                Ok(Some(u32::from_be_bytes(<[u8; 4]>::try_from(&*bytes).map_err(damaged)?)))
            }
        }
    }

    /// Stores the format.
    pub fn set_format(&self, format: u32) -> Result<(), StoreError> {
        caught(|| self.db.insert(FORMAT, &format.to_be_bytes())).map(drop)
    }

    /// Opens or creates the tree `name`.
    pub fn tree(&self, name: &Arc<str>) -> Result<sled::Tree, StoreError> {
        if let Some(tree) = self.trees.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(tree.clone());
        }
        let tree = caught(|| self.db.open_tree(name.as_bytes()))?;
        self.trees.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), tree.clone());
        Ok(tree)
    }

    /// The names of all trees except sled's own.
    pub fn names(&self) -> Result<Vec<Arc<str>>, StoreError> {
        let names = caught(|| Ok(self.db.tree_names()))?;
        let own = |name: &IVec| **name == *b"__sled__default";
        let text = |name: &IVec| {
            std::str::from_utf8(name)
                .map(Arc::from)
                .map_err(|_| StoreError::BadPage { why: "the name of a tree is unreadable".to_owned() })
        };
        names.iter().filter(|name| !own(name)).map(text).collect()
    }

    /// Reads everything once. An unreadable page is an error.
    pub fn read_through(&self) -> Result<DataSize, StoreError> {
        let mut held = DataSize::default();
        self.each::<StoreError>(|_, key, value| {
            held.bytes = held.bytes.saturating_add(key.len() as u64).saturating_add(value.len() as u64);
            Ok(())
        })?;
        Ok(held)
    }

    /// Passes every entry to `show`: the tree's name, key and value.
    pub fn each<E: From<StoreError>>(
        &self,
        mut show: impl FnMut(&str, &[u8], &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        for name in self.names()? {
            let tree = self.tree(&name)?;
            let mut entries = caught(|| Ok(tree.iter()))?;
            while let Some((key, value)) = caught(|| entries.next().transpose())? {
                show(&name, &key, &value)?;
            }
        }
        Ok(())
    }

    /// Up to [`PART`] entries of a tree in key order, from the first one or from after a key. Empty at the end.
    pub fn part(&self, name: &Arc<str>, after: Option<&[u8]>) -> Result<Vec<Entry>, StoreError> {
        let tree = self.tree(name)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = caught(|| Ok(tree.range::<&[u8], _>((from, Bound::Unbounded))))?;
        let mut part = Vec::new();
        while part.len() < PART
            && let Some(found) = caught(|| entries.next().transpose())?
        {
            part.push(entry(found));
        }
        Ok(part)
    }

    /// Applies all `changes`, or none, as commit `number`.
    pub fn apply(&self, changes: &[Change], number: u64) -> Result<(), StoreError> {
        let mut names: Vec<&Arc<str>> = changes.iter().map(|change| &change.tree).collect();
        names.sort();
        names.dedup();
        let trees = names.iter().map(|name| self.tree(name)).collect::<Result<Vec<_>, _>>()?;
        let places: Vec<usize> =
            changes.iter().map(|change| names.binary_search(&&change.tree).unwrap_or_default()).collect();
        let mut all: Vec<&sled::Tree> = trees.iter().collect();
        all.push(&self.db);
        caught(|| {
            let done = all[..].transaction(|views| {
                let view = |at: usize| views.get(at).ok_or(ConflictableTransactionError::Abort(()));
                for (change, place) in changes.iter().zip(&places) {
                    match &change.value {
                        Some(value) => view(*place)?.insert(&change.key[..], &value[..])?,
                        None => view(*place)?.remove(&change.key[..])?,
                    };
                }
                view(trees.len())?.insert(COMMIT, &number.to_le_bytes())?;
                Ok(())
            });
            done.map_err(|error: TransactionError<()>| match error {
                TransactionError::Abort(()) => sled::Error::Unsupported("a transaction aborted".to_owned()),
                TransactionError::Storage(error) => error,
            })
        })
    }

    /// Applies a batch without a transaction, to a database that is not in use yet.
    pub fn fill(&self, tree: &str, batch: sled::Batch) -> Result<(), StoreError> {
        let tree = self.tree(&tree.into())?;
        caught(|| tree.apply_batch(batch))
    }

    /// Stores that the database holds everything up to commit `number`.
    pub fn set_number(&self, number: u64) -> Result<(), StoreError> {
        caught(|| self.db.insert(COMMIT, &number.to_le_bytes())).map(drop)
    }

    /// Syncs everything written before, so that it survives a power cut.
    ///
    /// sled's own flush is not enough: on Linux sled 0.34 ends it with `sync_file_range(2)`, whose manual warns that neither the file's
    /// length nor the drive's cache is written. So the data file is synced here as well.
    pub fn flush(&self) -> Result<(), StoreError> {
        caught(|| self.db.flush())?;
        Ok(self.data.sync_all()?)
    }
}

/// Classifies an error of opening sled: in use, damaged, or a disk failure.
fn unopened(dir: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        // sled reports a taken lock in the message only.
        _ if error.to_string().contains("could not acquire lock") => StoreError::Busy { dir: dir.to_owned() },
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => StoreError::BadPage { why: error.to_string() },
        _ => explain(dir, error),
    }
}

/// Loads a sequence of changes into a new database, in batches.
pub(super) struct BulkLoad<'a> {
    engine: &'a Engine,
    tree: String,
    batch: sled::Batch,
    waiting: usize,
}

impl<'a> BulkLoad<'a> {
    pub fn new(engine: &'a Engine) -> BulkLoad<'a> {
        BulkLoad { engine, tree: String::new(), batch: sled::Batch::default(), waiting: 0 }
    }

    /// Adds one change.
    pub fn add(&mut self, tree: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        if self.tree != tree || self.waiting == BATCH {
            self.write()?;
            tree.clone_into(&mut self.tree);
        }
        match value {
            Some(value) => self.batch.insert(key, value),
            None => self.batch.remove(key),
        }
        self.waiting = self.waiting.saturating_add(1);
        Ok(())
    }

    /// Writes the batch.
    pub fn write(&mut self) -> Result<(), StoreError> {
        if self.waiting > 0 {
            self.engine.fill(&self.tree, std::mem::take(&mut self.batch))?;
            self.waiting = 0;
        }
        Ok(())
    }
}
