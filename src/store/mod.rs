//! The house's one place to keep things: a sled database with a second copy beside it, both on disk before a commit is answered for.
//!
//! Knows nothing of what is kept; rooms that keep something ask for a tree of their own.
//!
//! - `copy`: the second copy, a file of framed changes; `base`: such a file written from the database
//! - `engine`: sled; `tree`: reading it, and the changes that commits are made of
//! - `recover`: opening both, whatever a power cut has left of either
//! - `standby`: what serves while neither can be opened
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

pub use backup::{Contents, contents_of, is_there, restore, verify_backup};
pub use error::StoreError;
pub use recover::Repair;
pub use tree::{Change, Entries, Entry, Tree};

use sled::IVec;

use base::Base;
use copy::Copy;
use engine::Engine;
use error::explain;
use recover::{ANSWERED, Opened};
use standby::StandBy;

/// The layout of everything below the directory. A store that says a higher number was written by a newer usher.
const FORMAT: u32 = 2;
/// Another usher command may be about to end: so long it is waited for.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// So much is left free on the disk: more than one commit, a segment of sled and its snapshot need.
pub const SPARE_BYTES: u64 = 4 << 20;
/// A database that cannot be opened again is tried once in this time, or more rarely where a try takes long.
const MEND_PAUSE: Duration = Duration::from_secs(1);
/// Between two commits of work that is not urgent.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// What came in while a file was written follows it without holding up commits, so many times at most, until it is as short as this.
const CATCHING_UP: usize = 8;
const SHORT_TAIL_BYTES: u64 = 64 << 10;
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
    /// What serves while the store cannot be opened.
    standing_by: RwLock<Option<StandBy>>,
    /// It could be opened later, and was not what had stood by for it.
    changed: AtomicBool,
    /// Nothing is written while less than this is free on the disk.
    spare_bytes: AtomicU64,
}

/// A moment in the life of the copy: what was written up to it stays where it is, whatever is written later.
struct Mark {
    file: File,
    end: u64,
    number: u64,
    generation: u64,
}

/// What it takes to write.
struct Pen {
    /// `None` while the store stands by.
    written: Option<Written>,
    /// Counts the files that were the copy since the store was opened.
    generation: u64,
    /// Before this the database is not tried to be opened again.
    retry_at: Option<Instant>,
}

