//! The database's door: opens the sled database of one directory, says in plain words why it cannot, and makes writes durable.
//!
//! Knows nothing of what is kept in it; rooms that keep something ask for a tree of their own.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

/// Another usher command may be about to end: so long it is waited for.
const BUSY_PATIENCE: Duration = Duration::from_secs(2);
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// The layout of everything below the directory. A store that says a higher number was written by a newer usher.
const FORMAT: u32 = 1;
/// Names the format, outside of sled: tells a store that was emptied by damage from one that is new.
const FORMAT_FILE: &str = "format";
/// Counts flushes, in the database and in a file beside it. sled takes a torn page in its log for the log's end and goes on
/// without all that came after; then the database has counted fewer than the file.
const WRITTEN: &str = "written";
/// sled's own page cache. Every room keeps in memory what it reads often, so this stays small.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// An open database; closed when its last clone and the last of its trees are dropped. One process at a time.
#[derive(Clone)]
pub struct Store {
    dir: PathBuf,
    db: sled::Db,
    /// sled's data file, opened once more to be synchronised.
    data: Arc<File>,
    flushes: Arc<Flushes>,
}

struct Flushes {
    /// How many were begun.
    begun: Mutex<u64>,
    /// The file that says how many ended.
    ended: File,
}

/// Why the store cannot be opened, read or written, and what to do.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error(
        "{} is in use by another usher: talk to the running daemon instead, or stop it first (systemctl stop usher)",
        dir.display()
    )]
    Busy { dir: PathBuf },
    #[error(
        "no permission to use {}: run as the user who owns it, or give it to this one (chown -R usher {})",
        dir.display(), dir.display()
    )]
    Denied { dir: PathBuf },
    #[error("{} cannot be used: {source}; check that it lies on a mounted, writable disk", dir.display())]
    Unusable { dir: PathBuf, source: io::Error },
    #[error(
        "the database in {} is damaged ({why}): stop usher, move the directory aside without deleting it, restore the last \
         backup in its place, and keep the damaged one for a closer look",
        dir.display()
    )]
    Damaged { dir: PathBuf, why: String },
    #[error(
        "the database in {} has format {found}, and this usher knows formats up to {FORMAT}: install a newer usher, or \
         restore the backup made before the upgrade",
        dir.display()
    )]
    Newer { dir: PathBuf, found: u32 },
    #[error(
        "a page of the database is damaged ({why}): stop usher, copy the directory aside, and restore the last backup; when \
         it happens again, replace the disk"
    )]
    BadPage { why: String },
    #[error("the disk of the database is full: free some space, then restart usher")]
    Full,
    #[error("the database failed: {0}; restart usher, and check the disk (dmesg) when it happens again")]
    Failed(sled::Error),
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> StoreError {
        match error {
            sled::Error::Io(e) if e.kind() == io::ErrorKind::StorageFull => StoreError::Full,
            corrupt @ sled::Error::Corruption { .. } => StoreError::BadPage { why: reason(corrupt) },
            sled::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                StoreError::BadPage { why: "its file is cut short".to_owned() }
            }
            other => StoreError::Failed(other),
        }
    }
}

impl Store {
    /// Opens the database in `dir`, or makes a new one there. The directory is for its owner only (mode 0700); an existing one
    /// is tightened.
    pub fn open(dir: &Path) -> Result<Store, StoreError> {
        let at_dir = |e: io::Error| explain(dir, e);
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at_dir)?;
        if fs::metadata(dir).map_err(at_dir)?.permissions().mode() & 0o777 != 0o700 {
            fs::set_permissions(dir, Permissions::from_mode(0o700)).map_err(at_dir)?;
        }
        let promised = promised_format(dir)?;
        let damaged = |why: String| StoreError::Damaged { dir: dir.to_owned(), why };

        // sled 0.34 answers some torn files with a panic; a panic here leaves nothing behind that anybody uses.
        let config =
            sled::Config::new().path(dir).cache_capacity(CACHE_BYTES).mode(sled::Mode::LowSpace).flush_every_ms(None);
        let deadline = Instant::now() + BUSY_PATIENCE;
        let db = loop {
            match panic::catch_unwind(AssertUnwindSafe(|| config.open())) {
                Ok(Ok(db)) => break db,
                Ok(Err(sled::Error::Io(e))) => match explain(dir, e) {
                    StoreError::Busy { .. } if Instant::now() < deadline => std::thread::sleep(BUSY_PAUSE),
                    error => return Err(error),
                },
                Ok(Err(other)) => return Err(damaged(reason(other))),
                Err(_) => return Err(damaged("it could not be read back after a torn write".to_owned())),
            }
        };

