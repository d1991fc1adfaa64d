//! Data sets: folders of photographs, and what in them cannot be a photograph. Enrolment and all commands on data sets list folders here.
//!
//! Hidden entries are ignored. Every visible entry is a file, a folder, or left out with a reason. Whether a file is a picture is decided
//! when it is read, never by its name's extension.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use thiserror::Error;

/// One file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Photograph {
    /// The name of its folder, which is the person's name.
    pub person: String,
    pub file: PathBuf,
}

/// Why a data set cannot be listed.
#[derive(Debug, Error)]
pub enum DatasetError {
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{} has no folders with photographs; one folder per person is expected", path.display())]
    NoPeople { path: PathBuf },
    #[error("{} contains no photographs", path.display())]
    NoPhotographs { path: PathBuf },
}

/// The photographs of a data set with one folder per person, sorted by folder, then by name. Every visible file counts as a photograph. Files
/// beside the folders, and folders inside them, are returned as left out, with their reasons.
pub fn people(folder: &Path) -> Result<(Vec<Photograph>, Vec<LeftOut>), DatasetError> {
    let mut photographs = Vec::new();
    let Listing { folders, mut left_out, .. } = list_people(folder)?;
    for person in folders {
        let own = list(&person)?;
        photographs.extend(own.files.into_iter().map(|file| Photograph { person: name(&person), file }));
        left_out.extend(own.folders.iter().map(|folder| LeftOut::folder(folder)).chain(own.left_out));
    }
    match photographs.is_empty() {
        true => Err(DatasetError::NoPeople { path: folder.to_owned() }),
        false => Ok((photographs, left_out)),
    }
}

/// All visible files in `folder` and the folders below it, sorted by path; `person` is the name of a file's folder. Linked folders are not
/// followed, because a link may point to a parent; they are returned as left out, with the reason.
pub fn all_photographs(folder: &Path) -> Result<(Vec<Photograph>, Vec<LeftOut>), DatasetError> {
    let (mut photographs, mut left_out) = (Vec::new(), Vec::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let found = list(&at)?;
        for path in found.folders {
            match path.is_symlink() {
                false => folders.push(path),
                true => {
                    let why = "this is a link to a folder, which is not followed; give that folder itself".to_owned();
                    left_out.push(LeftOut { path, why });
                }
            }
        }
        photographs.extend(found.files.into_iter().map(|file| Photograph { person: name(&at), file }));
        left_out.extend(found.left_out);
    }
    photographs.sort_by(|a, b| a.file.cmp(&b.file));
    left_out.sort_by(|a, b| a.path.cmp(&b.path));
    match photographs.is_empty() {
        true => Err(DatasetError::NoPhotographs { path: folder.to_owned() }),
        false => Ok((photographs, left_out)),
    }
}

/// Whether `out`, which need not exist, is `data` or inside it, where written files would become part of the data set.
pub fn is_inside(out: &Path, data: &Path) -> bool {
    let absolute = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
    // A folder that does not exist yet will be inside its nearest existing ancestor.
    let existing = absolute.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    matches!((existing, data.canonicalize()), (Some(out), Ok(data)) if out.starts_with(&data))
}

/// A visible entry that is not processed, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub path: PathBuf,
    pub why: String,
}

impl LeftOut {
    /// A folder where files are expected.
    pub fn folder(path: &Path) -> LeftOut {
        LeftOut {
            path: path.to_owned(),
            why: "this is a folder inside a person's folder; move its pictures one level up".to_owned(),
        }
    }

    /// A file where folders are expected.
    pub fn beside(path: &Path) -> LeftOut {
        LeftOut {
            path: path.to_owned(),
            why: "it is beside the folders; move it into the folder of the person it shows".to_owned(),
        }
    }

    /// `{"file": …, "reason": …}`
    pub fn json(&self) -> Value {
        json!({ "file": self.path.display().to_string(), "reason": self.why })
    }
}

/// The visible entries of a folder, each kind sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Regular files, including links to them.
    pub files: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
    pub left_out: Vec<LeftOut>,
}

