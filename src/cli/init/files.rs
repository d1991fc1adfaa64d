//! Writing what `usher init` makes: folders, the store's key, and the configuration, each whole or not at all.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, lchown};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use thiserror::Error;

use crate::api::users::user_id;
use crate::seal::{Ring, RingState, SealError, StoreKey};

/// The user of the daemon that the package installs.
const SERVICE_USER: &str = "usher";

/// Why something cannot be written. Nothing was.
#[derive(Debug, Error)]
pub enum CannotWrite {
    #[error("{} cannot be made: {} {why}; name another folder", folder.display(), at.display())]
    Folder { folder: PathBuf, at: PathBuf, why: String },
    #[error("{} cannot be written: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
    #[error("{} is there already; nothing was changed. --force replaces it", path.display())]
    Exists { path: PathBuf },
    #[error(
        "the store {} is sealed with a key that is not in {}: put that key there, or name another folder", store.display(), key.display()
    )]
    OtherKey { store: PathBuf, key: PathBuf },
    #[error(transparent)]
    Key(#[from] SealError),
}

/// Checks that `folder` is there and can be written, or can be made.
///
/// # Errors
/// Which folder is in the way, and why.
pub fn can_be_made(folder: &Path) -> Result<(), CannotWrite> {
    let wrong = |at: &Path, why: String| CannotWrite::Folder { folder: folder.to_owned(), at: at.to_owned(), why };
    let Some(at) = folder.ancestors().find(|above| fs::symlink_metadata(above).is_ok()) else {
        return Err(wrong(folder, "has no folder above it".to_owned()));
    };
    match fs::metadata(at) {
        Ok(found) if !found.is_dir() => return Err(wrong(at, "is not a folder".to_owned())),
        Err(error) => return Err(wrong(at, format!("cannot be read ({error})"))),
        Ok(_) => {}
    }
    accessat(CWD, at, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)
        .map_err(|error| wrong(at, format!("cannot be written ({})", io::Error::from(error))))
}

/// Checks that the templates in `store`, if there are any, are sealed with the key in the file `key`.
///
/// # Errors
/// They are sealed with another one, or the key cannot be read.
pub fn key_fits(store: &Path, key: &Path) -> Result<(), CannotWrite> {
    let own = if key.exists() { Some(StoreKey::load(key)?) } else { None };
    match Ring::open(store, Ok(own)).state() {
        RingState::Locked(SealError::NoKey { .. } | SealError::WrongKey { .. }) => {
            Err(CannotWrite::OtherKey { store: store.to_owned(), key: key.to_owned() })
        }
        RingState::Locked(why) => Err(why.into()),
        RingState::Plain | RingState::Open(_) => Ok(()),
    }
}

/// Writes the configuration `text` to `path` and the store's key to `key`, unless there is one. The configuration appears last and whole: until then
/// nothing uses the key.
///
/// # Errors
/// There is a configuration already and `replace` is not set, or something cannot be written; then neither was.
pub fn write(path: &Path, text: &str, key: &Path, replace: bool) -> Result<(), CannotWrite> {
    for folder in [path.parent(), key.parent()].into_iter().flatten() {
        make(folder)?;
    }
    if !replace && path.exists() {
        return Err(CannotWrite::Exists { path: path.to_owned() });
    }
    let draft = draft_beside(path, text)?;
    let new_key = !key.exists();
    let mut done = Ok(());
    if new_key {
        done = StoreKey::generate().and_then(|new| new.save(key)).map_err(CannotWrite::from);
    }
    let done = done.and_then(|()| place(&draft, path, replace));
    // Renaming has removed it; there is nothing to report if it cannot be removed.
    drop(fs::remove_file(&draft));
    if done.is_err() && new_key {
        drop(fs::remove_file(key));
    }
    done
}

/// Makes a folder with those above it; new ones are the user's alone, but for the system's configuration, which everybody may read.
pub fn make(folder: &Path) -> Result<(), CannotWrite> {
    let mode = if folder.starts_with("/etc") { 0o755 } else { 0o700 };
    let made = DirBuilder::new().recursive(true).mode(mode).create(folder);
    made.map_err(|cause| CannotWrite::File { path: folder.to_owned(), cause })
}

/// Writes a new file beside `path` that holds `text`; its path.
fn draft_beside(path: &Path, text: &str) -> Result<PathBuf, CannotWrite> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = || -> io::Result<()> {
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o644).open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|cause| {
        drop(fs::remove_file(&draft));
        CannotWrite::File { path: path.to_owned(), cause }
    })?;
    Ok(draft)
}

