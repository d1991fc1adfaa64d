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
    #[error(
        "{} lies on a file system that is mounted read-only: Linux does that to a disk with errors (dmesg says so). Check or replace the \
         disk; where the mount is meant to be read-only, remount it (mount -o remount,rw) or name another folder in [store] path. A running \
         usher goes on by itself then",
        dir.display()
    )]
    ReadOnly { dir: PathBuf },
    #[error(
        "the disk under {} gives input/output errors: look at dmesg, make a backup if one can still be made (usher backup), and replace \
         the disk. A running usher goes on by itself when the disk answers again",
        dir.display()
    )]
    Faulty { dir: PathBuf },
    #[error(
        "the disk quota of the user who owns {} is used up: raise it (setquota, edquota) or free some space; usher goes on by itself then",
        dir.display()
    )]
    Quota { dir: PathBuf },
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
    #[error(
        "the store cannot be opened: {why}. Until it can, nothing is written down and the journal cannot be read; doors go on from memory"
    )]
    StandingBy { why: String },
    #[error("the database failed: {why}; usher tries to open it again by itself; check the disk (dmesg)")]
    Failed { why: String },
    #[error("the backup {} cannot be used: {why}", path.display())]
    BadBackup { path: PathBuf, why: String },
}

impl StoreError {
    /// Whether the disk is to blame, and not what lies on it: the store may be as it was once the disk is well again.
    pub fn is_of_the_disk(&self) -> bool {
        use StoreError::*;
        matches!(self, ReadOnly { .. } | Faulty { .. } | Quota { .. } | Full | Unusable { .. } | StandingBy { .. })
    }

    /// An error of the file system that came through the database, told as one of the store in `dir`; any other as it is.
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
                StoreError::BadPage { why: "its file is cut short".to_owned() }
            }
            // Where, says who knows it: see `at`.
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
    // No kind of its own for EIO.
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
            let told = of(errno);
            assert!(words.iter().all(|word| told.contains(word)), "{errno}: {told}");
            assert_eq!(told.contains("chown"), matches!(errno, Errno::ACCESS | Errno::PERM), "{errno}: {told}");
        }
        assert!(of(Errno::NXIO).contains("mounted, writable disk"));
    }

    #[test]
    fn an_error_that_comes_through_the_database_is_told_in_the_same_words() {
        for errno in [30, 28, 122, 5, 13] {
            let plain = explain(Path::new("/s"), io::Error::from_raw_os_error(errno)).to_string();
            let through = StoreError::from(sled::Error::Io(io::Error::from_raw_os_error(errno)));
            assert_eq!(through.at(Path::new("/s")).to_string(), plain);
        }
    }
}