        match (db.get(FORMAT_FILE)?, promised) {
            (Some(bytes), _) => {
                let bytes: [u8; 4] =
                    bytes.as_ref().try_into().map_err(|_| damaged("its format is unreadable".into()))?;
                let found = u32::from_be_bytes(bytes);
                if found > FORMAT {
                    return Err(StoreError::Newer { dir: dir.to_owned(), found });
                }
            }
            (None, Some(_)) => return Err(damaged("what was written to it is gone".into())),
            (None, None) => {
                db.insert(FORMAT_FILE, &FORMAT.to_be_bytes())?;
            }
        }
        let begun = match db.get(WRITTEN)?.as_deref().map(<[u8; 8]>::try_from) {
            Some(Ok(bytes)) => u64::from_le_bytes(bytes),
            _ => 0,
        };
        let ended = File::options().read(true).write(true).create(true).truncate(false).open(dir.join(WRITTEN));
        let ended = ended.map_err(at_dir)?;
        if let Some(ended) = read_count(&ended)
            && ended > begun
        {
            let lost = ended - begun;
            return Err(damaged(format!(
                "its last {lost} writes are gone; without a backup, remove the file {WRITTEN:?} in it to go on without them"
            )));
        }
        let flushes = Arc::new(Flushes { begun: Mutex::new(begun), ended });
        let data = Arc::new(File::open(dir.join("db")).map_err(at_dir)?);
        let store = Store { dir: dir.to_owned(), db, data, flushes };
        store.flush()?;
        if promised.is_none() {
            fs::write(dir.join(FORMAT_FILE), format!("{FORMAT}\n")).map_err(at_dir)?;
            File::open(dir).and_then(|d| d.sync_all()).map_err(at_dir)?;
        }
        Ok(store)
    }

    /// The tree of that name; made when it is not there. Each room uses names of its own.
    pub fn tree(&self, name: &str) -> Result<sled::Tree, StoreError> {
        Ok(self.db.open_tree(name)?)
    }

    /// The database, for transactions over several trees.
    pub fn db(&self) -> &sled::Db {
        &self.db
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns when everything written before is on the disk, safe from a power cut.
    ///
    /// sled's own flush is not enough: on Linux sled 0.34 ends it with `sync_file_range(2)`, whose manual warns that neither
    /// the file's length nor the disk's own cache is written. So the data file is synchronised here as well.
    pub fn flush(&self) -> Result<(), StoreError> {
        let count = {
            let mut begun = self.flushes.begun.lock().unwrap_or_else(PoisonError::into_inner);
            *begun += 1;
            self.db.insert(WRITTEN, &begun.to_le_bytes())?;
            *begun
        };
        self.db.flush()?;
        self.data.sync_all().map_err(sled::Error::Io)?;
        // After the data, and not synchronised: after a power cut the file may count fewer than the database, never more.
        self.flushes.ended.write_all_at(&count_bytes(count), 0).map_err(|e| sled::Error::Io(e).into())
    }
}

/// The number and its complement, by which a torn one is known.
fn count_bytes(count: u64) -> [u8; 16] {
    (u128::from(count) | u128::from(!count) << 64).to_le_bytes()
}

fn read_count(file: &File) -> Option<u64> {
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let count = u128::from_le_bytes(bytes) as u64;
    (bytes == count_bytes(count)).then_some(count)
}

/// The format that the directory says it holds; `None` for a new one.
fn promised_format(dir: &Path) -> Result<Option<u32>, StoreError> {
    match fs::read_to_string(dir.join(FORMAT_FILE)) {
        Ok(text) => match text.trim().parse() {
            Ok(found) if found > FORMAT => Err(StoreError::Newer { dir: dir.to_owned(), found }),
            Ok(found) => Ok(Some(found)),
            // Torn while it was first written; the database itself says it again.
            Err(_) => Ok(None),
        },
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(explain(dir, e)),
    }
}

fn reason(error: sled::Error) -> String {
    match error {
        sled::Error::Corruption { at: Some(at), .. } => format!("unreadable data at {at:?}"),
        sled::Error::Corruption { at: None, .. } => "unreadable data".to_owned(),
        other => other.to_string(),
    }
}

