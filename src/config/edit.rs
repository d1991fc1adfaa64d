//! Changes one value in the configuration file, and nothing else of it: comments, order and blanks stay.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Config, ConfigErrors};
use crate::domain::Rotation;

/// Why a value was not changed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file has mistakes as it is.
    #[error("{0}")]
    Broken(ConfigErrors),
    #[error("it has no [[camera]] {0}; was it changed since the daemon started?")]
    NoCamera(String),
    /// The file is written in a way that this editor does not understand, or a variable of the environment overrides the value.
    #[error(
        "its form is too unusual to be changed automatically, or a variable of the environment overrides the value"
    )]
    Unusual,
    #[error("{0}")]
    NotWritten(#[from] io::Error),
}

/// Sets `rotate` of a `[[camera]]` in the file at `path`. The new file is read as [`Config::load`] reads it, with the same `variables`, before it
/// replaces the old one; a file that would say anything else besides is not written.
///
/// # Errors
/// The file stays as it is, for the reason given.
pub fn set_rotation(
    path: &Path,
    variables: impl Iterator<Item = (String, String)>,
    camera: &str,
    rotation: Rotation,
) -> Result<(), EditError> {
    let variables: Vec<(String, String)> = variables.collect();
    // A link stays a link.
    let path = &fs::canonicalize(path)?;
    let before = Config::load(path, variables.iter().cloned()).map_err(EditError::Broken)?;
    let mut wanted = before;
    let found = wanted.cameras.iter_mut().find(|one| one.name == camera);
    found.ok_or_else(|| EditError::NoCamera(camera.to_owned()))?.rotate = rotation;
    let text = fs::read_to_string(path)?;
    let text = with_value(&text, camera, "rotate", &rotation.degrees().to_string()).ok_or(EditError::Unusual)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    let replaced = write_beside(path, &beside, &text).map_err(EditError::from).and_then(|()| {
        let after = Config::load(&beside, variables.into_iter()).map_err(|_| EditError::Unusual)?;
        if after.to_toml() != wanted.to_toml() {
            return Err(EditError::Unusual);
        }
        Ok(fs::rename(&beside, path)?)
    });
    if replaced.is_err() {
        // It may not have been made at all.
        fs::remove_file(&beside).ok();
    }
    replaced
}

/// Writes `text` to `beside`, with the owner and mode of `path`, and waits for the disk.
fn write_beside(path: &Path, beside: &Path, text: &str) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let old = fs::metadata(path)?;
    let mut file = File::create(beside)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(old.permissions())?;
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        chown(beside, Some(old.uid()), Some(old.gid()))?;
    }
    file.sync_all()
}

/// `text` with `key = value` in the `[[camera]]` of that name: in place of the value that is there, or on a line of its own below the name. `None`
/// if that place is not found.
fn with_value(text: &str, camera: &str, key: &str, value: &str) -> Option<String> {
    let root = DeTable::parse(text).ok()?;
    let DeValue::Array(cameras) = root.get_ref().get("camera")?.get_ref() else { return None };
    let table = cameras.iter().find_map(|one| table_named(one, camera))?;
    if let Some(old) = table.get(key) {
        let (before, rest) = text.split_at_checked(old.span().start)?;
        let after = rest.get(old.span().len()..)?;
        return Some(format!("{before}{value}{after}"));
    }
    let name = table.get("name")?.span();
    let line_end = text.get(name.end..)?.find('\n').map_or(text.len(), |at| name.end + at + 1);
    let (before, after) = text.split_at_checked(line_end)?;
    let gap = if before.ends_with('\n') { "" } else { "\n" };
    // As far in as the line of the name.
    let line = before.trim_end_matches('\n').rsplit('\n').next().unwrap_or_default();
    let indent: String = line.chars().take_while(|c| c.is_whitespace() && *c != '\r').collect();
    let end = if before.ends_with("\r\n") { "\r\n" } else { "\n" };
    Some(format!("{before}{gap}{indent}{key} = {value}{end}{after}"))
}

fn table_named<'a, 'i>(value: &'a Spanned<DeValue<'i>>, name: &str) -> Option<&'a DeTable<'i>> {
    let DeValue::Table(table) = value.get_ref() else { return None };
    let named = table.get("name").is_some_and(|found| matches!(found.get_ref(), DeValue::String(text) if text == name));
    named.then_some(table)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const FILE: &str = "# Our door.\n[[door]]\nname = \"front\"   # the big one\n\n[[camera]]\n  name = \"porch\"  # above the bell\n  \
        kind = \"v4l2\"\n[[camera]]\nname = \"yard\"\nkind = \"v4l2\"\nrotate = 180 # upside down\n";

    fn set(text: &str, camera: &str, rotation: Rotation) -> (Result<(), EditError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usher.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let done = set_rotation(&path, std::iter::empty(), camera, rotation);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        (done, fs::read_to_string(&path).unwrap())
    }

    #[test]
    fn a_new_value_goes_below_the_name_and_nothing_else_changes() {
        let (done, text) = set(FILE, "porch", Rotation::Quarter);
        done.unwrap();
        let expected = FILE.replace("# above the bell\n", "# above the bell\n  rotate = 90\n");
        assert_eq!(text, expected);
    }

    #[test]
    fn a_value_that_is_there_is_replaced() {
        let (done, text) = set(FILE, "yard", Rotation::ThreeQuarters);
        done.unwrap();
        assert_eq!(text, FILE.replace("rotate = 180", "rotate = 270"));
    }

    #[test]
    fn a_last_line_without_an_end_and_foreign_line_ends_are_kept() {
        let text = "[[door]]\nname = \"front\"\n[[camera]]\nkind = \"v4l2\"\nname = \"porch\"";
        let (done, written) = set(text, "porch", Rotation::Half);
        done.unwrap();
        assert_eq!(written, format!("{text}\nrotate = 180\n"));
        let windows = FILE.replace('\n', "\r\n");
        let (done, written) = set(&windows, "porch", Rotation::Quarter);
        done.unwrap();
        assert!(written.contains("bell\r\n  rotate = 90\r\n  kind"), "{written:?}");
    }

    #[test]
    fn what_cannot_be_changed_stays_as_it_is() {
        let inline = "camera = [{ name = \"porch\", kind = \"v4l2\" }]\n[[door]]\nname = \"front\"\n";
        let (done, text) = set(inline, "porch", Rotation::Half);
        assert!(matches!(done, Err(EditError::Unusual)), "{done:?}");
        assert_eq!(text, inline);
        let (done, text) = set(FILE, "attic", Rotation::Half);
        assert!(matches!(&done, Err(EditError::NoCamera(name)) if name == "attic"), "{done:?}");
        assert_eq!(text, FILE);
        let broken = FILE.replace("180", "45");
        let (done, text) = set(&broken, "porch", Rotation::Half);
        assert!(matches!(done, Err(EditError::Broken(_))), "{done:?}");
        assert_eq!(text, broken);
    }

    #[test]
    fn a_variable_that_overrides_the_value_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("usher.toml");
        fs::write(&path, FILE).unwrap();
        let variables = [("USHER__CAMERA__0__ROTATE".to_owned(), "270".to_owned())];
        let done = set_rotation(&path, variables.into_iter(), "porch", Rotation::Half);
        assert!(matches!(done, Err(EditError::Unusual)), "{done:?}");
        assert_eq!(fs::read_to_string(&path).unwrap(), FILE);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_said() {
        let done = set_rotation(Path::new("/proc/version"), std::iter::empty(), "porch", Rotation::Half);
        assert!(done.is_err());
    }
}
