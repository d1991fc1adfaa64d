//! Opens the database and its second copy, whatever a power cut left of either.
//!
//! Each commit is synced to the copy first, then to the database; a third file counts the acknowledged commits. So the one that is readable
//! and has the higher number holds everything, and the other is repaired from it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::base::Base;
use super::copy::{self, Scan, SecondCopy};
use super::engine::{BulkLoad, DataSize, Engine};
use super::{CopyPosition, FORMAT, StoreError, explain, sync_dir};

/// sled's directory.
pub(super) const DATABASE: &str = "sled";
/// A new database while it is being built.
const NEW: &str = "sled.new";
/// The old database while it is being replaced.
const OLD: &str = "sled.old";
/// The second copy.
pub(super) const COPY: &str = "copy";
/// Holds the number of acknowledged commits.
pub(super) const ANSWERED: &str = "answered";
/// The name prefix of damaged files that are kept.
const ASIDE: &str = "damaged-";
/// How many of them are kept; the oldest is deleted first.
const ASIDES: usize = 4;

/// A repair made when the store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was wrong and what was done, for people.
    pub what: String,
    /// The number of acknowledged commits that are lost: 0 unless database and copy were both damaged.
    pub lost: u64,
}

/// An open store.
pub(super) struct Opened {
    pub engine: Engine,
    pub held: DataSize,
    pub copy: SecondCopy,
    pub repairs: Vec<Repair>,
}

/// Opens the store in `dir`, or creates one there. The caller holds the store's lock.
pub(super) fn open(dir: &Path) -> Result<Opened, StoreError> {
    Recovery { dir, repairs: Vec::new() }.open()
}

/// A database that is built from the copy while the old one is still in use.
pub(super) struct NewDatabase<'a> {
    dir: &'a Path,
    engine: Engine,
    number: u64,
}

impl<'a> NewDatabase<'a> {
    /// Loads everything up to `mark`.
    pub fn fill(dir: &'a Path, mark: &CopyPosition) -> Result<NewDatabase<'a>, StoreError> {
        let folder = dir.join(NEW);
        remove(&folder)?;
        let new = NewDatabase { dir, engine: Engine::open(&folder)?, number: 0 };
        new.engine.set_format(FORMAT)?;
        new.take(mark)?;
        Ok(NewDatabase { number: mark.number, ..new })
    }

    /// Adds the commits since then up to `mark`, and closes the database.
    pub fn follow(self, mark: &CopyPosition) -> Result<(), StoreError> {
        self.take(mark)
    }

    fn take(&self, mark: &CopyPosition) -> Result<(), StoreError> {
        let mut load = BulkLoad::new(&self.engine);
        let opening = Recovery { dir: self.dir, repairs: Vec::new() };
        let source = copy::ReadAt { file: &mark.file, place: 0 };
        let first = self.number == 0;
        let scan = copy::scan_from::<StoreError>(source, mark.end, |number, in_base, payload| {
            match first || !in_base && number > self.number {
                true => opening.fill(&mut load, payload),
                false => Ok(()),
            }
        })?;
        if scan.base.is_none() || scan.number != mark.number {
            return Err(opening.damaged("the second copy does not read back as written".to_owned()));
        }
        load.write()?;
        self.engine.set_number(mark.number)?;
        self.engine.flush()
    }
}

/// Replaces the database with the new one, both closed, and opens it. If the process is killed in between, the next start rebuilds the
/// database from the copy.
pub(super) fn put_in_place(dir: &Path) -> Result<Engine, StoreError> {
    remove_old(dir)?;
    let moved = || -> io::Result<()> {
        fs::rename(dir.join(DATABASE), dir.join(OLD))?;
        fs::rename(dir.join(NEW), dir.join(DATABASE))
    };
    moved().map_err(|error| explain(dir, error))?;
    sync_dir(dir)?;
    Engine::open(&dir.join(DATABASE))
}

/// Removes the database that was replaced.
pub(super) fn remove_old(dir: &Path) -> Result<(), StoreError> {
    remove(&dir.join(OLD))
}

struct Recovery<'a> {
    dir: &'a Path,
    repairs: Vec<Repair>,
}

/// A database in which every page could be read.
struct ReadableDatabase {
    engine: Engine,
    held: DataSize,
    number: u64,
}

/// What is found of a database.
enum Database {
    Missing,
    Readable(ReadableDatabase),
    /// Contains the reason, for people.
    Damaged(String),
}

