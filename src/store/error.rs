//! Why the store cannot be opened, read or written, in plain words and with what to do.
//!
//! Knows nothing of what is kept in it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::FORMAT;

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
        "the database in {} and its second copy are both damaged ({why}): stop usher, move the directory aside without deleting \
         it, run `usher restore` with the last backup, and keep the damaged one for a closer look",
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
        "a page of the database is damaged ({why}): restart usher, which then mends the database from its second copy; when it \
         happens again, replace the disk"
    )]
    BadPage { why: String },
    #[error("the disk of the database is full: free some space, and usher goes on by itself")]
    Full,
    #[error("the database failed: {why}; usher tries to open it again by itself; check the disk (dmesg)")]
    Failed { why: String },
    #[error("the backup {} cannot be used: {why}", path.display())]
    BadBackup { path: PathBuf, why: String },
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> StoreError {
        match error {
            sled::Error::Io(e) if e.kind() == io::ErrorKind::StorageFull => StoreError::Full,
            corrupt @ sled::Error::Corruption { .. } => StoreError::BadPage { why: reason(corrupt) },
            sled::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                StoreError::BadPage { why: "its file is cut short".to_owned() }
            }
            other => StoreError::Failed { why: other.to_string() },
        }
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        sled::Error::Io(error).into()
    }
}

/// What an error of sled says, in words.
pub(super) fn reason(error: sled::Error) -> String {
    match error {
        sled::Error::Corruption { at: Some(at), .. } => format!("unreadable data at {at:?}"),
        sled::Error::Corruption { at: None, .. } => "unreadable data".to_owned(),
        other => other.to_string(),
    }
}

/// What an error of the file system means for the store in `dir`.
pub(super) fn explain(dir: &Path, error: io::Error) -> StoreError {
    let dir = dir.to_owned();
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => StoreError::Denied { dir },
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
        _ => StoreError::Unusable { dir, source: error },
    }
}
