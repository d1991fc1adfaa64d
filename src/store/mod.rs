//! The house's one place to keep things: a sled database with a second copy beside it, both on disk before a commit is answered for.
//!
//! Knows nothing of what is kept; rooms that keep something ask for a tree of their own.
//!
//! - `copy`: the second copy, a file of framed changes; `base`: such a file written from the database
//! - `engine`: sled; `tree`: reading it, and the changes that commits are made of
//! - `recover`: opening both, whatever a power cut has left of either
//! - `backup`: the whole store as one file, and back
//!
//! # A commit
//!
//! 1. Is there room? A database that meets a full disk has to be opened anew; one that is never let near it goes on.
//! 2. The changes go into the copy, which is synchronised. From here on they survive.
//! 3. They go into the database in one transaction, and only now can they be read.
//! 4. The database is synchronised, and the commit counted as answered for.
//!
//! The copy comes first because it can be undone: a frame that could not be written, or that the database refused, is cut off again.
//! A transaction of sled cannot be taken back, and whoever reads would have seen what was not yet safe.

mod backup;
mod base;
mod copy;
mod engine;
mod error;
mod recover;
mod tree;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

pub use backup::{Contents, contents_of, restore, verify_backup};
pub use error::StoreError;
pub use recover::Repair;
pub use tree::{Change, Entries, Entry, Tree};

use base::Base;
use copy::Copy;
use engine::Engine;
use error::explain;
use recover::{ANSWERED, Opened};

/// The layout of everything below the directory. A store that says a higher number was written by a newer usher.
const FORMAT: u32 = 2;
/// Another usher command may be about to end: so long it is waited for.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// So much is left free on the disk: more than one commit, a segment of sled and its snapshot need.
const SPARE_BYTES: u64 = 4 << 20;
/// A database that cannot be opened again is tried once in this time.
const MEND_PAUSE: Duration = Duration::from_secs(1);
/// A copy that is this long, and twice what the database holds, is written anew when the store is opened.
const LONG_COPY_BYTES: u64 = 4 << 20;

/// An open store; closed when its last clone and the last of its trees are dropped. One process at a time.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What the store and its trees share.
struct Shared {
    dir: PathBuf,
    /// Locked while the store is open, so that no second process opens it.
    _lock: File,
    /// `None` while it could not be opened again.
    engine: RwLock<Option<Engine>>,
    pen: Mutex<Pen>,
    repairs: Mutex<Vec<Repair>>,
    /// Held by whoever writes the copy anew.
    compacting: Mutex<()>,
    /// Nothing is written while less than this is free on the disk.
    spare_bytes: u64,
}

/// What it takes to write.
struct Pen {
    copy: Copy,
    /// Counts the commits that were answered for.
    answered: File,
    /// When the database could last not be opened again.
    failed: Option<Instant>,
}

impl Store {
    /// Opens the store in `dir`, or makes a new one there. The directory is for its owner only (mode 0700); an existing one is
    /// tightened. What had to be mended is in [`Store::take_repairs`].
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        Store::open_sparing(dir, SPARE_BYTES)
    }

    fn open_sparing(dir: &Path, spare_bytes: u64) -> Result<Store, StoreError> {
        let at_dir = |error| explain(dir, error);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at_dir)?;
        if fs::metadata(dir).map_err(at_dir)?.permissions().mode() & 0o777 != 0o700 {
            fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(at_dir)?;
        }
        let lock = lock(dir)?;
        let Opened { engine, held, copy, repairs } = recover::open(dir)?;
        let pen =
            Pen { copy, answered: File::options().write(true).open(dir.join(ANSWERED)).map_err(at_dir)?, failed: None };
        let long = pen.copy.end() > LONG_COPY_BYTES.max(2 * held.bytes);
        let shared = Shared {
            dir: dir.to_owned(),
            _lock: lock,
            engine: RwLock::new(Some(engine)),
            pen: Mutex::new(pen),
            repairs: Mutex::new(repairs),
            compacting: Mutex::new(()),
            spare_bytes,
        };
        let store = Store { shared: Arc::new(shared) };
        // Not worth failing for: the longer file is as good.
        if long && let Err(error) = store.compact() {
            tracing::warn!(%error, "the second copy stays longer than it has to be");
        }
        Ok(store)
    }

    /// The tree of that name; made when it is not there. Each room uses names of its own, at most 255 bytes long.
    pub fn tree(&self, name: &str) -> Result<Tree, StoreError> {
        let tree = Tree { name: name.into(), shared: self.shared.clone() };
        self.shared.tree(&tree.name)?;
        Ok(tree)
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Makes all `changes`, or none. When it returns they are on disk, twice; nobody can read them earlier. After an error they are
    /// not known to be there.
    pub fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.writer().commit(changes)
    }

    /// The right to write, for one at a time: what is read while it is held still holds when it is committed.
    pub fn writer(&self) -> Writer<'_> {
        // A pen that was dropped in a panic has written a whole frame or none: the copy says which.
        Writer { shared: &self.shared, pen: self.shared.pen.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// What was mended since it was last asked.
    pub fn take_repairs(&self) -> Vec<Repair> {
        std::mem::take(&mut *self.shared.repairs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the copy anew, without what was deleted or written over since. Commits go on meanwhile.
    pub fn compact(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        let _alone = shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let path = shared.dir.join("copy.new");
        let (base, from) = self.begin_base(&path)?;
        let mut writer = self.writer();
        let file = finish_base(base, &writer.pen.copy, from)?;
        let number = writer.pen.copy.number();
        writer.pen.copy = recover::replace(&shared.dir, &path, file, number)?;
        Ok(())
    }

    /// Makes the database anew from its second copy, which is written anew before. Its file appends, and old pages stay in it for no set
    /// time; in the new one nothing is left of what was deleted or written over. Commits wait meanwhile.
    pub fn rebuild(&self) -> Result<(), StoreError> {
        self.compact()?;
        let mut writer = self.writer();
        let shared = &*self.shared;
        let mut engine = shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        *engine = None;
        let rebuilt = recover::rebuild(&shared.dir);
        if rebuilt.is_err() {
            writer.pen.failed = Some(Instant::now());
        }
        let opened = rebuilt?;
        *engine = Some(opened.engine);
        writer.pen.copy = opened.copy;
        Ok(())
    }

    /// Begins a file that holds everything. The database is read without holding up commits, so that what they change meanwhile may
    /// be in it or not; the commits themselves follow in [`finish_base`], and make it whole. Also says where they begin.
    fn begin_base<'a>(&self, path: &'a Path) -> Result<(Base<'a>, u64), StoreError> {
        let shared = &*self.shared;
        let (number, from) = {
            let pen = self.writer().pen;
            (pen.copy.number(), pen.copy.end())
        };
        let engine = shared.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_ref().ok_or_else(away)?;
        let mut base = Base::begin(path)?;
        base.all_of(engine, number)?;
        Ok((base, from))
    }
}

/// Adds to a base the commits of `copy` from byte `from` on, and ends it.
fn finish_base(mut base: Base<'_>, copy: &Copy, from: u64) -> Result<File, StoreError> {
    base.commits(copy.file(), from, copy.end())?;
    base.end(copy.number())
}

impl Shared {
    fn tree(&self, name: &Arc<str>) -> Result<sled::Tree, StoreError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.as_ref().ok_or_else(away)?.tree(name)
    }
}

