//! Secret files: written as a whole, readable by their owner alone, and refused where others can read them.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

/// The longest file that is read, in bytes.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// The bits of a file's mode that others must not have.
const OTHERS: u32 = 0o077;

/// A folder that only its owner may enter.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .with_context(|| format!("the folder {} cannot be made; check the rights of the one around it", path.display()))
}

/// Writes a file that only its owner may read. It replaces an old one as a whole. It belongs to the owner of its folder, where that can be done: a
/// command of root writes for the daemon.
pub(super) fn write(path: &Path, text: &str) -> Result<()> {
    let place = || format!("{} cannot be written; check the rights and the space there", path.display());
    let part = path.with_extension("part");
    match fs::remove_file(&part) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(place),
        Err(_) | Ok(()) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part).with_context(place)?;
    file.write_all(text.as_bytes()).with_context(place)?;
    if let Some(folder) = path.parent()
        && let (Ok(folder), Ok(own)) = (fs::metadata(folder), file.metadata())
        && folder.uid() != own.uid()
    {
        chown(&part, Some(folder.uid()), Some(folder.gid())).with_context(place)?;
    }
    file.sync_all().with_context(place)?;
    fs::rename(&part, path).with_context(place)?;
    // The rename is on the disk when its folder is.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).with_context(place)
}

/// Writes a value as JSON.
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = Zeroizing::new(serde_json::to_string_pretty(value)?);
    write(path, &format!("{}\n", text.as_str()))
}

/// Reads a secret file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>> {
    let place = || format!("{} cannot be read", path.display());
    let file = fs::File::open(path).with_context(place)?;
    let mode = file.metadata().with_context(place)?.mode() & 0o777;
    if mode & OTHERS != 0 {
        bail!("{0} can be read by others (mode {mode:04o}); run: chmod 600 {0}", path.display());
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE).read_to_string(&mut text).with_context(place)?;
    Ok(text)
}

/// Reads a value from a secret file with JSON.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_str(&read(path)?)
        .with_context(|| format!("{} is damaged; restore it from a backup", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_written_is_secret_and_what_is_not_secret_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a/b");
        make_folder(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        let path = folder.join("keys.json");
        write_json(&path, &["one"]).unwrap();
        write_json(&path, &["two"]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_json::<Vec<String>>(&path).unwrap(), ["two"]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing is left over");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_json::<Vec<String>>(&path).unwrap_err().to_string();
        assert!(error.contains("0640") && error.contains("chmod 600"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "[").unwrap();
        assert!(read_json::<Vec<String>>(&path).unwrap_err().to_string().contains("damaged"));
        assert!(write(&dir.path().join("none/x"), "").unwrap_err().to_string().contains("none/x"));
    }
}
