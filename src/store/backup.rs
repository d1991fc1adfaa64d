//! A backup: the whole store as one file, checked by its hash, and a store made from one.
//!
//! The form is that of the second copy whose base is all there is. Knows nothing of what is stored.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use jiff::Timestamp;

use super::copy::{self, Scan};
use super::recover::{ANSWERED, COPY, DATABASE, remove};
use super::{Store, StoreError, explain, sync_dir};

/// What a backup holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The file's length.
    pub bytes: u64,
    /// The number of the last commit in it.
    pub commit: u64,
}

impl Store {
    /// Writes everything as it stands into a new file at `path`, for its owner only (mode 0600). Commits go on meanwhile, and wait for none
    /// of its syncs. Two at once come one after the other.
    pub fn back_up(&self, path: &Path) -> Result<Contents, StoreError> {
        self.back_up_open(path).map(|(contents, _)| contents)
    }

    /// As [`Store::back_up`], and the file, open for reading from its beginning.
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

/// Puts the store of a backup into `dir`, and opens it. What `prepare` commits is in it from the first moment on. A store that is there
/// already is refused, or with `force` kept aside; its new place is told then.
///
/// Killed at any moment, the store in `dir` is the one that was there, or the new one as `prepare` left it.
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
    let there = is_there(dir);
    if there && !force {
        let why = format!("{} holds a store already", dir.display());
        return Err(StoreError::BadBackup { path: backup.to_owned(), why }.into());
    }
    super::expect_room(dir, super::SPARE_BYTES, contents.bytes)?;
    // First whole and complete beside, then in one step in the old one's place.
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
        let why = "it changed while it was read".to_owned();
        return Err(StoreError::BadBackup { path: backup.to_owned(), why }.into());
    }
    prepare(&Store::open(&new)?)?;
    let aside = there.then(|| dir.join(format!("before-restore-{}", Timestamp::now().strftime("%Y%m%dT%H%M%S%3f"))));
    let moved = || -> io::Result<()> {
        if let Some(aside) = &aside {
            fs::create_dir(aside)?;
            // Until the last step the old copy is there, from which all of the old store is made.
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
pub fn is_there(dir: &Path) -> bool {
    [DATABASE, COPY, ANSWERED].iter().any(|part| dir.join(part).exists())
}

/// Keeps aside what makes up the store in `dir`, which goes on with its second copy alone.
pub(super) fn keep_aside(dir: &Path, aside: &Path) -> io::Result<()> {
    if dir.join(COPY).exists() {
        let (from, to) = (dir.join(COPY), aside.join(COPY));
        // Some file systems have no second names.
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        File::open(&to)?.sync_all()?;
    }
    for part in [DATABASE, ANSWERED].iter().filter(|part| dir.join(part).exists()) {
        fs::rename(dir.join(part), aside.join(part))?;
    }
    Ok(())
}