/// The files beside the database.
struct Written {
    copy: Copy,
    /// Counts the commits that were answered for.
    answered: File,
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
        let long = copy.end() > LONG_COPY_BYTES.max(2 * held.bytes);
        let written = Written { copy, answered: open_answered(dir)? };
        let shared = Shared {
            dir: dir.to_owned(),
            _lock: lock,
            engine: RwLock::new(Some(engine)),
            pen: Mutex::new(Pen { written: Some(written), generation: 0, retry_at: None }),
            repairs: Mutex::new(repairs),
            compacting: Mutex::new(()),
            standing_by: RwLock::new(None),
            changed: AtomicBool::new(false),
            spare_bytes: AtomicU64::new(spare_bytes),
        };
        let store = Store { shared: Arc::new(shared) };
        // Not worth failing for: the longer file is as good.
        if long && let Err(error) = store.compact() {
            tracing::warn!(%error, "the second copy stays longer than it has to be");
        }
        Ok(store)
    }

    /// How long the second copy is: no shorter than everything that is in the store. 0 when that cannot be told.
    pub fn copy_bytes(&self) -> u64 {
        fs::metadata(self.shared.dir.join(recover::COPY)).map_or(0, |found| found.len())
    }

    /// The tree of that name; made when it is not there. Each room uses names of its own, at most 255 bytes long.
    pub fn tree(&self, name: &str) -> Result<Tree, StoreError> {
        let tree = Tree { name: name.into(), shared: self.shared.clone() };
        self.shared.tree(&tree.name)?;
        Ok(tree)
    }

    /// As [`Store::tree`], of which nothing is asked before it is read.
    pub fn tree_later(&self, name: &str) -> Tree {
        Tree { name: name.into(), shared: self.shared.clone() }
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

    /// As [`Store::commit`], for work that is not urgent and made of many commits. Others that wait to write come in between.
    pub fn commit_calmly(&self, changes: &[Change]) -> Result<(), StoreError> {
        let began = Instant::now();
        self.commit(changes)?;
        self.pause_after(began.elapsed());
        Ok(())
    }

    /// Lets others write who waited while something that took so long was committed. The lock itself goes to the quickest.
    pub fn pause_after(&self, took: Duration) {
        std::thread::sleep(took.clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }

    /// The right to write, for one at a time: what is read while it is held still holds when it is committed.
    pub fn writer(&self) -> Writer<'_> {
        // A pen that was dropped in a panic has written a whole frame or none: the copy says which.
        Writer { shared: &self.shared, pen: self.shared.pen.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// From now on nothing is written while less than this is free on the disk.
    #[cfg(test)]
    pub(crate) fn spare(&self, bytes: u64) {
        self.shared.spare_bytes.store(bytes, Relaxed);
    }

    /// What was mended since it was last asked.
    pub fn take_repairs(&self) -> Vec<Repair> {
        std::mem::take(&mut *self.shared.repairs.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes the copy anew, without what was deleted or written over since. Commits go on meanwhile; at the end they wait for as long
    /// as for another commit.
    pub fn compact(&self) -> Result<(), StoreError> {
        let _alone = self.shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        self.compact_alone()
    }

    fn compact_alone(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        let path = shared.dir.join("copy.new");
        let (mut base, mut at) = self.base_of_all(&path)?;
        let mut writer = self.writer();
        at.follow(&mut base, &writer.pen.mark(&shared.dir)?)?;
        let new = recover::replace(&shared.dir, &path, base.end(at.number)?, at.number)?;
        let old = std::mem::replace(&mut writer.pen.written()?.copy, new);
        writer.pen.generation += 1;
        let synced = sync_dir(&shared.dir);
        drop(writer);
        // A long file whose name is gone takes its time to go.
        drop(old);
        synced
    }

    /// Makes the database anew from its second copy, which is written anew before. Its file appends, and old pages stay in it for no set
    /// time; in the new one nothing is left of what was deleted or written over. Commits go on meanwhile; they wait while the new
    /// database takes the old one's place.
    pub fn rebuild(&self) -> Result<(), StoreError> {
        let shared = &*self.shared;
        let _alone = shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        self.compact_alone()?;
        let start = self.mark()?;
        let new = recover::NewDatabase::fill(&shared.dir, &start)?;
        let mut writer = self.writer();
        let last = writer.pen.mark(&shared.dir)?;
        if last.generation != start.generation {
            return Err(away());
        }
        new.follow(&last)?;
        let mut engine = shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        *engine = None;
        let began = Instant::now();
        let rebuilt = recover::put_in_place(&shared.dir);
        if rebuilt.is_err() {
            writer.pen.failed(began);
        }
        *engine = Some(rebuilt?);
        drop(engine);
        drop(writer);
        recover::remove_old(&shared.dir)
    }

    /// Begins a file that holds everything, most of it on disk already. The database is read without holding up commits, so that what they
    /// change meanwhile may be in it or not; the commits themselves follow it, up to a moment that is returned. What came after that
    /// is still missing, and is little.
    fn base_of_all<'a>(&self, path: &'a Path) -> Result<(Base<'a>, Mark), StoreError> {
        let mut at = self.mark()?;
        let mut base = Base::begin(path, self.shared.spare_bytes.load(Relaxed))?;
        base.all_of(at.number, |show| self.shared.show_all(show))?;
        for _ in 0..CATCHING_UP {
            let now = self.mark()?;
            if now.end - at.end.min(now.end) < SHORT_TAIL_BYTES {
                break;
            }
            at.follow(&mut base, &now)?;
            base.sync()?;
        }
        Ok((base, at))
    }

    fn mark(&self) -> Result<Mark, StoreError> {
        let pen = self.writer().pen;
        if pen.written.is_none() { Err(self.shared.why_away()) } else { pen.mark(&self.shared.dir) }
    }
}

impl Mark {
    /// Adds to a base the commits from here to `later`, and is there then.
    fn follow(&mut self, base: &mut Base<'_>, later: &Mark) -> Result<(), StoreError> {
        // The database was opened anew meanwhile, perhaps with another copy.
        if later.generation != self.generation {
            return Err(away());
        }
        base.commits(&later.file, self.end, later.end)?;
        (self.end, self.number) = (later.end, later.number);
        Ok(())
    }
}

impl Pen {
    /// The copy as it stands now.
    fn mark(&self, dir: &Path) -> Result<Mark, StoreError> {
        let Written { copy, .. } = self.written.as_ref().ok_or_else(away)?;
        let file = copy.file().try_clone().map_err(|error| explain(dir, error))?;
        Ok(Mark { file, end: copy.end(), number: copy.number(), generation: self.generation })
    }

    /// The database could not be opened again, which was begun at `began`. A long try is not repeated soon: others wait for it.
    fn failed(&mut self, began: Instant) {
        self.retry_at = Some(Instant::now() + MEND_PAUSE.max(2 * began.elapsed()));
    }

    fn written(&mut self) -> Result<&mut Written, StoreError> {
        self.written.as_mut().ok_or_else(away)
    }
}

impl Shared {
    /// Shows every entry, part by part: between two of them the database may be opened anew.
    fn show_all(&self, show: base::Show<'_>) -> Result<(), StoreError> {
        let names = self.engine.read().unwrap_or_else(PoisonError::into_inner).as_ref().ok_or_else(away)?.names()?;
        for name in names {
            let mut after: Option<IVec> = None;
            loop {
                let part = {
                    let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
                    engine.as_ref().ok_or_else(away)?.part(&name, after.as_deref())?
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
        if let Some(standing_by) = &*self.standing_by.read().unwrap_or_else(PoisonError::into_inner) {
            standing_by.expect(name)?;
        }
        let engine = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        engine.as_ref().ok_or_else(away)?.tree(name).map_err(|error| error.at(&self.dir))
    }

    /// Why nothing can be read or written.
    fn why_away(&self) -> StoreError {
        match &*self.standing_by.read().unwrap_or_else(PoisonError::into_inner) {
            Some(standing_by) => standing_by.why(),
            None => away(),
        }
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
    /// Opens a database that is closed after a failure, or a store that something else stands by for. A caller that reads before the commit asks
    /// for it first.
    pub fn ready(&mut self) -> Result<(), StoreError> {
        let closed = self.shared.engine.read().unwrap_or_else(PoisonError::into_inner).is_none();
        if closed || self.pen.written.is_none() { self.mend("it was closed after a failure") } else { Ok(()) }
    }

    /// As [`Store::commit`].
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.ready()?;
        let shared = self.shared;
        let payload = copy::payload(changes);
        expect_room(&shared.dir, shared.spare_bytes.load(Relaxed), payload.len() as u64)?;
        let Written { copy, .. } = self.pen.written()?;
        let start = copy.end();
        copy.append(&payload).map_err(|error| explain(&shared.dir, error))?;
        let number = copy.number();
        if let Err(error) = shared.apply(changes, number) {
            // The copy has it: a database that can be opened again takes it from there.
            if let Err(again) = self.mend(&error.to_string()) {
                tracing::error!(error = %again, "the database cannot be opened again");
                self.pen.written()?.copy.take_back(start).map_err(|error| explain(&shared.dir, error))?;
                return Err(error);
            }
        }
        // After the data, and not synchronised: after a power cut the file may count fewer than there are, never more. So it is no failure
        // when it cannot be written: the commit is on disk, twice.
        if let Err(error) = self.pen.written()?.answered.write_all_at(&recover::count_bytes(number), 0) {
            tracing::warn!(%error, "the commits that were answered for could not be counted");
        }
        Ok(())
    }

    /// Opens the database anew, after sled has failed: from then on it refuses everything until it is opened again.
    fn mend(&mut self, why: &str) -> Result<(), StoreError> {
        let began = Instant::now();
        if self.pen.retry_at.is_some_and(|at| began < at) {
            return Err(self.shared.why_away());
        }
        if self.pen.written.is_none() {
            return self.stand_down();
        }
        let shared = self.shared;
        let mut engine = shared.engine.write().unwrap_or_else(PoisonError::into_inner);
        *engine = None;
        let opened = match recover::open(&shared.dir) {
            Ok(opened) => opened,
            Err(error) => {
                self.pen.failed(began);
                return Err(error);
            }
        };
        *engine = Some(opened.engine);
        self.pen.written()?.copy = opened.copy;
        self.pen.generation += 1;
        self.pen.retry_at = None;
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
        engine.apply(changes, number).and_then(|()| engine.flush()).map_err(|error| error.at(&self.dir))
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

fn open_answered(dir: &Path) -> Result<File, StoreError> {
    File::options().write(true).open(dir.join(ANSWERED)).map_err(|error| explain(dir, error))
}

/// Forces the names in a directory to disk.
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(|error| explain(dir, error))
}
