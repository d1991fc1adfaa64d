//! Opening the database together with its second copy, whatever a power cut has left of either.
//!
//! Each commit is synchronised in the copy first, then in the database; a third file counts those that were answered for. So the
//! one that reads back and has the higher number holds everything, and the other is mended from it. Knows nothing of what is stored.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::base::Base;
use super::copy::{self, Copy, Scan};
use super::engine::{Engine, Filling, Held};
use super::{FORMAT, Mark, StoreError, explain, sync_dir};

/// sled's folder.
pub(super) const DATABASE: &str = "sled";
/// A new one, while it is made.
const NEW: &str = "sled.new";
/// What the old one is called then.
const OLD: &str = "sled.old";
/// The second copy.
pub(super) const COPY: &str = "copy";
/// Counts the commits that were answered for.
pub(super) const ANSWERED: &str = "answered";
/// What damaged things are called when they are kept aside.
const ASIDE: &str = "damaged-";
/// So many of them are kept; the oldest goes first.
const ASIDES: usize = 4;

/// What was mended when the store was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// What was wrong and what was done, in words.
    pub what: String,
    /// Commits that were answered for and are gone: 0 unless database and copy were damaged at once.
    pub lost: u64,
}

/// An open store.
pub(super) struct Opened {
    pub engine: Engine,
    pub held: Held,
    pub copy: Copy,
    pub repairs: Vec<Repair>,
}

/// Opens what is in `dir`, or makes a new store there. Nobody else may use it meanwhile.
pub(super) fn open(dir: &Path) -> Result<Opened, StoreError> {
    Opening { dir, repairs: Vec::new() }.open()
}

/// A database that is made from the copy while the old one is still in use.
pub(super) struct NewDatabase<'a> {
    dir: &'a Path,
    engine: Engine,
    number: u64,
}

impl<'a> NewDatabase<'a> {
    /// Fills it with everything up to `mark`.
    pub fn fill(dir: &'a Path, mark: &Mark) -> Result<NewDatabase<'a>, StoreError> {
        let folder = dir.join(NEW);
        remove(&folder)?;
        let new = NewDatabase { dir, engine: Engine::open(&folder)?, number: 0 };
        new.engine.set_format(FORMAT)?;
        new.take(mark)?;
        Ok(NewDatabase { number: mark.number, ..new })
    }

    /// Adds what came in until `mark`, and closes it.
    pub fn follow(self, mark: &Mark) -> Result<(), StoreError> {
        self.take(mark)
    }

    fn take(&self, mark: &Mark) -> Result<(), StoreError> {
        let mut filling = Filling::new(&self.engine);
        let opening = Opening { dir: self.dir, repairs: Vec::new() };
        let source = copy::At { file: &mark.file, place: 0 };
        let first = self.number == 0;
        let scan = copy::scan_from::<StoreError>(source, mark.end, |number, in_base, payload| {
            match first || !in_base && number > self.number {
                true => opening.fill(&mut filling, payload),
                false => Ok(()),
            }
        })?;
        if scan.base.is_none() || scan.number != mark.number {
            return Err(opening.damaged("the second copy does not read back as it was written".to_owned()));
        }
        filling.write()?;
        self.engine.set_number(mark.number)?;
        self.engine.flush()
    }
}

/// Puts a new database that is closed in the old one's place, which must be closed, and opens it. Killed in between, the next opening
/// makes the database anew from the copy.
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

/// Removes the database that another took the place of.
pub(super) fn remove_old(dir: &Path) -> Result<(), StoreError> {
    remove(&dir.join(OLD))
}

struct Opening<'a> {
    dir: &'a Path,
    repairs: Vec<Repair>,
}

/// The database, read through.
struct Sound {
    engine: Engine,
    held: Held,
    number: u64,
}

