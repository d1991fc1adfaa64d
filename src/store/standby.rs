//! Standing by: while the store cannot be opened because its disk is full, read-only or failing, the contents of its second copy serve reads
//! from memory. Each commit first tries to open the store; once that works, the store takes over.
//!
//! The caller names the trees that are left out because they are large and not needed meanwhile.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::copy;
use super::engine::{BulkLoad, Engine};
use super::error::explain;
use super::recover::{self, COPY, Opened, Repair};
use super::{CommitFiles, SPARE_BYTES, Shared, Store, StoreError, WriteState, Writer, expect_room, open_answered};

/// The Linux directory that is in memory, used when the given one is unusable.
const MEMORY: &str = "/dev/shm";

/// The state of a store that serves from memory.
pub(super) struct StandBy {
    why: String,
    /// The number of its last commit.
    number: u64,
    without: &'static [&'static str],
    /// Holds the in-memory database. Removed on drop.
    folder: PathBuf,
}

impl StandBy {
    /// The error for commits and for trees that were left out.
    pub fn why(&self) -> StoreError {
        StoreError::StandingBy { why: self.why.clone() }
    }

    /// Fails for a tree that was left out.
    pub fn require(&self, tree: &str) -> Result<(), StoreError> {
        if self.without.contains(&tree) { Err(self.why()) } else { Ok(()) }
    }
}

impl Drop for StandBy {
    fn drop(&mut self) {
        // A failure is harmless: the next start empties the directory too.
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Store {
    /// As [`Store::open`]; but if the disk prevents that, the contents of the second copy serve reads from memory, in a directory below
    /// `memory` or, if that is unusable, below the system's. The trees in `without` cannot be read then. Each commit first tries to open the
    /// store, and fails if that fails.
    ///
    /// # Errors
    /// Those of [`Store::open`] if the disk is not the cause, or if the second copy is unreadable too.
    pub fn open_or_stand_by(dir: &Path, memory: &Path, without: &'static [&'static str]) -> Result<Store, StoreError> {
        match Store::open(dir) {
            Err(error) if error.is_disk_failure() => Store::stand_by(dir, memory, without, &error)
                .inspect_err(|why| tracing::debug!(%why))
                .map_err(|_| error),
            other => other,
        }
    }

    /// Why the store cannot be opened and memory serves instead; `None` in normal operation.
    pub fn standby_reason(&self) -> Option<String> {
        let standby = self.shared.standby.read().unwrap_or_else(PoisonError::into_inner);
        standby.as_ref().map(|standby| standby.why.clone())
    }

    /// Whether the store could be opened later but differed from what memory had served. Everything read before must be read again.
    pub fn has_changed(&self) -> bool {
        self.shared.changed.load(Relaxed)
    }

    fn stand_by(
        dir: &Path,
        memory: &Path,
        without: &'static [&'static str],
        why: &StoreError,
    ) -> Result<Store, StoreError> {
        let at_dir = |error| explain(dir, error);
        let lock = File::open(dir.join("lock")).map_err(at_dir)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(at_dir(error)),
        }
        let copy = File::open(dir.join(COPY)).map_err(at_dir)?;
        let (engine, folder) = in_memory(memory, dir).or_else(|_| in_memory(Path::new(MEMORY), dir))?;
        let mut standby = StandBy { why: why.to_string(), number: 0, without, folder };
        let mut load = BulkLoad::new(&engine);
        let scan = copy::scan::<StoreError>(&copy, |_, _, payload| {
            let unknown = || StoreError::Failed { why: "the second copy holds an unknown change".to_owned() };
            for change in copy::changes(payload).ok_or_else(unknown)? {
                if !without.contains(&change.tree) {
                    load.add(change.tree, change.key, change.value)?;
                }
            }
            Ok(())
        })?;
        if scan.base.is_none() {
            return Err(StoreError::Failed { why: "the second copy is damaged".to_owned() });
        }
        load.write()?;
        standby.number = scan.number;
        tracing::error!(%why, "ALARM: the store cannot be opened; its second copy serves from memory, and nothing is recorded");
        let shared = Shared {
            dir: dir.to_owned(),
            _lock: lock,
            engine: RwLock::new(Some(engine)),
            state: Mutex::new(WriteState { written: None, generation: 0, retry_at: None }),
            repairs: Mutex::default(),
            compacting: Mutex::new(()),
            standby: RwLock::new(Some(standby)),
            changed: AtomicBool::new(false),
            spare_bytes: AtomicU64::new(SPARE_BYTES),
        };
        Ok(Store { shared: Arc::new(shared) })
    }
}

impl Writer<'_> {
    /// Opens the store, which then takes over from memory.
    pub(super) fn take_over(&mut self) -> Result<(), StoreError> {
        let shared = self.shared;
        let began = Instant::now();
        // The most frequent cause, and cheap to check.
        expect_room(&shared.dir, shared.spare_bytes.load(Relaxed), 0)?;
        let opened = recover::open(&shared.dir).and_then(|opened| Ok((opened, open_answered(&shared.dir)?)));
        let (Opened { engine, copy, repairs, .. }, answered) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.state.failed(began);
                return Err(error);
            }
        };
        let mut standby = shared.standby.write().unwrap_or_else(PoisonError::into_inner);
        let known = standby.as_ref().map_or(0, |standby| standby.number);
        if copy.number() != known {
            shared.changed.store(true, Relaxed);
            self.state.failed(began);
            return Err(StoreError::Failed { why: "its contents have changed; they have to be read again".to_owned() });
        }
        *shared.engine.write().unwrap_or_else(PoisonError::into_inner) = Some(engine);
        *standby = None;
        self.state.written = Some(CommitFiles { copy, answered });
        self.state.generation = self.state.generation.wrapping_add(1);
        self.state.retry_at = None;
        let what =
            "the store could not be opened at the start; its second copy served from memory until it could".to_owned();
        tracing::warn!("{what}");
        let mut all = shared.repairs.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Repair { what, lost: 0 });
        all.extend(repairs);
        Ok(())
    }
}

/// Creates an empty database in a directory named after `dir`. The store is locked, so an existing directory was left by a killed process.
fn in_memory(parent: &Path, dir: &Path) -> Result<(Engine, PathBuf), StoreError> {
    let name = blake3::hash(dir.as_os_str().as_encoded_bytes()).to_hex();
    let folder = parent.join(format!("usher-store-{name:.16}"));
    recover::remove(&folder)?;
    DirBuilder::new().mode(0o700).create(&folder).map_err(|error| explain(&folder, error))?;
    Ok((Engine::open(&folder.join("sled"))?, folder))
}
