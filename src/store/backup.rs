//! A backup: the whole store as one file, checked by its hash, and a store made from one.
//!
//! The form is that of the second copy whose base is all there is. Knows nothing of what is stored.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use jiff::Timestamp;

use super::copy::{self, Scan};
use super::recover::{ANSWERED, COPY, DATABASE};
use super::{Store, StoreError, explain, finish_base, sync_dir};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The file's length.
    pub bytes: u64,
    /// The number of the last commit in it.
    pub commit: u64,
}

impl Store {
    /// Writes everything as it stands into a new file at `path`, for its owner only (mode 0600). Commits go on meanwhile.
    pub fn back_up(&self, path: &Path) -> Result<Contents, StoreError> {
        let _alone = self.shared.compacting.lock().unwrap_or_else(PoisonError::into_inner);
        let (base, from) = self.begin_base(path)?;
        let writer = self.writer();
        let file = finish_base(base, &writer.pen.copy, from)?;
        let commit = writer.pen.copy.number();
        drop(writer);
        let bytes = file.metadata().map_err(|error| explain(path, error))?.len();
        Ok(Contents { bytes, commit })
    }
}

/// Reads a backup whole, and checks every part of it and the hash of all.
pub fn verify_backup(path: &Path) -> Result<Contents, StoreError> {
    let bad = |why: &str| StoreError::BadBackup { path: path.to_owned(), why: why.to_owned() };
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (length, file) = opened.map_err(|error| bad(&error.to_string()))?;
    contents_of(file, length).map_err(|why| bad(&why))
}

/// What a backup of so many bytes holds; or in words why it cannot be used.
pub fn contents_of(backup: impl io::Read, length: u64) -> Result<Contents, String> {
    let scan = copy::scan_from::<io::Error>(backup, length, |_, _, payload| match copy::changes(payload) {
        Some(_) => Ok(()),
        None => Err(io::Error::other("it holds something unknown")),
    });
    match scan.map_err(|error| error.to_string())? {
        Scan { end: 0, .. } => Err("it is no backup of usher, or one of another version".to_owned()),
        Scan { base: None, .. } => Err("it is cut short or damaged; take another one".to_owned()),
        Scan { end, length, .. } if end < length => Err("it does not end where it should; take another one".to_owned()),
        Scan { base: Some(commit), length, .. } => Ok(Contents { bytes: length, commit }),
    }
}

/// Puts the store of a backup into `dir`, and opens it. A store that is there already is refused, or with `force` kept aside;
/// its new place is told then.
pub fn restore(dir: &Path, backup: &Path, force: bool) -> Result<(Store, Option<PathBuf>), StoreError> {
    let contents = verify_backup(backup)?;
    let at_dir = |error| explain(dir, error);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at_dir)?;
    let lock = super::lock(dir)?;
    let parts = [DATABASE, COPY, ANSWERED];
    let there = parts.iter().any(|part| dir.join(part).exists());
    if there && !force {
        let why = format!("{} holds a store already; pass --force to put the backup in its place", dir.display());
        return Err(StoreError::BadBackup { path: backup.to_owned(), why });
    }
    super::expect_room(dir, super::SPARE_BYTES, contents.bytes)?;
    // First the whole file beside, then the old store aside, then the new one in its place.
    let new = dir.join("restore.new");
    let copied = || -> io::Result<()> {
        let mut from = File::open(backup)?;
        let mut to = File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        io::copy(&mut from, &mut to)?;
        to.sync_all()
    };
    copied().map_err(at_dir)?;
    if verify_backup(&new)? != contents {
        return Err(StoreError::BadBackup { path: backup.to_owned(), why: "it changed while it was read".to_owned() });
    }
    let aside = there.then(|| dir.join(format!("before-restore-{}", Timestamp::now().strftime("%Y%m%dT%H%M%S"))));
    let moved = || -> io::Result<()> {
        if let Some(aside) = &aside {
            fs::create_dir(aside)?;
            for part in parts.iter().filter(|part| dir.join(part).exists()) {
                fs::rename(dir.join(part), aside.join(part))?;
            }
        }
        fs::rename(&new, dir.join(COPY))
    };
    moved().map_err(at_dir)?;
    sync_dir(dir)?;
    drop(lock);
    Ok((Store::open(dir)?, aside))
}