fn away() -> StoreError {
    StoreError::Failed { why: "it is closed after a failure".to_owned() }
}

/// The right to write. See [`Store::writer`].
pub struct Writer<'a> {
    shared: &'a Shared,
    pen: MutexGuard<'a, Pen>,
}

impl Writer<'_> {
    /// As [`Store::commit`].
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let shared = self.shared;
        if shared.engine.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.mend("it was closed after a failure")?;
        }
        let payload = copy::payload(changes);
        expect_room(&shared.dir, shared.spare_bytes, payload.len() as u64)?;
        let start = self.pen.copy.end();
        self.pen.copy.append(&payload).map_err(|error| explain(&shared.dir, error))?;
        let number = self.pen.copy.number();
        if let Err(error) = shared.apply(changes, number) {
            // The copy has it: a database that can be opened again takes it from there.
            if let Err(again) = self.mend(&error.to_string()) {
                tracing::error!(error = %again, "the database cannot be opened again");
                self.pen.copy.take_back(start).map_err(|error| explain(&shared.dir, error))?;
                return Err(error);
            }
        }
        // After the data, and not synchronised: after a power cut the file may count fewer than there are, never more.
        self.pen.answered.write_all_at(&recover::count_bytes(number), 0).map_err(|error| explain(&shared.dir, error))
    }

    /// Opens the database anew, after sled has failed: from then on it refuses everything until it is opened again.
    fn mend(&mut self, why: &str) -> Result<(), StoreError> {
        if self.pen.failed.is_some_and(|at| at.elapsed() < MEND_PAUSE) {
            return Err(away());
        }
        let shared = self.shared;
        let mut engine = shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        *engine = None;
        let opened = match recover::open(&shared.dir) {
            Ok(opened) => opened,
            Err(error) => {
                self.pen.failed = Some(Instant::now());
                return Err(error);
            }
        };
        *engine = Some(opened.engine);
        self.pen.copy = opened.copy;
        self.pen.failed = None;
        let what = format!("the database failed ({why}) and was opened anew");
        tracing::warn!("{what}");
        let mut repairs = shared.repairs.lock().unwrap_or_else(PoisonError::into_inner);
        repairs.push(Repair { what, lost: 0 });
        repairs.extend(opened.repairs);
        Ok(())
    }
}

impl Shared {
    fn apply(&self, changes: &[Change], number: u64) -> Result<(), StoreError> {
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = engine.as_ref().ok_or_else(away)?;
        engine.apply(changes, number)?;
        engine.flush()
    }
}

/// Refuses while the disk is nearly full.
fn expect_room(dir: &Path, spare_bytes: u64, bytes: u64) -> Result<(), StoreError> {
    let found = rustix::fs::statvfs(dir).map_err(|error| explain(dir, error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free < spare_bytes.saturating_add(bytes.saturating_mul(2)) { Err(StoreError::Full) } else { Ok(()) }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let at_dir = |error| explain(dir, error);
    let file = File::options().write(true).create(true).truncate(false).open(dir.join("lock")).map_err(at_dir)?;
    let until = Instant::now() + BUSY_PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(BUSY_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(at_dir(error)),
        }
    }
}

/// Forces the names in a directory to disk.
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| explain(dir, error))
}