impl Opening<'_> {
    fn open(mut self) -> Result<Opened, StoreError> {
        for unfinished in [NEW, "copy.new", "backup.new", "restore.new"] {
            remove(&self.path(unfinished))?;
        }
        let answered = answered(self.dir)?;
        let (database, copy) = (self.database()?, self.copy()?);
        let (sound, copy) = match (database, copy) {
            (None, None) if answered > 0 => {
                return Err(self.damaged(format!("{answered} commits were written to it and all of it is gone")));
            }
            (None, None) => self.begin()?,
            (Some(Ok(sound)), None) => {
                if sound.number > 0 {
                    self.repaired("the second copy of the database was missing; it was written anew".to_owned());
                }
                let copy = self.copy_anew(&sound.engine, sound.number)?;
                (sound, copy)
            }
            (None, Some((file, scan))) if scan.base.is_some() => {
                if answered > 0 {
                    self.repaired("the database was missing; it was made anew from its second copy".to_owned());
                }
                self.database_anew(file, scan)?
            }
            (Some(Err(why)), Some((file, scan))) if scan.base.is_some() => {
                let aside = self.set_aside(DATABASE)?;
                self.repaired(format!(
                    "the database was damaged ({why}); it was made anew from its second copy, and the damaged one kept as {aside}"
                ));
                self.database_anew(file, scan)?
            }
            (Some(Ok(sound)), Some((file, scan))) => self.reconcile(sound, file, scan)?,
            (Some(Err(why)), _) => return Err(self.damaged(why)),
            (None, Some(_)) => return Err(self.damaged("the database is missing".to_owned())),
        };
        if sound.number < answered {
            let lost = answered - sound.number;
            let what = format!("the last {lost} commits are gone from the database and from its second copy");
            self.repairs.push(Repair { what, lost });
        }
        write_answered(self.dir, sound.number)?;
        // Left by a rebuilding that was cut short.
        remove(&self.path(OLD))?;
        Ok(Opened { engine: sound.engine, held: sound.held, copy, repairs: self.repairs })
    }

    /// Both read back: whichever is behind is mended from the other.
    fn reconcile(&mut self, sound: Sound, file: File, scan: Scan) -> Result<(Sound, Copy), StoreError> {
        let Some(base) = scan.base else {
            let aside = self.set_aside(COPY)?;
            self.repaired(format!(
                "the second copy of the database was damaged; it was written anew, and the damaged one kept as {aside}"
            ));
            let copy = self.copy_anew(&sound.engine, sound.number)?;
            return Ok((sound, copy));
        };
        if sound.number > scan.number {
            let aside = self.set_aside(COPY)?;
            self.repaired(format!(
                "the second copy of the database ended {} commits early; it was written anew, and the damaged one kept as {aside}",
                sound.number - scan.number
            ));
            let copy = self.copy_anew(&sound.engine, sound.number)?;
            return Ok((sound, copy));
        }
        let behind = scan.number - sound.number;
        // One commit that is in the copy alone is what dying between the two leaves.
        if behind > 1 {
            self.repaired(format!(
                "the database had lost its last {behind} commits; they were taken from its second copy"
            ));
        }
        if behind > 0 && sound.number < base {
            let Sound { engine, .. } = sound;
            drop(engine);
            self.set_aside(DATABASE)?;
            return self.database_anew(file, scan);
        }
        if behind > 0 {
            let mut filling = Filling::new(&sound.engine);
            let from = sound.number;
            copy::scan::<StoreError>(&file, |number, in_base, payload| match in_base || number <= from {
                true => Ok(()),
                false => self.fill(&mut filling, payload),
            })?;
            filling.write()?;
            sound.engine.set_number(scan.number)?;
            sound.engine.flush()?;
        }
        let copy = Copy::resume(file, scan).map_err(|error| explain(self.dir, error))?;
        Ok((Sound { number: scan.number, ..sound }, copy))
    }

    /// A new, empty store.
    fn begin(&mut self) -> Result<(Sound, Copy), StoreError> {
        let engine = Engine::open(&self.path(DATABASE))?;
        engine.set_format(FORMAT)?;
        engine.flush()?;
        sync_dir(self.dir)?;
        let copy = self.copy_anew(&engine, 0)?;
        Ok((Sound { engine, held: Held::default(), number: 0 }, copy))
    }

    /// The database if there is one: read through, or why it is damaged.
    fn database(&self) -> Result<Option<Result<Sound, String>>, StoreError> {
        let folder = self.path(DATABASE);
        if !folder.try_exists().map_err(|error| explain(self.dir, error))? {
            return Ok(None);
        }
        let look = || {
            let engine = Engine::open(&folder)?;
            match engine.format()? {
                // A power cut in the first moments of a new store.
                None if engine.number()? == 0 => engine.set_format(FORMAT)?,
                Some(found) if found > FORMAT => return Err(StoreError::Newer { dir: self.dir.to_owned(), found }),
                Some(_) => {}
                None => return Err(StoreError::BadPage { why: "what was written to it is gone".to_owned() }),
            }
            Ok(Sound { number: engine.number()?, held: engine.read_through()?, engine })
        };
        match look() {
            Ok(sound) => Ok(Some(Ok(sound))),
            Err(StoreError::BadPage { why } | StoreError::Failed { why }) => Ok(Some(Err(why))),
            // A part of its file that the disk does not give back.
            Err(StoreError::Unusable { dir, source }) if dir.as_os_str().is_empty() => {
                Ok(Some(Err(source.to_string())))
            }
            Err(other) => Err(other),
        }
    }

    /// The second copy if there is one.
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

    /// Makes the database from the copy.
    fn database_anew(&self, file: File, scan: Scan) -> Result<(Sound, Copy), StoreError> {
        let folder = self.path(NEW);
        {
            let engine = Engine::open(&folder)?;
            let mut filling = Filling::new(&engine);
            copy::scan::<StoreError>(&file, |_, _, payload| self.fill(&mut filling, payload))?;
            filling.write()?;
            engine.set_format(FORMAT)?;
            engine.set_number(scan.number)?;
            engine.flush()?;
        }
        fs::rename(&folder, self.path(DATABASE)).map_err(|error| explain(self.dir, error))?;
        sync_dir(self.dir)?;
        let engine = Engine::open(&self.path(DATABASE))?;
        let held = engine.read_through()?;
        let copy = Copy::resume(file, scan).map_err(|error| explain(self.dir, error))?;
        Ok((Sound { engine, held, number: scan.number }, copy))
    }

    fn fill(&self, filling: &mut Filling<'_>, payload: &[u8]) -> Result<(), StoreError> {
        let changes = copy::changes(payload);
        let changes = changes.ok_or_else(|| self.damaged("the second copy holds something unknown".to_owned()))?;
        changes.iter().try_for_each(|change| filling.add(change.tree, change.key, change.value))
    }

    /// Makes the copy from the database.
    fn copy_anew(&self, engine: &Engine, number: u64) -> Result<Copy, StoreError> {
        let path = self.path("copy.new");
        let mut base = Base::begin(&path, 0)?;
        base.all_of(number, |show| engine.each(show))?;
        let file = base.end(number)?;
        let copy = replace(self.dir, &path, file, number)?;
        sync_dir(self.dir)?;
        Ok(copy)
    }

    /// Renames a damaged thing; its new name.
    fn set_aside(&self, name: &str) -> Result<String, StoreError> {
        let at_dir = |error| explain(self.dir, error);
        let mut asides: Vec<PathBuf> = fs::read_dir(self.dir)
            .map_err(at_dir)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ASIDE)))
            .collect();
        // By name is by time.
        asides.sort();
        let too_many = (asides.len() + 1).saturating_sub(ASIDES);
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

/// Puts a file of frames in the copy's place; the folder is still to be synchronised. Until it is, a power cut may bring the old one back,
/// which the database then completes.
pub(super) fn replace(dir: &Path, new: &Path, file: File, number: u64) -> Result<Copy, StoreError> {
    let done = || -> io::Result<Copy> {
        let length = file.metadata()?.len();
        let copy = Copy::resume(file, Scan { end: length, number, base: Some(number), length })?;
        fs::rename(new, dir.join(COPY))?;
        Ok(copy)
    };
    done().map_err(|error| explain(dir, error))
}

/// How many commits were answered for; 0 when that cannot be told.
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

/// The number and its complement, by which a torn one is known.
pub(super) fn count_bytes(count: u64) -> [u8; 16] {
    (u128::from(count) | u128::from(!count) << 64).to_le_bytes()
}

fn read_count(file: &File) -> Option<u64> {
    let mut bytes = [0; 16];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let count = u128::from_le_bytes(bytes) as u64;
    (bytes == count_bytes(count)).then_some(count)
}

/// Removes a file or a folder, if it is there.
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