fn explain(dir: &Path, error: io::Error) -> StoreError {
    let dir = dir.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Denied { dir },
        io::ErrorKind::StorageFull => StoreError::Full,
        // sled tells of a taken lock only in words.
        _ if error.to_string().contains("could not acquire lock") => StoreError::Busy { dir },
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged { dir, why: error.to_string() }
        }
        _ => StoreError::Unusable { dir, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(dir: &Path) -> u32 {
        fs::metadata(dir).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keeps_what_was_flushed() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("a/store");
        let store = Store::open(&dir).unwrap();
        store.tree("t").unwrap().insert("k", "v").unwrap();
        store.flush().unwrap();
        drop(store);
        let store = Store::open(&dir).unwrap();
        assert_eq!(store.tree("t").unwrap().get("k").unwrap().unwrap().as_ref(), b"v");
    }

    #[test]
    fn is_for_its_owner_only() {
        let tmp = tempfile::tempdir().unwrap();
        let fresh = tmp.path().join("fresh");
        Store::open(&fresh).unwrap();
        assert_eq!(mode(&fresh), 0o700);
        let open = tmp.path().join("open");
        fs::create_dir(&open).unwrap();
        fs::set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
        Store::open(&open).unwrap();
        assert_eq!(mode(&open), 0o700);
    }

    #[test]
    fn a_second_opening_is_told_that_it_is_busy() {
        let tmp = tempfile::tempdir().unwrap();
        let first = Store::open(tmp.path()).unwrap();
        assert!(matches!(Store::open(tmp.path()), Err(StoreError::Busy { .. })));
        // A flush opens nothing and closes nothing that would let go of the lock.
        first.flush().unwrap();
        assert!(matches!(Store::open(tmp.path()), Err(StoreError::Busy { .. })));
        drop(first);
        assert!(Store::open(tmp.path()).is_ok());
    }

    #[test]
    fn refuses_a_newer_format() {
        let tmp = tempfile::tempdir().unwrap();
        let store = Store::open(tmp.path()).unwrap();
        store.db().insert(FORMAT_FILE, &7u32.to_be_bytes()).unwrap();
        store.flush().unwrap();
        drop(store);
        assert!(matches!(Store::open(tmp.path()), Err(StoreError::Newer { found: 7, .. })));
        fs::write(tmp.path().join(FORMAT_FILE), "8\n").unwrap();
        assert!(matches!(Store::open(tmp.path()), Err(StoreError::Newer { found: 8, .. })));
    }

    #[test]
    fn damage_is_an_error_that_says_to_keep_the_directory() {
        for damage in [&b""[..], &[0xA5; 700_000]] {
            let tmp = tempfile::tempdir().unwrap();
            let store = Store::open(tmp.path()).unwrap();
            let tree = store.tree("t").unwrap();
            for i in 0..2_000u32 {
                tree.insert(i.to_be_bytes(), vec![i as u8; 500]).unwrap();
            }
            store.flush().unwrap();
            drop((store, tree));
            for entry in fs::read_dir(tmp.path()).unwrap() {
                let path = entry.unwrap().path();
                if path.ends_with("db") {
                    fs::write(&path, damage).unwrap();
                } else if path.file_name().unwrap().to_string_lossy().starts_with("snap") {
                    fs::remove_file(&path).unwrap();
                }
            }
            let Err(error) = Store::open(tmp.path()) else { panic!("opened a database of {} bytes", damage.len()) };
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert!(error.to_string().contains("aside"), "{error}");
        }
    }

    #[test]
    fn a_database_that_lost_its_last_writes_is_damaged() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path().join("store");
        let older = tmp.path().join("older");
        let store = Store::open(&dir).unwrap();
        drop(store);
        fs::create_dir(&older).unwrap();
        let files = |from: &Path| -> Vec<PathBuf> {
            fs::read_dir(from).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_file()).collect()
        };
        for file in files(&dir) {
            fs::copy(&file, older.join(file.file_name().unwrap())).unwrap();
        }
        let store = Store::open(&dir).unwrap();
        store.db().insert("k", "v").unwrap();
        store.flush().unwrap();
        drop(store);
        // The database as it was before, beside the count as it is now.
        fs::copy(dir.join(WRITTEN), older.join(WRITTEN)).unwrap();
        let Err(error) = Store::open(&older) else { panic!("went on without the last writes") };
        assert!(matches!(error, StoreError::Damaged { .. }) && error.to_string().contains("last 2 writes"), "{error}");
        // The way out that the message tells; and a torn count is no count.
        fs::write(older.join(WRITTEN), [7; 16]).unwrap();
        drop(Store::open(&older).unwrap());
        fs::remove_file(older.join(WRITTEN)).unwrap();
        drop(Store::open(&older).unwrap());
        drop(Store::open(&dir).unwrap());
    }

    #[test]
    fn flushes_of_many_threads_leave_no_false_alarm() {
        let tmp = tempfile::tempdir().unwrap();
        for _ in 0..4 {
            let store = Store::open(tmp.path()).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| (0..10).for_each(|_| store.flush().unwrap()));
                }
            });
        }
        assert!(read_count(&File::open(tmp.path().join(WRITTEN)).unwrap()).unwrap() >= 124);
    }

    #[test]
    fn a_place_that_is_no_directory_is_told() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("file");
        fs::write(&file, "x").unwrap();
        let Err(error) = Store::open(&file) else { panic!("opened a file as a directory") };
        assert!(error.to_string().contains("file"), "{error}");
    }
}
