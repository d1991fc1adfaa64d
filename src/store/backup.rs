//! Backups: writing the whole store to one file with a checksum, verifying such a file, and restoring it.
//!
//! The format is that of the second copy with nothing after the base.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use jiff::Timestamp;

use super::copy::{self, Scan};
use super::error::BackupError;
use super::recover::{ANSWERED, COPY, DATABASE, remove};
use super::{Store, StoreError, explain, sync_dir};

/// The size and position of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The file's length.
    pub bytes: u64,
    /// The number of the last commit in it.
    pub commit: u64,
}

impl Store {
    /// Writes the whole store to a new file at `path` with mode 0600. Commits continue meanwhile and wait for none of its syncs. Concurrent
    /// backups run one after the other.
    pub fn back_up(&self, path: &Path) -> Result<Contents, StoreError> {
        self.back_up_open(path).map(|(contents, _)| contents)
    }

    /// As [`Store::back_up`]; also returns the file, open for reading from its beginning.
    pub fn back_up_open(&self, path: &Path) -> Result<(Contents, File), StoreError> {
        let _alone = self.shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut base, mut at) = self.base_of_all(path)?;
        let last = self.mark()?;
        at.follow(&mut base, &last)?;
        let mut file = base.end(last.number)?;
        let bytes = file.metadata().and_then(|found| file.rewind().map(|()| found.len()));
        Ok((Contents { bytes: bytes.map_err(|error| explain(path, error))?, commit: last.number }, file))
    }
}

/// Reads a whole backup, and verifies each frame and the hash of everything.
pub fn verify_backup(path: &Path) -> Result<Contents, StoreError> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let read = opened.map_err(BackupError::Unreadable).and_then(|(length, file)| read_backup(file, length));
    read.map_err(|why| StoreError::BadBackup { path: path.to_owned(), why })
}

/// Verifies a backup of `length` bytes.
pub fn read_backup(backup: impl io::Read, length: u64) -> Result<Contents, BackupError> {
    let scan = copy::scan_from::<BackupError>(backup, length, |_, _, payload| match copy::changes(payload) {
        Some(_) => Ok(()),
        None => Err(BackupError::UnknownChange),
    });
    match scan? {
        Scan { end: 0, .. } => Err(BackupError::NoBackup),
        Scan { base: None, .. } => Err(BackupError::Damaged),
        Scan { end, length, .. } if end < length => Err(BackupError::Trailing),
        Scan { base: Some(commit), length, .. } => Ok(Contents { bytes: length, commit }),
    }
}

/// Restores a backup into `dir`, and opens the store. What `prepare` commits is in it from the start. An existing store is an error, or with
/// `force` is moved aside; its new path is returned then.
///
/// If the process is killed at any moment, `dir` holds either the old store or the new one as `prepare` left it.
pub fn restore<E: From<StoreError>>(
    dir: &Path,
    backup: &Path,
    force: bool,
    prepare: impl FnOnce(&Store) -> Result<(), E>,
) -> Result<(Store, Option<PathBuf>), E> {
    let contents = verify_backup(backup)?;
    let at_dir = |error| explain(dir, error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at_dir)?;
    let lock = super::lock(dir)?;
    let there = exists(dir);
    if there && !force {
        return Err(
            StoreError::BadBackup { path: backup.to_owned(), why: BackupError::Occupied(dir.to_owned()) }.into()
        );
    }
    super::expect_room(dir, super::SPARE_BYTES, contents.bytes)?;
    // Complete it beside the old store first, then replace that in one step.
    let new = dir.join("restore.new");
    remove(&new)?;
    let copied = || -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&new)?;
        let mut from = File::open(backup)?;
        let mut to = File::options().write(true).create_new(true).mode(0o600).open(new.join(COPY))?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()
    };
    copied().map_err(at_dir)?;
    if verify_backup(&new.join(COPY))? != contents {
        return Err(StoreError::BadBackup { path: backup.to_owned(), why: BackupError::Changed }.into());
    }
    prepare(&Store::open(&new)?)?;
    let aside = there.then(|| dir.join(format!("before-restore-{}", Timestamp::now().strftime("%Y%m%dT%H%M%S%3f"))));
    let moved = || -> io::Result<()> {
        if let Some(aside) = &aside {
            fs::create_dir(aside)?;
            // The old copy stays until the last step; all of the old store can be rebuilt from it.
            keep_aside(dir, aside)?;
        }
        fs::rename(new.join(COPY), dir.join(COPY))
    };
    moved().map_err(at_dir)?;
    sync_dir(dir)?;
    remove(&new)?;
    drop(lock);
    Ok((Store::open(dir)?, aside))
}

/// Whether there is a store in `dir`.
pub fn exists(dir: &Path) -> bool {
    [DATABASE, COPY, ANSWERED].iter().any(|part| dir.join(part).exists())
}

/// Moves the store in `dir` aside, but leaves its second copy in place.
pub(super) fn keep_aside(dir: &Path, aside: &Path) -> io::Result<()> {
    if dir.join(COPY).exists() {
        let (from, to) = (dir.join(COPY), aside.join(COPY));
        // Some file systems have no hard links.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        File::open(&to)?.sync_all()?;
    }
    for part in [DATABASE, ANSWERED].iter().filter(|part| dir.join(part).exists()) {
        fs::rename(dir.join(part), aside.join(part))?;
    }
    Ok(())
}
