//! What serves while the store cannot be opened, because its disk is full, is mounted read-only or fails: what its second copy holds, in
//! memory, for reading. Each commit tries to open the store first, and as soon as that works all goes on there.
//!
//! Knows nothing of what is stored; who opens it says which trees are left out, because they are large and can wait.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::copy;
use super::engine::{Engine, Filling};
use super::error::explain;
use super::recover::{self, COPY, Opened, Repair};
use super::{Pen, SPARE_BYTES, Shared, Store, StoreError, Writer, Written, expect_room, open_answered};

/// Where memory is a folder on Linux, for a place of its own when no other is given or can be used.
const MEMORY: &str = "/dev/shm";

/// How a store stands by.
pub(super) struct StandBy {
    why: String,
    /// The last commit that it knows of.
    number: u64,
    without: &'static [&'static str],
    /// Holds the database in memory; removed when that is closed.
    folder: PathBuf,
}

impl StandBy {
    /// What every reading of what is not here, and every commit, is answered.
    pub fn why(&self) -> StoreError {
        StoreError::StandingBy { why: self.why.clone() }
    }

    /// An error for a tree that was left out.
    pub fn expect(&self, tree: &str) -> Result<(), StoreError> {
        if self.without.contains(&tree) { Err(self.why()) } else { Ok(()) }
    }
}

impl Drop for StandBy {
    fn drop(&mut self) {
        // Memory, which the next start would empty, too.
        drop(fs::remove_dir_all(&self.folder));
    }
}

impl Store {
    /// As [`Store::open`]; but where the disk keeps it from being opened, what its second copy holds serves from memory, which is in a
    /// folder of `memory` or, failing that, of the system. The trees `without` cannot be read then. Each commit tries to open the store
    /// first, and fails as long as that fails.
    ///
    /// # Errors
    /// Those of [`Store::open`], where the disk is not to blame or the second copy does not read back either.
    pub fn open_or_stand_by(dir: &Path, memory: &Path, without: &'static [&'static str]) -> Result<Store, StoreError> {
        match Store::open(dir) {
            Err(error) if error.is_of_the_disk() => Store::stand_by(dir, memory, without, &error)
                .inspect_err(|why| tracing::debug!(%why))
                .map_err(|_| error),
            other => other,
        }
    }

    /// Why the store cannot be opened and something else serves; `None` when all is well.
    pub fn stands_by(&self) -> Option<String> {
        let standing_by = self.shared.standing_by.read().unwrap_or_else(PoisonError::into_inner);
        standing_by.as_ref().map(|standing_by| standing_by.why.clone())
    }

    /// The store could be opened after a while and was not what had stood by for it: who read earlier must read again.
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
        let mut standing_by = StandBy { why: why.to_string(), number: 0, without, folder };
        let mut filling = Filling::new(&engine);
        let scan = copy::scan::<StoreError>(&copy, |_, _, payload| {
            let unknown = || StoreError::Failed { why: "the second copy holds something unknown".to_owned() };
            for change in copy::changes(payload).ok_or_else(unknown)? {
                if !without.contains(&change.tree) {
                    filling.add(change.tree, change.key, change.value)?;
                }
            }
            Ok(())
        })?;
        if scan.base.is_none() {
            return Err(StoreError::Failed { why: "the second copy is damaged".to_owned() });
        }
        filling.write()?;
        standing_by.number = scan.number;
        tracing::error!(%why, "ALARM: the store cannot be opened; its second copy serves from memory, and nothing is written down");
        let shared = Shared {
            dir: dir.to_owned(),
            _lock: lock,
            engine: RwLock::new(Some(engine)),
            pen: Mutex::new(Pen { written: None, generation: 0, retry_at: None }),
            repairs: Mutex::default(),
            compacting: Mutex::new(()),
            standing_by: RwLock::new(Some(standing_by)),
            changed: AtomicBool::new(false),
            spare_bytes: AtomicU64::new(SPARE_BYTES),
        };
        Ok(Store { shared: Arc::new(shared) })
    }
}

impl Writer<'_> {
    /// Opens the store instead of what stands by for it.
    pub(super) fn stand_down(&mut self) -> Result<(), StoreError> {
        let shared = self.shared;
        let began = Instant::now();
        // Most often it is this, and costs nothing to ask.
        expect_room(&shared.dir, shared.spare_bytes.load(Relaxed), 0)?;
        let opened = recover::open(&shared.dir).and_then(|opened| Ok((opened, open_answered(&shared.dir)?)));
        let (Opened { engine, copy, repairs, .. }, answered) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.pen.failed(began);
                return Err(error);
            }
        };
        let mut standing_by = shared.standing_by.write().unwrap_or_else(PoisonError::into_inner);
        let known = standing_by.as_ref().map_or(0, |standing_by| standing_by.number);
        if copy.number() != known {
            shared.changed.store(true, Relaxed);
            self.pen.failed(began);
            return Err(StoreError::Failed {
                why: "it came back with other contents; it has to be read anew".to_owned(),
            });
        }
        *shared.engine.write().unwrap_or_else(PoisonError::into_inner) = Some(engine);
        *standing_by = None;
        self.pen.written = Some(Written { copy, answered });
        self.pen.generation += 1;
        self.pen.retry_at = None;
        let what =
            "the store could not be opened at the start; its second copy served from memory until it could".to_owned();
        tracing::warn!("{what}");
        let mut all = shared.repairs.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Repair { what, lost: 0 });
        all.extend(repairs);
        Ok(())
    }
}

/// An empty database in a folder of its own, for the store in `dir`, which is locked: what lies there was left behind by a kill.
fn in_memory(parent: &Path, dir: &Path) -> Result<(Engine, PathBuf), StoreError> {
    let name = blake3::hash(dir.as_os_str().as_encoded_bytes()).to_hex();
    let folder = parent.join(format!("usher-store-{}", &name[..16]));
    recover::remove(&folder)?;
    DirBuilder::new().mode(0o700).create(&folder).map_err(|error| explain(&folder, error))?;
    Ok((Engine::open(&folder.join("sled"))?, folder))
}
