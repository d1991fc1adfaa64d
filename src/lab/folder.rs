//! What lies in a folder of photographs, and what of it cannot be a photograph: the one walk for enrolment and for data sets.
//!
//! Hidden entries are left out without a word. Every visible one is a file, a folder, or told with its reason. Kinds of pictures are not
//! told here, and never by a name's ending: what is no picture is found out when it is read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::crowd::CrowdError;

/// Something visible that is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    pub path: PathBuf,
    pub why: String,
}

impl LeftOut {
    /// A folder where only files are looked at.
    pub fn folder(path: &Path) -> LeftOut {
        LeftOut {
            path: path.to_owned(),
            why: "this is a folder inside a person's folder; move its pictures one level up".to_owned(),
        }
    }

    /// A file where only folders are looked at.
    pub fn beside(path: &Path) -> LeftOut {
        LeftOut {
            path: path.to_owned(),
            why: "it lies beside the folders; move it into the folder of the person it shows".to_owned(),
        }
    }

    /// `{"file": …, "reason": …}`
    pub fn json(&self) -> Value {
        json!({ "file": self.path.display().to_string(), "reason": self.why })
    }
}

/// What is visible in a folder, each by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Ordinary files, also behind links.
    pub files: Vec<PathBuf>,
    pub folders: Vec<PathBuf>,
    pub left_out: Vec<LeftOut>,
}

/// What is visible in `folder`.
pub fn inside(folder: &Path) -> Result<Inside, CrowdError> {
    let unreadable = |why| CrowdError::Unreadable { path: folder.to_owned(), why };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    let mut found = Inside::default();
    for path in paths {
        match std::fs::metadata(&path) {
            Ok(kind) if kind.is_dir() => found.folders.push(path),
            Ok(kind) if kind.is_file() => found.files.push(path),
            Ok(_) => found.left_out.push(LeftOut { path, why: "this is not a regular file".to_owned() }),
            Err(why) if path.is_symlink() => {
                found
                    .left_out
                    .push(LeftOut { path, why: format!("this is a link, and where it leads cannot be read: {why}") });
            }
            Err(why) => found.left_out.push(LeftOut { path, why: format!("it cannot be read: {why}") }),
        }
    }
    Ok(found)
}

/// The folders in `folder`, one a person; files beside them are left out.
pub fn persons(folder: &Path) -> Result<Inside, CrowdError> {
    let mut found = inside(folder)?;
    let beside = std::mem::take(&mut found.files);
    found.left_out.extend(beside.iter().map(|path| LeftOut::beside(path)));
    found.left_out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_visible_is_a_file_a_folder_or_told() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        std::fs::create_dir(path("ada")).unwrap();
        for name in ["b.HEIC", "a.jfif", ".DS_Store"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::os::unix::fs::symlink(path("nowhere"), path("link.jpg")).unwrap();
        std::os::unix::fs::symlink(path("a.jfif"), path("z.jpg")).unwrap();
        drop(std::os::unix::net::UnixListener::bind(path("socket")).unwrap());
        let found = inside(root.path()).unwrap();
        assert_eq!(found.files, [path("a.jfif"), path("b.HEIC"), path("z.jpg")]);
        assert_eq!(found.folders, [path("ada")]);
        assert_eq!(
            found.left_out.iter().map(|l| l.path.clone()).collect::<Vec<_>>(),
            [path("link.jpg"), path("socket")]
        );
        let found = persons(root.path()).unwrap();
        assert_eq!((found.files.len(), found.left_out.len()), (0, 5));
        assert!(found.left_out[0].why.contains("beside the folders"));
        assert!(inside(&path("missing")).is_err());
    }
}
