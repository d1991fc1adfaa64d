//! The store: a sled database with a second copy beside it. A commit is acknowledged only when it is on disk in both.
//!
//! Each room that stores something asks for a tree of its own. sled's types do not leave this room.
//!
//! - `copy`: the second copy, a file of framed changes
//! - `base`: writes such a file from the database
//! - `engine`: the sled database
//! - `tree`: reading a tree, and the changes that make up a commit
//! - `recover`: opens the database and the copy, whatever a power cut left of either
//! - `standby`: serves reads from memory while the store cannot be opened
//! - `backup`: the whole store as one file, and restoring it
//!
//! # A commit
//!
//! 1. Check for free space. sled has to be reopened once it has met a full disk, so it is never allowed to meet one.
//! 2. Append the changes to the copy and sync it. From here on they are durable.
//! 3. Apply them to the database in one transaction. Only now can they be read.
//! 4. Sync the database, and count the commit as acknowledged.
//!
//! The copy comes first because an append can be undone: a frame that was not written completely, or that the database refused, is
//! truncated. A sled transaction cannot be undone, and readers would have seen changes that were not yet durable.

#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod backup;
mod base;
mod copy;
mod engine;
mod error;
mod recover;
mod standby;
mod tree;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

pub use backup::{Contents, exists, read_backup, restore, verify_backup};
pub use error::{BackupError, StoreError};
pub use recover::Repair;
pub use tree::{Bytes, Change, Entries, Entry, Tree};

use base::Base;
use copy::SecondCopy;
use engine::Engine;
use error::explain;
use recover::{ANSWERED, Opened};
use standby::StandBy;

/// The version of the on-disk layout. A higher number means that a newer usher wrote the store.
const FORMAT: u32 = 2;
/// How long to wait for another usher process that may be about to exit.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Free space that is always kept on the disk: more than one commit, a sled segment and its snapshot need.
pub const SPARE_BYTES: u64 = 4 << 20;
/// The least time between two attempts to reopen the database; a slow attempt extends it.
const REOPEN_PAUSE: Duration = Duration::from_secs(1);
/// The limits of the pause between two commits of background work.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// While a file is written, new commits are appended to it in rounds that do not block writers: at most this many rounds, until the rest is
/// short.
const CATCHING_UP: usize = 8;
const SHORT_TAIL_BYTES: u64 = 64 << 10;
/// A copy longer than this, and than twice the data in the database, is compacted when the store is opened.
const LONG_COPY_BYTES: u64 = 4 << 20;

/// An open store. It closes when its last clone and its last tree are dropped. Only one process at a time can have it open.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

/// What the store and its trees share.
struct Shared {
    dir: PathBuf,
    /// Locked while the store is open, so that no other process opens it.
    _lock: File,
    /// `None` while reopening has failed.
    engine: RwLock<Option<Engine>>,
    state: Mutex<WriteState>,
    repairs: Mutex<Vec<Repair>>,
    /// Held while the copy is rewritten or a backup is made.
    compacting: Mutex<()>,
    /// Set while memory serves instead of the disk.
    standby: RwLock<Option<StandBy>>,
    /// Set when the store could be opened later but its contents differed from those served from memory.
    changed: AtomicBool,
    /// Commits fail while less than this is free on the disk.
    spare_bytes: AtomicU64,
}

/// A position in the copy. Frames before it never move, whatever is written later.
struct CopyPosition {
    file: File,
    end: u64,
    number: u64,
    generation: u64,
}

/// The state that only the current writer may use.
struct WriteState {
    /// `None` while memory serves instead of the disk.
    written: Option<CommitFiles>,
    /// Incremented each time another file becomes the copy.
    generation: u64,
    /// The earliest time of the next attempt to reopen the database.
    retry_at: Option<Instant>,
}

/// The files beside the database.
struct CommitFiles {
    copy: SecondCopy,
    /// Holds the number of acknowledged commits.
    answered: File,
}