/// Gives `draft` the name `path`. A link, unlike a renamed file, replaces nothing.
fn place(draft: &Path, path: &Path, replace: bool) -> Result<(), CannotWrite> {
    let placed = match replace {
        true => fs::rename(draft, path),
        false => match fs::hard_link(draft, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(CannotWrite::Exists { path: path.to_owned() });
            }
            // A file system without links.
            Err(_) => fs::rename(draft, path),
            Ok(()) => Ok(()),
        },
    };
    placed.map_err(|cause| CannotWrite::File { path: path.to_owned(), cause })
}

/// Gives `paths`, and what is below them, to the user whom the package made for the daemon. Nothing is done where there is no such user. Links are
/// not followed.
///
/// # Errors
/// Something cannot be given.
pub fn hand_over(paths: &[&Path]) -> Result<(), CannotWrite> {
    let Some(user) = user_id(SERVICE_USER) else { return Ok(()) };
    let given = |path: &&Path| give(path, user).map_err(|cause| CannotWrite::File { path: path.to_path_buf(), cause });
    paths.iter().filter(|path| path.exists()).try_for_each(given)
}

fn give(path: &Path, (user, group): (u32, u32)) -> io::Result<()> {
    lchown(path, Some(user), Some(group))?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), (user, group))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn text(path: &Path) -> String {
        fs::read_to_string(path).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_configuration_and_the_key_are_written_whole_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (config, key) = (folder.path().join("a/b/usher.toml"), folder.path().join("a/b/store.key"));
        write(&config, "[store]\n", &key, false).unwrap();
        assert_eq!(text(&config), "[store]\n");
        assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
        StoreKey::load(&key).unwrap();
        assert_eq!(names(&folder.path().join("a/b")), ["store.key", "usher.toml"]);
    }

    #[test]
    fn what_is_there_is_replaced_only_by_force_and_a_key_never() {
        let folder = tempfile::tempdir().unwrap();
        let (config, key) = (folder.path().join("usher.toml"), folder.path().join("store.key"));
        write(&config, "first", &key, false).unwrap();
        let before = text(&key);
        let error = write(&config, "second", &key, false).unwrap_err();
        assert!(error.to_string().contains("--force"), "{error}");
        assert_eq!((text(&config).as_str(), text(&key) == before), ("first", true));
        write(&config, "third", &key, true).unwrap();
        assert_eq!((text(&config).as_str(), text(&key) == before), ("third", true));
        assert_eq!(names(folder.path()), ["store.key", "usher.toml"]);
    }

    #[test]
    fn a_failure_leaves_neither_configuration_nor_key() {
        let folder = tempfile::tempdir().unwrap();
        let (config, key) = (folder.path().join("usher.toml"), folder.path().join("store.key"));
        // A folder cannot be replaced by a file.
        fs::create_dir(&config).unwrap();
        assert!(write(&config, "text", &key, true).is_err());
        assert_eq!(names(folder.path()), ["usher.toml"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_told_from_one_that_can() {
        let folder = tempfile::tempdir().unwrap();
        can_be_made(&folder.path().join("new/and/newer")).unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let error = can_be_made(&folder.path().join("file/below")).unwrap_err().to_string();
        assert!(error.contains("is not a folder") && error.contains("another folder"), "{error}");
        // The kernel's own file system takes no new folder, from root neither.
        assert!(DirBuilder::new().create("/proc/usher").is_err());
    }

    #[test]
    fn a_store_that_is_sealed_with_another_key_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let (store, key, other) =
            (folder.path().join("store"), folder.path().join("store.key"), folder.path().join("other.key"));
        key_fits(&store, &key).unwrap();
        fs::create_dir(&store).unwrap();
        let own = StoreKey::generate().unwrap();
        own.save(&key).unwrap();
        Ring::open(&store, Ok(Some(own))).add(1).unwrap();
        key_fits(&store, &key).unwrap();
        for wrong in [&other, &folder.path().join("none.key")] {
            if wrong == &other {
                StoreKey::generate().unwrap().save(&other).unwrap();
            }
            let error = key_fits(&store, wrong).unwrap_err();
            assert!(matches!(error, CannotWrite::OtherKey { .. }), "{error}");
        }
    }
}
