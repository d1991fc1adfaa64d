//! Why the store cannot be opened, read or written, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::FORMAT;

/// Why the store cannot be opened, read or written. Each message says what to do about it.
#[derive(Debug, Error)]
pub enum StoreError {
    #[error(
        "{} is in use by another usher: use the running daemon instead, or stop it first (systemctl stop usher)",
        dir.display()
    )]
    Busy { dir: PathBuf },
    #[error(
        "no permission to use {}: run as the user who owns it, or change its owner (chown -R usher {})",
        dir.display(), dir.display()
    )]
    Denied { dir: PathBuf },
    #[error(
        "{} is on a file system that is mounted read-only: Linux does that to a disk with errors (see dmesg). Check or replace the \
         disk; if the mount is meant to be read-only, remount it (mount -o remount,rw) or set [store] path to another directory. A running \
         usher resumes by itself then",
        dir.display()
    )]
    ReadOnly { dir: PathBuf },
    #[error(
        "the disk under {} gives input/output errors: look at dmesg, make a backup if that is still possible (usher backup), and replace \
         the disk. A running usher resumes by itself when the disk works again",
        dir.display()
    )]
    Faulty { dir: PathBuf },
    #[error(
        "the disk quota of the user who owns {} is used up: raise it (setquota, edquota) or free some space; usher resumes by itself then",
        dir.display()
    )]
    Quota { dir: PathBuf },
    #[error("{} cannot be used: {source}; check that it is on a mounted, writable disk", dir.display())]
    Unusable { dir: PathBuf, source: io::Error },
    #[error(
        "the database in {} and its second copy are both damaged ({why}): stop usher, move the directory aside without deleting \
         it, run `usher restore` with the last backup, and keep the damaged one for analysis",
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
        "a page of the database is damaged ({why}): restart usher, which then repairs the database from its second copy; if it \
         happens again, replace the disk"
    )]
    BadPage { why: String },
    #[error("the disk of the database is full: free some space, and usher resumes by itself")]
    Full,
    #[error(
        "the store cannot be opened: {why}. Until it can, nothing is recorded and the journal cannot be read; doors continue from memory"
    )]
    StandingBy { why: String },
    #[error("the database failed: {why}; usher keeps trying to reopen it; check the disk (dmesg)")]
    Failed { why: String },
    #[error("the backup {} cannot be used: {why}", path.display())]
    BadBackup { path: PathBuf, why: BackupError },
}

/// Why a backup cannot be used.
#[derive(Debug, Error)]
pub enum BackupError {
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    #[error("it is not an usher backup, or one of another version")]
    NoBackup,
    #[error("it holds an unknown change")]
    UnknownChange,
    #[error("it is truncated or damaged; use another one")]
    Damaged,
    #[error("it has extra data at its end; use another one")]
    Trailing,
    #[error("it changed while it was read")]
    Changed,
    #[error("{} already holds a store", .0.display())]
    Occupied(PathBuf),
}

impl StoreError {
    /// Whether the disk is the cause rather than the data on it: once the disk works again, the store may be intact.
    pub fn is_disk_failure(&self) -> bool {
        use StoreError::*;
        matches!(self, ReadOnly { .. } | Faulty { .. } | Quota { .. } | Full | Unusable { .. } | StandingBy { .. })
    }

    /// Turns a file system error that came through sled into one of the store in `dir`; leaves other errors unchanged.
    pub(super) fn at(self, dir: &Path) -> StoreError {
        match self {
            StoreError::Unusable { dir: unknown, source } if unknown.as_os_str().is_empty() => explain(dir, source),
            other => other,
        }
    }
}

impl From<sled::Error> for StoreError {
    fn from(error: sled::Error) -> StoreError {
        match error {
            sled::Error::Io(e) if e.kind() == io::ErrorKind::StorageFull => StoreError::Full,
            corrupt @ sled::Error::Corruption { .. } => StoreError::BadPage { why: reason(corrupt) },
            sled::Error::Io(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                StoreError::BadPage { why: "its file is truncated".to_owned() }
            }
            // `at` adds the directory.
            sled::Error::Io(source) if source.raw_os_error().is_some() => {
                StoreError::Unusable { dir: PathBuf::new(), source }
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

/// The message of a sled error.
pub(super) fn reason(error: sled::Error) -> String {
    match error {
        sled::Error::Corruption { at: Some(at), .. } => format!("unreadable data at {at:?}"),
        sled::Error::Corruption { at: None, .. } => "unreadable data".to_owned(),
        other => other.to_string(),
    }
}

/// What a file system error means for the store in `dir`.
pub(super) fn explain(dir: &Path, error: io::Error) -> StoreError {
    let dir = dir.to_owned();
    // `ErrorKind` has no kind for EIO.
    const INPUT_OUTPUT: Option<i32> = Some(rustix::io::Errno::IO.raw_os_error());
    match error.kind() {
        io::ErrorKind::PermissionDenied => StoreError::Denied { dir },
        io::ErrorKind::ReadOnlyFilesystem => StoreError::ReadOnly { dir },
        io::ErrorKind::StorageFull => StoreError::Full,
        io::ErrorKind::QuotaExceeded => StoreError::Quota { dir },
        _ if error.raw_os_error() == INPUT_OUTPUT => StoreError::Faulty { dir },
        _ => StoreError::Unusable { dir, source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_a_disk_says_what_to_do_about_it() {
        let of = |errno: rustix::io::Errno| explain(Path::new("/srv/usher"), io::Error::from(errno)).to_string();
        use rustix::io::Errno;
        for (errno, words) in [
            (Errno::ROFS, &["read-only", "remount", "/srv/usher"][..]),
            (Errno::NOSPC, &["full", "free some space"]),
            (Errno::DQUOT, &["quota", "/srv/usher"]),
            (Errno::IO, &["input/output", "replace", "/srv/usher"]),
            (Errno::ACCESS, &["no permission", "chown"]),
            (Errno::PERM, &["no permission", "chown"]),
        ] {
            let message = of(errno);
            assert!(words.iter().all(|word| message.contains(word)), "{errno}: {message}");
            assert_eq!(message.contains("chown"), matches!(errno, Errno::ACCESS | Errno::PERM), "{errno}: {message}");
        }
        assert!(of(Errno::NXIO).contains("mounted, writable disk"));
    }

    #[test]
    fn an_error_that_comes_through_sled_has_the_same_message() {
        for errno in [30, 28, 122, 5, 13] {
            let plain = explain(Path::new("/s"), io::Error::from_raw_os_error(errno)).to_string();
            let through = StoreError::from(sled::Error::Io(io::Error::from_raw_os_error(errno)));
            assert_eq!(through.at(Path::new("/s")).to_string(), plain);
        }
    }
}