impl Store {
    /// Opens the store in `dir`, or creates one there. The directory gets mode 0700, also if it exists already.
    /// [`Store::take_repairs`] returns what had to be repaired.
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
        let long = copy.end() > LONG_COPY_BYTES.max(held.bytes.saturating_mul(2));
        let written = CommitFiles { copy, answered: open_answered(dir)? };
        let shared = Shared {
            dir: dir.to_owned(),
            _lock: lock,
            engine: RwLock::new(Some(engine)),
            state: Mutex::new(WriteState { written: Some(written), generation: 0, retry_at: None }),
            repairs: Mutex::new(repairs),
            compacting: Mutex::new(()),
            standby: RwLock::new(None),
            changed: AtomicBool::new(false),
            spare_bytes: AtomicU64::new(spare_bytes),
        };
        let store = Store { shared: Arc::new(shared) };
        // Not worth failing for: a longer copy serves as well.
        if long && let Err(error) = store.compact() {
            tracing::warn!(%error, "the second copy could not be compacted");
        }
        Ok(store)
    }

    /// The length of the second copy, an upper bound for the data in the store. 0 if it cannot be read.
    pub fn copy_bytes(&self) -> u64 {
        fs::metadata(self.shared.dir.join(recover::COPY)).map_or(0, |found| found.len())
    }

    /// Opens or creates the tree `name`. Each room uses names of its own, at most 255 bytes long.
    pub fn tree(&self, name: &str) -> Result<Tree, StoreError> {
        let tree = Tree { name: name.into(), shared: self.shared.clone() };
        self.shared.tree(&tree.name)?;
        Ok(tree)
    }

    /// As [`Store::tree`], but the tree is not opened before it is first read.
    pub fn tree_lazily(&self, name: &str) -> Tree {
        Tree { name: name.into(), shared: self.shared.clone() }
    }

    /// The store's directory.
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Applies all `changes`, or none. When it returns they are on disk in both places; readers do not see them earlier. After an error it
    /// is unknown whether they are stored.
    pub fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        self.writer().commit(changes)
    }

    /// As [`Store::commit`], for background work that consists of many commits. Waiting writers get their turn in between.
    pub fn commit_in_background(&self, changes: &[Change]) -> Result<(), StoreError> {
        let began = Instant::now();
        self.commit(changes)?;
        self.yield_to_writers(began.elapsed());
        Ok(())
    }

    /// Sleeps so that waiting writers get their turn after a commit that took `took`; the lock itself is not fair.
    pub fn yield_to_writers(&self, took: Duration) {
        std::thread::sleep(took.clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }

    /// Locks the store for writing. What is read while the lock is held is still true at the commit.
    pub fn writer(&self) -> Writer<'_> {
        // After a panic the copy holds either the whole frame or none of it, and `recover` finds out which.
        Writer { shared: &self.shared, state: self.shared.state.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Makes commits fail from now on while less than `bytes` are free on the disk.
    #[cfg(test)]
    pub(crate) fn spare(&self, bytes: u64) {
        self.shared.spare_bytes.store(bytes, Relaxed);
    }

    /// The repairs since the last call.
    pub fn take_repairs(&self) -> Vec<Repair> {
        std::mem::take(&mut *self.shared.repairs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Rewrites the copy without what has been deleted or overwritten. Commits continue meanwhile; at the end they wait about as long as for
    /// another commit.
    pub fn compact(&self) -> Result<(), StoreError> {
        let _alone = self.shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        self.compact_alone()
    }

    fn compact_alone(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        let path = shared.dir.join("copy.new");
        let (mut base, mut at) = self.base_of_all(&path)?;
        let mut writer = self.writer();
        at.follow(&mut base, &writer.state.mark(&shared.dir)?)?;
        let new = recover::replace(&shared.dir, &path, base.end(at.number)?, at.number)?;
        let old = std::mem::replace(&mut writer.state.written()?.copy, new);
        writer.state.generation = writer.state.generation.wrapping_add(1);
        let synced = sync_dir(&shared.dir);
        drop(writer);
        // Closing a long unlinked file takes time, so it happens outside the lock.
        drop(old);
        synced
    }

    /// Rebuilds the database from its copy, which is compacted first. sled's file is append-only and keeps old pages for an unspecified time;
    /// the new database has none of what was deleted or overwritten. Commits continue meanwhile, and wait only while the new database
    /// replaces the old one.
    pub fn rebuild(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        let _alone = shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        self.compact_alone()?;
        let start = self.mark()?;
        let new = recover::NewDatabase::fill(&shared.dir, &start)?;
        let mut writer = self.writer();
        let last = writer.state.mark(&shared.dir)?;
        if last.generation != start.generation {
            return Err(closed());
        }
        new.follow(&last)?;
        let mut engine = shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        *engine = None;
        let began = Instant::now();
        let rebuilt = recover::put_in_place(&shared.dir);
        if rebuilt.is_err() {
            writer.state.failed(began);
        }
        *engine = Some(rebuilt?);
        drop(engine);
        drop(writer);
        recover::remove_old(&shared.dir)
    }

    /// Starts a file that holds everything, most of it synced. The database is read without blocking commits, so it may or may not contain
    /// what they change meanwhile; the commits themselves are appended, up to the returned position. Only the short rest after that position
    /// is missing.
    fn base_of_all<'a>(&self, path: &'a Path) -> Result<(Base<'a>, CopyPosition), StoreError> {
        let mut at = self.mark()?;
        let mut base = Base::begin(path, self.shared.spare_bytes.load(Relaxed))?;
        base.all_of(at.number, |show| self.shared.show_all(show))?;
        for _ in 0..CATCHING_UP {
            let now = self.mark()?;
            if now.end.saturating_sub(at.end) < SHORT_TAIL_BYTES {
                break;
            }
            at.follow(&mut base, &now)?;
            base.sync()?;
        }
        Ok((base, at))
    }

    fn mark(&self) -> Result<CopyPosition, StoreError> {
        let state = self.writer().state;
        if state.written.is_none() { Err(self.shared.why_closed()) } else { state.mark(&self.shared.dir) }
    }
}

impl CopyPosition {
    /// Appends the commits from here to `later` to a base, and advances to `later`.
    fn follow(&mut self, base: &mut Base<'_>, later: &CopyPosition) -> Result<(), StoreError> {
        // The database was reopened meanwhile, perhaps with another copy.
        if later.generation != self.generation {
            return Err(closed());
        }
        base.commits(&later.file, self.end, later.end)?;
        (self.end, self.number) = (later.end, later.number);
        Ok(())
    }
}

impl WriteState {
    /// The current end of the copy.
    fn mark(&self, dir: &Path) -> Result<CopyPosition, StoreError> {
        let CommitFiles { copy, .. } = self.written.as_ref().ok_or_else(closed)?;
        let file = copy.file().try_clone().map_err(|error| explain(dir, error))?;
        Ok(CopyPosition { file, end: copy.end(), number: copy.number(), generation: self.generation })
    }

    /// Notes a failed attempt to reopen, started at `began`. A slow attempt delays the next one, because writers wait for it.
    fn failed(&mut self, began: Instant) {
        self.retry_at = Instant::now().checked_add(REOPEN_PAUSE.max(began.elapsed().saturating_mul(2)));
    }

    fn written(&mut self) -> Result<&mut CommitFiles, StoreError> {
        self.written.as_mut().ok_or_else(closed)
    }
}

impl Shared {
    /// Passes every entry to `show`, in parts: the database may be reopened between two parts.
    fn show_all(&self, show: base::Show<'_>) -> Result<(), StoreError> {
        let names = self.engine.read().unwrap_or_else(PoisonError::into_inner).as_ref().ok_or_else(closed)?.names()?;
        for name in names {
            let mut after: Option<Bytes> = None;
            loop {
                let part = {
                    let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
                    engine.as_ref().ok_or_else(closed)?.part(&name, after.as_deref())?
                };
                let Some((last, _)) = part.last() else { break };
                after = Some(last.clone());
                part.iter().try_for_each(|(key, value)| show(&name, key, value))?;
            }
        }
        Ok(())
    }
}

impl Shared {
    fn tree(&self, name: &Arc<str>) -> Result<sled::Tree, StoreError> {
        if let Some(standby) = &*self.standby.read().unwrap_or_else(PoisonError::into_inner) {
            standby.require(name)?;
        }
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.as_ref().ok_or_else(closed)?.tree(name).map_err(|error| error.at(&self.dir))
    }

    /// The error while the database is closed.
    fn why_closed(&self) -> StoreError {
        match &*self.standby.read().unwrap_or_else(PoisonError::into_inner) {
            Some(standby) => standby.why(),
            None => closed(),
        }
    }
}

fn closed() -> StoreError {
    StoreError::Failed { why: "it is closed after a failure".to_owned() }
}

/// Exclusive write access to the store, from [`Store::writer`].
pub struct Writer<'a> {
    shared: &'a Shared,
    state: MutexGuard<'a, WriteState>,
}

impl Writer<'_> {
    /// Reopens a database that was closed after a failure, or the store if memory serves instead. Call it before reading what a commit
    /// depends on.
    pub fn ready(&mut self) -> Result<(), StoreError> {
        let closed = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner).is_none();
        if closed || self.state.written.is_none() { self.reopen("it was closed after a failure") } else { Ok(()) }
    }

    /// As [`Store::commit`].
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.ready()?;
        let shared = self.shared;
        let payload = copy::payload(changes);
        expect_room(&shared.dir, shared.spare_bytes.load(Relaxed), payload.len() as u64)?;
        let CommitFiles { copy, .. } = self.state.written()?;
        let start = copy.end();
        copy.append(&payload).map_err(|error| explain(&shared.dir, error))?;
        let number = copy.number();
        if let Err(error) = shared.apply(changes, number) {
            // The copy has the commit; a database that can be reopened gets it from there.
            if let Err(again) = self.reopen(&error.to_string()) {
                tracing::error!(error = %again, "the database cannot be reopened");
                self.state.written()?.copy.take_back(start).map_err(|error| explain(&shared.dir, error))?;
                return Err(error);
            }
        }
        // Written after the data and without a sync: after a power cut the count may be too low, never too high. Failing to write it is no
        // error, because the commit is on disk twice.
        if let Err(error) = self.state.written()?.answered.write_all_at(&recover::count_bytes(number), 0) {
            tracing::warn!(%error, "the count of acknowledged commits could not be written");
        }
        Ok(())
    }

    /// Reopens the database after a failure: sled refuses everything until then.
    fn reopen(&mut self, why: &str) -> Result<(), StoreError> {
        let began = Instant::now();
        if self.state.retry_at.is_some_and(|at| began < at) {
            return Err(self.shared.why_closed());
        }
        if self.state.written.is_none() {
            return self.take_over();
        }
        let shared = self.shared;
        let mut engine = shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        *engine = None;
        let opened = match recover::open(&shared.dir) {
            Ok(opened) => opened,
            Err(error) => {
                self.state.failed(began);
                return Err(error);
            }
        };
        *engine = Some(opened.engine);
        self.state.written()?.copy = opened.copy;
        self.state.generation = self.state.generation.wrapping_add(1);
        self.state.retry_at = None;
        let what = format!("the database failed ({why}) and was reopened");
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
        let engine = engine.as_ref().ok_or_else(closed)?;
        engine.apply(changes, number).and_then(|()| engine.flush()).map_err(|error| error.at(&self.dir))
    }
}

/// Fails while the disk is nearly full.
fn expect_room(dir: &Path, spare_bytes: u64, bytes: u64) -> Result<(), StoreError> {
    let found = rustix::fs::statvfs(dir).map_err(|error| explain(dir, error.into()))?;
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    if free < spare_bytes.saturating_add(bytes.saturating_mul(2)) { Err(StoreError::Full) } else { Ok(()) }
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let at_dir = |error| explain(dir, error);
    let file = File::options().write(true).create(true).truncate(false).open(dir.join("lock")).map_err(at_dir)?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < BUSY_PATIENCE => std::thread::sleep(BUSY_PAUSE),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(at_dir(error)),
        }
    }
}

fn open_answered(dir: &Path) -> Result<File, StoreError> {
    File::options().write(true).open(dir.join(ANSWERED)).map_err(|error| explain(dir, error))
}

/// Syncs the names in a directory.
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| explain(dir, error))
}
