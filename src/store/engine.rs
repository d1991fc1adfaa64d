//! The database itself: sled in a folder of its own, opened, read through, written and forced to disk.
//!
//! Knows nothing of the second copy. sled 0.34 answers some torn files with a panic; here each is an error.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sled::transaction::TransactionError;
use sled::{IVec, Transactional};

use super::error::{explain, reason};
use super::tree::caught;
use super::{Change, StoreError};

/// In sled's default tree: the number of the last commit.
const COMMIT: &str = "commit";
/// In sled's default tree: the format of what is stored.
const FORMAT: &str = "format";
/// sled's own page cache. Every room keeps in memory what it reads often, so this stays small.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// Entries that go into the database at once when it is made anew.
const BATCH: usize = 1000;
/// Entries that are read at once while others write.
const PART: usize = 256;

/// sled's threads, and readers, may hold a database that was just closed for a moment longer. Nobody else has it: the store has a
/// lock of its own.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// An open database; closed when it and all iterators over it are dropped.
pub(super) struct Engine {
    db: sled::Db,
    /// sled's data file, opened once more to be synchronised.
    data: File,
    trees: RwLock<HashMap<Arc<str>, sled::Tree>>,
}

/// How much is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Bytes of keys and values.
    pub bytes: u64,
}

impl Engine {
    /// Opens the database in `dir`, or makes a new one there.
    pub fn open(dir: &Path) -> Result<Engine, StoreError> {
        let config =
            sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).mode(sled::Mode::LowSpace).flush_every_ms(None);
        let until = Instant::now() + LOCK_PATIENCE;
        let db = loop {
            match caught(|| Ok(config.open()))? {
                Ok(db) => break db,
                Err(sled::Error::Io(error)) => match unopened(dir, error) {
                    StoreError::Busy { .. } if Instant::now() < until => std::thread::sleep(LOCK_PAUSE),
                    other => return Err(other),
                },
                Err(other) => return Err(StoreError::BadPage { why: reason(other) }),
            }
        };
        let data = File::open(dir.join("db")).map_err(|error| explain(dir, error))?;
        Ok(Engine { db, data, trees: RwLock::default() })
    }

    /// The number of the last commit that is in it.
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

    /// The format that it says it has.
    pub fn format(&self) -> Result<Option<u32>, StoreError> {
        match caught(|| self.db.get(FORMAT))? {
            None => Ok(None),
            Some(bytes) => {
                let damaged = |_| StoreError::BadPage { why: "its format is unreadable".to_owned() };
                Ok(Some(u32::from_be_bytes(<[u8; 4]>::try_from(&*bytes).map_err(damaged)?)))
            }
        }
    }

    /// Says which format it has.
    pub fn set_format(&self, format: u32) -> Result<(), StoreError> {
        caught(|| self.db.insert(FORMAT, &format.to_be_bytes())).map(drop)
    }

    /// The tree of that name; made when it is not there.
    pub fn tree(&self, name: &Arc<str>) -> Result<sled::Tree, StoreError> {
        if let Some(tree) = self.trees.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Ok(tree.clone());
        }
        let tree = caught(|| self.db.open_tree(name.as_bytes()))?;
        self.trees.write().unwrap_or_else(PoisonError::into_inner).insert(name.clone(), tree.clone());
        Ok(tree)
    }

    /// The names of all trees but sled's own.
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

    /// Reads everything once; a page that cannot be read is an error.
    pub fn read_through(&self) -> Result<Held, StoreError> {
        let mut held = Held::default();
        self.each::<StoreError>(|_, key, value| {
            held.bytes += (key.len() + value.len()) as u64;
            Ok(())
        })?;
        Ok(held)
    }

    /// Shows every entry: the tree's name, key, value.
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

    /// The next entries of a tree in order, some [`PART`] of them: the first ones, or those after a key. Empty at its end.
    pub fn part(&self, name: &Arc<str>, after: Option<&[u8]>) -> Result<Vec<(IVec, IVec)>, StoreError> {
        let tree = self.tree(name)?;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut entries = caught(|| Ok(tree.range::<&[u8], _>((from, Bound::Unbounded))))?;
        let mut part = Vec::new();
        while part.len() < PART
            && let Some(entry) = caught(|| entries.next().transpose())?
        {
            part.push(entry);
        }
        Ok(part)
    }

    /// Makes all `changes`, or none, as commit `number`.
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
                for (change, place) in changes.iter().zip(&places) {
                    match &change.value {
                        Some(value) => views[*place].insert(&change.key[..], &value[..])?,
                        None => views[*place].remove(&change.key[..])?,
                    };
                }
                views[trees.len()].insert(COMMIT, &number.to_le_bytes())?;
                Ok(())
            });
            done.map_err(|error: TransactionError<()>| match error {
                TransactionError::Abort(()) => sled::Error::Unsupported("a transaction ended by itself".to_owned()),
                TransactionError::Storage(error) => error,
            })
        })
    }

    /// Puts and deletes without a transaction, for a database that nobody uses yet.
    pub fn fill(&self, tree: &str, batch: sled::Batch) -> Result<(), StoreError> {
        let tree = self.tree(&tree.into())?;
        caught(|| tree.apply_batch(batch))
    }

    /// Says that everything up to commit `number` is in it.
    pub fn set_number(&self, number: u64) -> Result<(), StoreError> {
        caught(|| self.db.insert(COMMIT, &number.to_le_bytes())).map(drop)
    }

    /// Returns when everything written before is on the disk, safe from a power cut.
    ///
    /// sled's own flush is not enough: on Linux sled 0.34 ends it with `sync_file_range(2)`, whose manual warns that neither
    /// the file's length nor the disk's own cache is written. So the data file is synchronised here as well.
    pub fn flush(&self) -> Result<(), StoreError> {
        caught(|| self.db.flush())?;
        Ok(self.data.sync_all()?)
    }
}

/// Damage, or a disk that does not let itself be read.
fn unopened(dir: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        // sled tells of a taken lock only in words.
        _ if error.to_string().contains("could not acquire lock") => StoreError::Busy { dir: dir.to_owned() },
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => StoreError::BadPage { why: error.to_string() },
        _ => explain(dir, error),
    }
}

/// Fills a new database from changes that come one after the other.
pub(super) struct Filling<'a> {
    engine: &'a Engine,
    tree: String,
    batch: sled::Batch,
    waiting: usize,
}

impl<'a> Filling<'a> {
    pub fn new(engine: &'a Engine) -> Filling<'a> {
        Filling { engine, tree: String::new(), batch: sled::Batch::default(), waiting: 0 }
    }

    /// One more change.
    pub fn add(&mut self, tree: &str, key: &[u8], value: Option<&[u8]>) -> Result<(), StoreError> {
        if self.tree != tree || self.waiting == BATCH {
            self.write()?;
            tree.clone_into(&mut self.tree);
        }
        match value {
            Some(value) => self.batch.insert(key, value),
            None => self.batch.remove(key),
        }
        self.waiting += 1;
        Ok(())
    }

    /// Writes what waits.
    pub fn write(&mut self) -> Result<(), StoreError> {
        if self.waiting > 0 {
            self.engine.fill(&self.tree, std::mem::take(&mut self.batch))?;
            self.waiting = 0;
        }
        Ok(())
    }
}