impl Recovery<'_> {
    fn open(mut self) -> Result<Opened, StoreError> {
        for unfinished in [NEW, "copy.new", "backup.new", "restore.new"] {
            remove(&self.path(unfinished))?;
        }
        let answered = answered(self.dir)?;
        let (database, copy) = (self.database()?, self.copy()?);
        let (readable, copy) = match (database, copy) {
            (Database::Missing, None) if answered > 0 => {
                return Err(self.damaged(format!("{answered} commits were written, and all of them are gone")));
            }
            (Database::Missing, None) => self.begin()?,
            (Database::Readable(readable), None) => {
                if readable.number > 0 {
                    self.repaired("the second copy of the database was missing; it was rewritten".to_owned());
                }
                let copy = self.rewrite_copy(&readable.engine, readable.number)?;
                (readable, copy)
            }
            (Database::Missing, Some((file, scan))) if scan.base.is_some() => {
                if answered > 0 {
                    self.repaired("the database was missing; it was rebuilt from its second copy".to_owned());
                }
                self.rebuild_database(file, scan)?
            }
            (Database::Damaged(why), Some((file, scan))) if scan.base.is_some() => {
                let aside = self.set_aside(DATABASE)?;
                self.repaired(format!(
                    "the database was damaged ({why}); it was rebuilt from its second copy, and the damaged one was kept as {aside}"
                ));
                self.rebuild_database(file, scan)?
            }
            (Database::Readable(readable), Some((file, scan))) => self.reconcile(readable, file, scan)?,
            (Database::Damaged(why), _) => return Err(self.damaged(why)),
            (Database::Missing, Some(_)) => return Err(self.damaged("the database is missing".to_owned())),
        };
        if readable.number < answered {
            let lost = answered.saturating_sub(readable.number);
            let what = format!("the last {lost} commits are gone from the database and from its second copy");
            self.repairs.push(Repair { what, lost });
        }
        write_answered(self.dir, readable.number)?;
        // Left by an interrupted rebuild.
        remove(&self.path(OLD))?;
        Ok(Opened { engine: readable.engine, held: readable.held, copy, repairs: self.repairs })
    }

    /// Both are readable: repairs the one that is behind from the other.
    fn reconcile(
        &mut self,
        readable: ReadableDatabase,
        file: File,
        scan: Scan,
    ) -> Result<(ReadableDatabase, SecondCopy), StoreError> {
        let Some(base) = scan.base else {
            let aside = self.set_aside(COPY)?;
            self.repaired(format!(
                "the second copy of the database was damaged; it was rewritten, and the damaged one was kept as {aside}"
            ));
            let copy = self.rewrite_copy(&readable.engine, readable.number)?;
            return Ok((readable, copy));
        };
        if readable.number > scan.number {
            let aside = self.set_aside(COPY)?;
            self.repaired(format!(
                "the second copy of the database ended {} commits early; it was rewritten, and the damaged one was kept as {aside}",
                readable.number.saturating_sub(scan.number)
            ));
            let copy = self.rewrite_copy(&readable.engine, readable.number)?;
            return Ok((readable, copy));
        }
        let behind = scan.number.saturating_sub(readable.number);
        // Being killed between the two writes leaves one commit in the copy only.
        if behind > 1 {
            self.repaired(format!(
                "the database had lost its last {behind} commits; they were taken from its second copy"
            ));
        }
        if behind > 0 && readable.number < base {
            let ReadableDatabase { engine, .. } = readable;
            drop(engine);
            self.set_aside(DATABASE)?;
            return self.rebuild_database(file, scan);
        }
        if behind > 0 {
            let mut load = BulkLoad::new(&readable.engine);
            let from = readable.number;
            copy::scan::<StoreError>(&file, |number, in_base, payload| match in_base || number <= from {
                true => Ok(()),
                false => self.fill(&mut load, payload),
            })?;
            load.write()?;
            readable.engine.set_number(scan.number)?;
            readable.engine.flush()?;
        }
        let copy = SecondCopy::resume(file, scan).map_err(|error| explain(self.dir, error))?;
        Ok((ReadableDatabase { number: scan.number, ..readable }, copy))
    }

    /// Creates an empty store.
    fn begin(&mut self) -> Result<(ReadableDatabase, SecondCopy), StoreError> {
        let engine = Engine::open(&self.path(DATABASE))?;
        engine.set_format(FORMAT)?;
        engine.flush()?;
        sync_dir(self.dir)?;
        let copy = self.rewrite_copy(&engine, 0)?;
        Ok((ReadableDatabase { engine, held: DataSize::default(), number: 0 }, copy))
    }

    /// Opens the database and reads all of it.
    fn database(&self) -> Result<Database, StoreError> {
        let folder = self.path(DATABASE);
        if !folder.try_exists().map_err(|error| explain(self.dir, error))? {
            return Ok(Database::Missing);
        }
        let look = || {
            let engine = Engine::open(&folder)?;
            match engine.format()? {
                // A power cut just after the store was created.
                None if engine.number()? == 0 => engine.set_format(FORMAT)?,
                Some(found) if found > FORMAT => return Err(StoreError::Newer { dir: self.dir.to_owned(), found }),
                Some(_) => {}
                None => return Err(StoreError::BadPage { why: "what was written to it is gone".to_owned() }),
            }
            Ok(ReadableDatabase { number: engine.number()?, held: engine.read_through()?, engine })
        };
        match look() {
            Ok(readable) => Ok(Database::Readable(readable)),
            Err(StoreError::BadPage { why } | StoreError::Failed { why }) => Ok(Database::Damaged(why)),
            // A part of its file that the disk cannot read.
            Err(StoreError::Unusable { dir, source }) if dir.as_os_str().is_empty() => {
                Ok(Database::Damaged(source.to_string()))
            }
            Err(other) => Err(other),
        }
    }

    /// The second copy, if it exists.
    fn copy(&self) -> Result<Option<(File, Scan)>, StoreError> {
        let at_copy = |error| explain(self.dir, error);
        let file = match File::options().read(true).write(true).open(self.path(COPY)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at_copy(error)),
        };
        let scan = copy::scan::<io::Error>(&file, |_, _, _| Ok(())).map_err(at_copy)?;
        Ok(Some((file, scan)))
    }

    /// Rebuilds the database from the copy.
    fn rebuild_database(&self, file: File, scan: Scan) -> Result<(ReadableDatabase, SecondCopy), StoreError> {
        let folder = self.path(NEW);
        {
            let engine = Engine::open(&folder)?;
            let mut load = BulkLoad::new(&engine);
            copy::scan::<StoreError>(&file, |_, _, payload| self.fill(&mut load, payload))?;
            load.write()?;
            engine.set_format(FORMAT)?;
            engine.set_number(scan.number)?;
            engine.flush()?;
        }
        fs::rename(&folder, self.path(DATABASE)).map_err(|error| explain(self.dir, error))?;
        sync_dir(self.dir)?;
        let engine = Engine::open(&self.path(DATABASE))?;
        let held = engine.read_through()?;
        let copy = SecondCopy::resume(file, scan).map_err(|error| explain(self.dir, error))?;
        Ok((ReadableDatabase { engine, held, number: scan.number }, copy))
    }

    fn fill(&self, load: &mut BulkLoad<'_>, payload: &[u8]) -> Result<(), StoreError> {
        let changes = copy::changes(payload);
        let changes = changes.ok_or_else(|| self.damaged("the second copy holds an unknown change".to_owned()))?;
        changes.iter().try_for_each(|change| load.add(change.tree, change.key, change.value))
    }

    /// Rewrites the copy from the database.
    fn rewrite_copy(&self, engine: &Engine, number: u64) -> Result<SecondCopy, StoreError> {
        let path = self.path("copy.new");
        let mut base = Base::begin(&path, 0)?;
        base.all_of(number, |show| engine.each(show))?;
        let file = base.end(number)?;
        let copy = replace(self.dir, &path, file, number)?;
        sync_dir(self.dir)?;
        Ok(copy)
    }

    /// Renames a damaged file or directory, and returns its new name.
    fn set_aside(&self, name: &str) -> Result<String, StoreError> {
        let at_dir = |error| explain(self.dir, error);
        let mut asides: Vec<PathBuf> = fs::read_dir(self.dir)
            .map_err(at_dir)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ASIDE)))
            .collect();
        // The names sort by time.
        asides.sort();
        let too_many = asides.len().saturating_add(1).saturating_sub(ASIDES);
        asides.iter().take(too_many).try_for_each(|path| remove(path))?;
        let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%S%6f").to_string();
        let aside = format!("{ASIDE}{stamp}-{name}");
        fs::rename(self.path(name), self.path(&aside)).map_err(at_dir)?;
        sync_dir(self.dir)?;
        Ok(aside)
    }

    fn repaired(&mut self, what: String) {
        tracing::warn!("{what}");
        self.repairs.push(Repair { what, lost: 0 });
    }

    fn damaged(&self, why: String) -> StoreError {
        StoreError::Damaged { dir: self.dir.to_owned(), why }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// Makes `new` the copy; the caller syncs the directory afterwards. Until then a power cut may bring the old copy back, which the database then
/// completes.
pub(super) fn replace(dir: &Path, new: &Path, file: File, number: u64) -> Result<SecondCopy, StoreError> {
    let done = || -> io::Result<SecondCopy> {
        let length = file.metadata()?.len();
        let copy = SecondCopy::resume(file, Scan { end: length, number, base: Some(number), length })?;
        fs::rename(new, dir.join(COPY))?;
        Ok(copy)
    };
    done().map_err(|error| explain(dir, error))
}

/// The number of acknowledged commits; 0 if the file is missing or torn.
fn answered(dir: &Path) -> Result<u64, StoreError> {
    match File::open(dir.join(ANSWERED)) {
        Ok(file) => Ok(read_count(&file).unwrap_or(0)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(explain(dir, error)),
    }
}

fn write_answered(dir: &Path, count: u64) -> Result<(), StoreError> {
    let file = File::options().write(true).create(true).truncate(false).open(dir.join(ANSWERED));
    let written = file.and_then(|file| file.write_all_at(&count_bytes(count), 0));
    written.map_err(|error| explain(dir, error))
}

/// The number and its complement, which reveals a torn write.
pub(super) fn count_bytes(count: u64) -> [u8; 16] {
    (u128::from(count) | u128::from(!count) << 64).to_le_bytes()
}

fn read_count(file: &File) -> Option<u64> {
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let count = u128::from_le_bytes(bytes) as u64;
    (bytes == count_bytes(count)).then_some(count)
}

/// Removes a file or a directory if it exists.
pub(super) fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(explain(path, error)),
        _ => Ok(()),
    }
}