/// Lists the visible entries of `folder`.
pub fn list(folder: &Path) -> Result<Listing, DatasetError> {
    let unreadable = |why| DatasetError::Unreadable { path: folder.to_owned(), why };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let mut found = Listing::default();
    for path in paths {
        match std::fs::metadata(&path) {
            Ok(kind) if kind.is_dir() => found.folders.push(path),
            Ok(kind) if kind.is_file() => found.files.push(path),
            Ok(_) => found.left_out.push(LeftOut { path, why: "this is not a regular file".to_owned() }),
            Err(why) if path.is_symlink() => {
                found
                    .left_out
                    .push(LeftOut { path, why: format!("this is a link, and its target cannot be read: {why}") });
            }
            Err(why) => found.left_out.push(LeftOut { path, why: format!("it cannot be read: {why}") }),
        }
    }
    Ok(found)
}

/// Lists the folders in `folder`, one per person; files beside them are left out.
pub fn list_people(folder: &Path) -> Result<Listing, DatasetError> {
    let mut found = list(folder)?;
    let beside = std::mem::take(&mut found.files);
    found.left_out.extend(beside.iter().map(|path| LeftOut::beside(path)));
    found.left_out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or(OsStr::new(".")).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(path: PathBuf) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    fn listed(photographs: &[Photograph], folder: &Path) -> Vec<String> {
        let one = |p: &Photograph| format!("{}: {}", p.person, p.file.strip_prefix(folder).unwrap().display());
        photographs.iter().map(one).collect()
    }

    #[test]
    fn people_are_folders_and_all_photographs_are_below() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in
            ["bob/2.jpg", "bob/1.jpg", "ada/1.png", "ada/.hidden", "ada/more/3.jpg", "loose.jpg", ".cache/4.jpg"]
        {
            touch(root.join(file));
        }
        let (all, left_out) = people(root).unwrap();
        let rest: Vec<_> = left_out.iter().map(|l| l.path.strip_prefix(root).unwrap().to_str().unwrap()).collect();
        assert_eq!(rest, ["loose.jpg", "ada/more"]);
        assert_eq!(listed(&all, root), ["ada: ada/1.png", "bob: bob/1.jpg", "bob: bob/2.jpg"]);
        std::os::unix::fs::symlink(root, root.join("ada/loop")).unwrap();
        let (all, left_out) = all_photographs(root).unwrap();
        assert_eq!(left_out.len(), 1, "the linked folder");
        let own = root.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            listed(&all, root),
            [
                "ada: ada/1.png".to_owned(),
                "more: ada/more/3.jpg".to_owned(),
                "bob: bob/1.jpg".to_owned(),
                "bob: bob/2.jpg".to_owned(),
                format!("{own}: loose.jpg"),
            ]
        );
    }

    #[test]
    fn a_folder_that_is_not_a_data_set_is_named() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path().join("loose.jpg"));
        assert!(people(folder.path()).unwrap_err().to_string().contains("one folder per person is expected"));
        assert!(people(&folder.path().join("missing")).unwrap_err().to_string().contains("missing cannot be read"));
        assert!(all_photographs(tempfile::tempdir().unwrap().path()).is_err());
    }

    #[test]
    fn every_visible_entry_is_a_file_a_folder_or_left_out() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("ada")).unwrap();
        for name in ["b.HEIC", "a.jfif", ".DS_Store"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink(path("nowhere"), path("link.jpg")).unwrap();
        std::os::unix::fs::symlink(path("a.jfif"), path("z.jpg")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path("socket")).unwrap());
        let found = list(root.path()).unwrap();
        assert_eq!(found.files, [path("a.jfif"), path("b.HEIC"), path("z.jpg")]);
        assert_eq!(found.folders, [path("ada")]);
        assert_eq!(
            found.left_out.iter().map(|l| l.path.clone()).collect::<Vec<_>>(),
            [path("link.jpg"), path("socket")]
        );
        let found = list_people(root.path()).unwrap();
        assert_eq!((found.files.len(), found.left_out.len()), (0, 5));
        assert!(found.left_out[0].why.contains("beside the folders"));
        assert!(list(&path("missing")).is_err());
    }
}
