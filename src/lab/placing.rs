//! Moves or links photographs into one folder per group. Never replaces a file, and never loses one.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// How a photograph is put into a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceBy {
    Move,
    /// A symbolic link to the photograph.
    Link,
}

/// Why a photograph cannot be placed.
#[derive(Debug, Error)]
#[error("{} cannot be put into {}: {why}", file.display(), folder.display())]
pub struct PlacingError {
    file: PathBuf,
    folder: PathBuf,
    why: std::io::Error,
}

/// Puts `file` into `folder`, which is created if necessary, and returns its new path. A name that is taken gets a number: `ada.jpg`,
/// `ada-2.jpg`, …
pub fn place(file: &Path, folder: &Path, how: PlaceBy) -> Result<PathBuf, PlacingError> {
    let failed = |why| PlacingError { file: file.to_owned(), folder: folder.to_owned(), why };
    fs::create_dir_all(folder).map_err(failed)?;
    let target = file.canonicalize().map_err(failed)?;
    for number in 1.. {
        let path = folder.join(numbered(file, number));
        let done = match how {
            PlaceBy::Link => symlink(&target, &path),
            PlaceBy::Move => move_to(file, &path),
        };
        match done {
            Ok(()) => return Ok(path),
            Err(why) if why.kind() == ErrorKind::AlreadyExists => {}
            Err(why) => return Err(failed(why)),
        }
    }
    Err(failed(ErrorKind::AlreadyExists.into()))
}

/// Moves a file to a free name: adds the new name as a hard link, then removes the old one. Unlike a rename, this never replaces a file. On
/// another file system the file is copied instead.
fn move_to(file: &Path, path: &Path) -> std::io::Result<()> {
    match fs::hard_link(file, path) {
        Ok(()) => {}
        Err(why) if why.kind() == ErrorKind::AlreadyExists => return Err(why),
        Err(_) => {
            // Reserves the name.
            drop(fs::OpenOptions::new().write(true).create_new(true).open(path)?);
            let mut partial = path.as_os_str().to_owned();
            partial.push(".partial");
            let copied = fs::copy(file, &partial).and_then(|_| fs::rename(&partial, path));
            if let Err(why) = copied {
                // Removes the traces of the attempt; the photograph is unchanged.
                drop((fs::remove_file(&partial), fs::remove_file(path)));
                return Err(why);
            }
        }
    }
    fs::remove_file(file)
}

fn numbered(file: &Path, number: u32) -> OsString {
    if number == 1 {
        return file.file_name().unwrap_or_default().to_owned();
    }
    let mut name = file.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(ending) = file.extension() {
        name.push(".");
        name.push(ending);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_names_get_a_number_and_nothing_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out/person-1");
        for (folder, text) in [("a", "first"), ("b", "second"), ("c", "third")] {
            fs::create_dir(root.path().join(folder)).unwrap();
            let file = root.path().join(folder).join("x.jpg");
            fs::write(&file, text).unwrap();
            place(&file, &out, PlaceBy::Move).unwrap();
            assert!(!file.exists());
        }
        let text = |name: &str| fs::read_to_string(out.join(name)).unwrap();
        assert_eq!([text("x.jpg"), text("x-2.jpg"), text("x-3.jpg")], ["first", "second", "third"]);
    }

    #[test]
    fn a_link_points_to_the_photograph_and_leaves_it() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("x");
        fs::write(&file, "text").unwrap();
        let link = place(&file, &root.path().join("out"), PlaceBy::Link).unwrap();
        assert!(link.is_symlink() && file.exists());
        assert_eq!(fs::read_to_string(&link).unwrap(), "text");
        assert_eq!(place(&file, &root.path().join("out"), PlaceBy::Link).unwrap().file_name().unwrap(), "x-2");
    }

    #[test]
    fn a_missing_photograph_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = place(&root.path().join("gone.jpg"), &root.path().join("out"), PlaceBy::Move).unwrap_err();
        assert!(error.to_string().contains("gone.jpg"), "{error}");
    }
}
